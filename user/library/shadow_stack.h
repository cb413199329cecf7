/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shadow_stack - whether code of a file can run with a shadow stack, on which the processor keeps return addresses that a
 * return has to agree with (Intel SDM volume 1, chapter 17; the kernel's Documentation/arch/x86/shstk.rst).
 *
 * A call on which a probe stands is made by the kernel, and kernels from 6.6 on, until some time in 2025, leave the shadow
 * stack out: the return from it would end the process. So no probe is put on a call where there may be one.
 */
#ifndef LIBRARY_SHADOW_STACK_H
#define LIBRARY_SHADOW_STACK_H

#include <stdbool.h>

#include "library/elf_image.h"

#define SHADOW_STACK_CPUINFO "/proc/cpuinfo"

/* Whether the processor and the kernel have shadow stacks, by the file cpuinfo. True if the file cannot be read. */
bool shadow_stack_on_host(const char *cpuinfo);

/*
 * Whether the file is made for shadow stacks (.note.gnu.property, x86-64 psABI section 5.2). One file in a process that is
 * not so made leaves the process without. True if the note cannot be read.
 */
bool shadow_stack_in_file(struct elf_image *image);

#endif /* LIBRARY_SHADOW_STACK_H */
