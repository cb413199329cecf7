// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Units, containers and pods by the paths of cgroups, and pods by the names of the kubelet's log directories. */
#include "attribution/cgroup_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attribution/pod_names.h"
#include "message_bytes.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID   "12345678-1234-1234-1234-123456789abc"
#define UID_  "12345678_1234_1234_1234_123456789abc"

static const struct {
	const char *path;
	const char *unit;
	const char *container;
	const char *runtime;
	const char *pod_uid;
} cases[] = {
	{"/", "", "", "", ""},
	{"", "", "", "", ""},
	{"/init.scope", "init.scope", "", "", ""},
	{"/system.slice/nginx.service", "nginx.service", "", "", ""},
	{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "", "", ""},
	{"/user.slice/user-0.slice/session-1.scope", "session-1.scope", "", "", ""},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service", "user@1000.service", "", "", ""},
	{"/system.slice/_cpu.service", "cpu.service", "", "", ""},
	{"/system.slice/a\\x2db.service/sub/other.service", "a\\x2db.service", "", "", ""},
	{"/web/nginx.service", "", "", "", ""},
	/* Docker, with the systemd driver and with the cgroupfs driver */
	{"/system.slice/docker-" ID ".scope", "", ID, "docker", ""},
	{"/docker/" ID, "", ID, "docker", ""},
	{"/system.slice/docker-" ID ".scope/system.slice/nginx.service", "", ID, "docker", ""},
	/* Podman, as root, as a user, in a unit; the process that watches a container is not in it */
	{"/machine.slice/libpod-" ID ".scope/container", "", ID, "podman", ""},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container", "user@1000.service",
         ID, "podman", ""},
	{"/system.slice/web.service/libpod-payload-" ID, "web.service", ID, "podman", ""},
	{"/libpod_parent/libpod-" ID, "", ID, "podman", ""},
	{"/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", "", "", ""},
	/* containerd, by itself and in Kubernetes with both drivers */
	{"/system.slice/nerdctl-" ID ".scope", "", ID, "containerd", ""},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
         "", ID, "containerd", UID},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope", "", ID, "containerd", UID},
	{"/kubepods/burstable/pod" UID "/" ID, "", ID, "", UID},
	{"/kubepods/pod" UID "/" ID, "", ID, "", UID},
	{"/kubelet.slice/kubelet-kubepods.slice/kubepods-besteffort-pod" UID_ ".slice/cri-containerd-" ID ".scope", "",
         ID, "containerd", UID},
	{"/system.slice/containerd.service/kubepods-besteffort-pod" UID_ ".slice:cri-containerd:" ID,
         "containerd.service", ID, "containerd", UID},
	/* CRI-O */
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", "", ID, "cri-o", UID},
	{"/kubepods/besteffort/pod" UID "/crio-" ID, "", ID, "cri-o", UID},
	{"/kubepods.slice/kubepods-pod" UID_ ".slice/crio-conmon-" ID ".scope", "crio-conmon-" ID ".scope", "", "",
         UID},
	/* one in another */
	{"/docker/" ID "/docker/" OTHER, "", OTHER, "docker", ""},
	{"/docker/" ID "/kubelet/kubepods/pod" UID "/" OTHER, "", OTHER, "", UID},
	/* machines */
	{"/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn@web.service", "web", "systemd-nspawn",
         ""},
	{"/machine.slice/machine-web\\x2d1.scope/payload/system.slice/nginx.service", "machine-web\\x2d1.scope",
         "web-1", "systemd-nspawn", ""},
	{"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator", "machine-qemu\\x2d1\\x2dvm.scope", "", "",
         ""},
	{"/lxc.payload.web/init.scope", "", "web", "lxc", ""},
	{"/machine.slice/machine-.scope", "machine-.scope", "", "", ""},
	{"/machine.slice/machine-a\\x.scope", "machine-a\\x.scope", "a\\x", "systemd-nspawn", ""},
	{"/machine.slice/machine-a\\x00.scope", "machine-a\\x00.scope", "a\\x00", "systemd-nspawn", ""},
	/* a user's own cgroups make no pods */
	{"/user.slice/user-1000.slice/user@1000.service/kubepods/pod" UID "/" ID, "user@1000.service", ID, "", ""},
	/* too few digits, too many, other letters */
	{"/docker/0" ID, "", "", "", ""},
	{"/docker/0123456789abcdef", "", "", "", ""},
	{"/docker-x" ID ".scope", "docker-x" ID ".scope", "", "", ""},
	{"/kubepods/pod/" ID, "", ID, "", ""},
	{"/kubepods/pod" UID "0/" ID, "", ID, "", ""},
	{"/kubepods/pod../" ID, "", ID, "", ""},
};

static void paths_of_each_runtime(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		struct attribution attribution = {};

		cgroup_name_read(cases[index].path, &attribution);
		expect_text(cases[index].path, "unit", attribution.unit, cases[index].unit);
		expect_text(cases[index].path, "container", attribution.container, cases[index].container);
		expect_text(cases[index].path, "runtime", attribution.runtime, cases[index].runtime);
		expect_text(cases[index].path, "pod uid", attribution.pod_uid, cases[index].pod_uid);
	}
}

static void lines_of_cgroup_files(void **state)
{
	static const struct {
		const char *text;
		const char *unit;
		const char *container;
	} files[] = {
		{"", "", ""},
		{"nonsense\n:\n0::\n", "", ""},
		{"0::/system.slice/nginx.service\n", "nginx.service", ""},
		/* v1 */
		{"12:pids:/docker/" ID "\n11:memory:/docker/" ID "\n1:name=systemd:/docker/" ID "\n", "", ID},
		{"2:cpu,cpuacct:/system.slice/docker-" ID ".scope", "", ID},
		/* hybrid: the unified hierarchy does not have the container */
		{"9:pids:/docker/" ID "\n1:name=systemd:/docker/" ID "\n0::/system.slice/docker.service\n",
	         "docker.service", ID},
		{"3:name=systemd:/system.slice/nginx.service\n2:pids:/\n0::/\n", "nginx.service", ""},
		/* the unified one does, and counts */
		{"9:pids:/docker/" OTHER "\n0::/docker/" ID "\n", "", ID},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(files) / sizeof(files[0]); index++) {
		struct attribution attribution = {};

		cgroup_name_read_lines(files[index].text, &attribution);
		expect_text(files[index].text, "unit", attribution.unit, files[index].unit);
		expect_text(files[index].text, "container", attribution.container, files[index].container);
	}
}

/* Names are others' to choose, and of any length. */
static void long_names_are_cut(void **state)
{
	struct attribution attribution = {};
	char path[2048];

	(void)state;
	snprintf(path, sizeof(path), "/machine.slice/machine-%0200d.scope", 7);
	cgroup_name_read(path, &attribution);
	expect_number("long machine", "length", strlen(attribution.container), ATTRIBUTION_CONTAINER_MAX - 1);
	snprintf(path, sizeof(path), "/system.slice/%01000d.service", 7);
	attribution = (struct attribution){};
	cgroup_name_read(path, &attribution);
	expect_number("long unit", "length", strlen(attribution.unit), ATTRIBUTION_UNIT_MAX - 1);
}

static void names_of_log_directories(void **state)
{
	static const struct {
		const char *name;
		const char *namespace;
		const char *pod;
		const char *uid;
	} names[] = {
		{"shop_cart-7c9_" UID, "shop", "cart-7c9", UID},
		{"kube-system_etcd-node1_0123456789abcdef0123456789abcdef", "kube-system", "etcd-node1",
	         "0123456789abcdef0123456789abcdef"},
		{"shop_cart", "", "", ""},
		{"shop_cart_a_b", "", "", ""},
		{"_cart_" UID, "", "", ""},
		{"shop__" UID, "", "", ""},
		{"shop_cart_", "", "", ""},
		{"shop_cart_" UID "0", "", "", ""},
		{".", "", "", ""},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
		struct attribution attribution = {};

		expect_number(names[index].name, "read", pod_name_read(names[index].name, &attribution),
		              *names[index].uid != '\0');
		expect_text(names[index].name, "namespace", attribution.pod_namespace, names[index].namespace);
		expect_text(names[index].name, "pod", attribution.pod, names[index].pod);
		expect_text(names[index].name, "uid", attribution.pod_uid, names[index].uid);
	}
}

static void make(const char *directory, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void expect_pod(const char *logs, const char *uid, const char *container, const char *pod,
                       const char *pod_container)
{
	struct attribution attribution = {};

	strcpy(attribution.pod_uid, uid);
	strcpy(attribution.container, container);
	pod_names_find(logs, &attribution);
	expect_text(uid, "pod", attribution.pod, pod);
	expect_text(uid, "container", attribution.pod_container, pod_container);
}

static void pods_are_found_by_their_log_directories(void **state)
{
	char logs[] = "/tmp/mtlsnoop-pods-XXXXXX", remove[sizeof(logs) + 16];

	(void)state;
	assert_non_null(mkdtemp(logs));
	make(logs, "pods");
	make(logs, "containers");
	make(logs, "pods/other_web_87654321-1234-1234-1234-123456789abc");
	make(logs, "pods/other_web_87654321-1234-1234-1234-123456789abc/nginx");
	make(logs, "pods/shop_cart-7c9_" UID);
	make(logs, "pods/shop_cart-7c9_" UID "/cart");
	make(logs, "pods/shop_cart-7c9_" UID "/proxy");
	make(logs, "containers/cart-7c9_shop_proxy-" OTHER ".log");
	make(logs, "containers/cart-7c9_shop_cart-" ID ".log");
	expect_pod(logs, UID, ID, "cart-7c9", "cart");
	expect_pod(logs, UID, OTHER, "cart-7c9", "proxy");
	/* two directories, and no name with this id */
	expect_pod(logs, UID, "c0ffee", "cart-7c9", "");
	expect_pod(logs, "87654321-1234-1234-1234-123456789abc", ID, "web", "nginx");
	expect_pod(logs, "87654321-1234-1234-1234-123456789abc", "c0ffee", "web", "nginx");
	expect_pod(logs, "00000000-1234-1234-1234-123456789abc", ID, "", "");
	snprintf(remove, sizeof(remove), "rm -r %s", logs);
	assert_int_equal(system(remove), 0);
	expect_pod(logs, UID, ID, "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_each_runtime),
		cmocka_unit_test(lines_of_cgroup_files),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(names_of_log_directories),
		cmocka_unit_test(pods_are_found_by_their_log_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
