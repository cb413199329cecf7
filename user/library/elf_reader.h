/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * elf_reader - a process without any capability that parses ELF files for the process that may attach probes. A file is
 * passed as an open descriptor; kind, name and offsets come back. A separate process parses each file, with bounds on
 * memory and time: a file that takes over or ends its parser cannot influence the answer about the next file.
 */
#ifndef LIBRARY_ELF_READER_H
#define LIBRARY_ELF_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "library/kinds.h"
#include "system/child.h"

enum elf_reader_bounds {
	ELF_READER_WHY_MAX = 128,
	ELF_READER_FILE_SECONDS = 2, /* a file may take, in the parser */
	ELF_READER_PATIENCE_MS =
		3000, /* until a file counts as unreadable; the answer may come later and is then skipped */
	ELF_READER_MEMORY = 768 << 20, /* address space of the parser */
};

struct elf_reader {
	struct child child;
	uint32_t sequence; /* of the latest question */
	bool waiting;      /* the answer to it did not come in time */
	char why[ELF_READER_WHY_MAX];
};

/* Start the process, while this process is still root and has no threads. Returns 0, or -errno after a message on standard error. */
int elf_reader_start(struct elf_reader *reader, const struct library_host *host);
void elf_reader_stop(struct elf_reader *reader);

/*
 * library_elf_read() in the other process. *why is valid until the next call. Also -EAGAIN: no answer in time, or an earlier
 * file is still being read: try again later. -EPIPE: the process is gone.
 */
int elf_reader_read(struct elf_reader *reader, int descriptor, struct library_elf *elf, const char **why);

/* library_elf_companion() in the other process; errors as above. */
int elf_reader_companion(struct elf_reader *reader, int descriptor, struct library_companion *companion);

#endif /* LIBRARY_ELF_READER_H */
