/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shadow_stack - whether code of a file can run with a shadow stack, on which the processor keeps return addresses for
 * comparison at each return (Intel SDM volume 1, chapter 17; the kernel's Documentation/arch/x86/shstk.rst).
 *
 * The kernel emulates a probed call, and kernels from 6.6 until some time in 2025 do not update the shadow stack: the
 * return would end the process. So no probe is put on a call if a shadow stack is possible.
 */
#ifndef LIBRARY_SHADOW_STACK_H
#define LIBRARY_SHADOW_STACK_H

#include <stdbool.h>

#include "library/elf_image.h"

#define SHADOW_STACK_CPUINFO "/proc/cpuinfo"

/* Whether the processor and the kernel have shadow stacks, by the file cpuinfo. True if the file cannot be read. */
bool shadow_stack_on_host(const char *cpuinfo);

/*
 * Whether the file is marked for shadow stacks (.note.gnu.property, x86-64 psABI section 5.2). A process with one
 * unmarked file has no shadow stack. True if the note cannot be read.
 */
bool shadow_stack_in_file(struct elf_image *image);

#endif /* LIBRARY_SHADOW_STACK_H */
