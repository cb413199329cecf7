/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sandbox - the remaining system calls while strangers' bytes are read (seccomp, libseccomp).
 *
 * An attacker who takes over the process has no privileges; without a filter the whole kernel would still be in reach.
 * The filter allows the calls for reading, counting and answering: no call opens a file or a socket, starts a program,
 * a process or a thread, makes memory executable, or looks into another process. Children that keep a capability have
 * filters of their own.
 *
 * A forbidden call fails with ENOSYS, as on a kernel without the call. The C library and the libraries above have a way
 * around each call that an older kernel lacks, and take that way at ENOSYS alone, not at EPERM. So another version of a
 * library may lose a feature, but not the trace. A few calls that no library makes for its own purposes end the process
 * instead (SIGSYS): starting a program, and reaching into another process, can only be an attack.
 */
#ifndef SYSTEM_SANDBOX_H
#define SYSTEM_SANDBOX_H

enum sandbox_work {
	SANDBOX_CAPTURE,     /* read a file that is open, print */
	SANDBOX_LIVE,        /* read events, print, answer scrapes */
	SANDBOX_FILES,       /* a child: read the operator's files when asked */
	SANDBOX_INTERFACES,  /* a child: attach loaded programs to network devices, as the devices come and go */
	SANDBOX_NAMES,       /* a child: look up host names */
	SANDBOX_LIBRARY,     /* a child: attach loaded probes to files mapped by processes */
	SANDBOX_STORE,       /* a child: write the store's file */
	SANDBOX_ATTRIBUTION, /* a child: look processes, cgroups and users up */
	SANDBOX_ELF,         /* a child: parse files that are passed open, each in a separate process */
	SANDBOX_WORKS,
};

/*
 * Allow all threads of the process no more than the work needs; sets no_new_privs, too. Where the kernel has no seccomp, or an
 * outer filter forbids seccomp(2), the process goes on without, after a warning. A child does not repeat the warning.
 */
void sandbox_enter(enum sandbox_work work);

#endif /* SYSTEM_SANDBOX_H */
