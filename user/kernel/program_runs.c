// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/program_runs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct program_runs program_runs(const char *name, const struct bpf_program *program)
{
	struct program_runs runs = {.program = name};
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	/* kernels before 5.19 refuse where sysctl kernel.unprivileged_bpf_disabled is set */
	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
		return runs;
	runs.runs = info.run_cnt;
	runs.run_ns = info.run_time_ns;
	return runs;
}
