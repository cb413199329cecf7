/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The container of a process, by its cgroups (user/attribution/process.c). */
#include "message_bytes.h"
#include "attribution/process.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* Paths as these put them there, cgroup v2 unless there are controllers. */
static const struct {
	const char *text;
	const char *container;
} cases[] = {
	{"0::/init.scope\n", ""},
	{"0::/user.slice/user-0.slice/session-1.scope\n", ""},
	{"0::/system.slice/nginx.service\n", ""},
	{"", ""},
	{"0::/", ""},
	{"0::\n", ""},
	{"nonsense\n:\n", ""},
	/* Docker, with the systemd and the cgroupfs driver; v1 */
	{"0::/system.slice/docker-" ID ".scope\n", ID},
	{"0::/docker/" ID "\n", ID},
	{"12:pids:/docker/" ID "\n11:memory:/docker/" ID "\n", ID},
	{"2:cpu,cpuacct:/system.slice/docker-" ID ".scope", ID},
	{"3:name=systemd:/user.slice\n2:pids:/docker/" ID "\n", ID},
	/* Podman, as root and not; what watches it */
	{"0::/machine.slice/libpod-" ID ".scope/container\n", ID},
	{"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container\n", ID},
	{"0::/machine.slice/libpod-conmon-" ID ".scope\n", ""},
	/* Kubernetes: containerd, CRI-O */
	{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" ID ".scope\n", ID},
	{"0::/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/" ID "\n", ID},
	{"0::/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:" ID "\n", ID},
	{"0::/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope/container\n", ID},
	{"0::/kubepods.slice/kubepods-pod1.slice/crio-conmon-" ID ".scope\n", ""},
	/* one in another */
	{"0::/docker/" ID "/docker/" OTHER "\n", OTHER},
	{"0::/docker/" ID "/system.slice/nginx.service\n", ID},
	/* systemd-nspawn */
	{"0::/machine.slice/systemd-nspawn@web.service/payload\n", "web"},
	{"0::/machine.slice/machine-web\\x2d1.scope/payload/system.slice/nginx.service\n", "web-1"},
	{"0::/machine.slice/machine-.scope\n", ""},
	{"0::/machine.slice/machine-a\\x\n", ""},
	{"0::/machine.slice/machine-a\\x.scope\n", "a\\x"},
	/* too few, too many, no digits */
	{"0::/docker/0" ID "\n", ""},
	{"0::/docker/0123456789abcdef\n", ""},
	{"0::/docker-x" ID ".scope\n", ""},
	{"0::/system.slice/session-" ID "x.scope\n", ""},
};

static void test_forms(void **state)
{
	char container[CONTAINER_ID_MAX];

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		bool found = process_container_of(cases[index].text, container);

		expect_text(cases[index].text, "container", container, cases[index].container);
		expect_number(cases[index].text, "found", found, *cases[index].container != '\0');
	}
}

/* Names are others' to choose: however long. */
static void test_long_name(void **state)
{
	char text[1024], container[CONTAINER_ID_MAX];

	(void)state;
	snprintf(text, sizeof(text), "0::/machine.slice/machine-%0200d.scope", 7);
	assert_true(process_container_of(text, container));
	expect_number("long", "length", strlen(container), CONTAINER_ID_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
