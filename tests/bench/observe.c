// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * observe CGROUP - as long as it runs the kernel takes the time of every BPF program's run, and two programs that do
 * nothing are attached to the cgroup beside mtlsnoop's: their time is what the taking of time itself costs. It holds
 * all of that by descriptors, so that nothing is left behind however it ends (the sysctl kernel.bpf_stats_enabled
 * would be).
 */
#include "peer.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>

static void attach_empty(const char *name, enum bpf_attach_type type, int cgroup)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	int program;

	program = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, name, "Dual BSD/GPL", pass, sizeof(pass) / sizeof(*pass),
	                        &options);
	if (program < 0)
		peer_die("load");
	if (bpf_link_create(program, cgroup, type, NULL) < 0)
		peer_die("attach");
}

int main(int argc, char **argv)
{
	int cgroup;

	if (argc != 2) {
		fprintf(stderr, "usage: observe CGROUP\n");
		return EXIT_FAILURE;
	}
	cgroup = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		peer_die(argv[1]);
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		peer_die("statistics of the kernel");
	attach_empty("empty_receive", BPF_CGROUP_INET_INGRESS, cgroup);
	attach_empty("empty_send", BPF_CGROUP_INET_EGRESS, cgroup);
	puts("ready");
	fflush(stdout);
	peer_wait();
	return EXIT_SUCCESS;
}
