# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Everything is made under build/; the program is build/mtlsnoop. `make help` lists the targets.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0

CC ?= cc
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
BUILD := build
JOBS := $(shell nproc)

# make V=1 shows the commands
ifeq ($(V),1)
quiet =
else
quiet = @printf '  %-8s %s\n' '$(1)' '$@';
endif

ARCH := $(shell uname -m)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(ARCH)))
VMLINUX := vmlinux/$(patsubst aarch64,arm64,$(ARCH))

WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wpointer-arith
CPPFLAGS += -I. -Iuser -I$(BUILD)/filter -I$(BUILD)/store -I$(BUILD)/web -D_GNU_SOURCE -DMTLSNOOP_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
# nothing that is looked up later can be written over
LDFLAGS ?= -Wl,-z,relro,-z,now
LIBRARIES := -lncursesw -ltinfo -lsqlite3 -lm -lelf -lZydis -lpcap -lgnutls -lcap-ng -lmicrohttpd -lseccomp -lyaml -lcrypt -lz -lzstd -pthread
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

# -mcpu=v3 (kernel 5.1): clang 14's default made a program that the verifier refused
BPF_FLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -I. -Ibpf -I$(VMLINUX) $(WARNINGS) \
	-Wno-missing-prototypes -Wno-missing-declarations -Wno-compare-distinct-pointer-types

BPF_SOURCES := $(wildcard bpf/*.bpf.c)
BPF_SKELETONS := $(BPF_SOURCES:bpf/%.bpf.c=$(BUILD)/bpf/%.skel.h)
# The scanner and the grammar of expressions are made by flex and bison.
GENERATED := $(BUILD)/filter/scanner.c $(BUILD)/filter/parser.c
SOURCES := $(wildcard user/*.c user/*/*.c) $(GENERATED)
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
# The tests link archives: a test takes the modules that it needs. user/kernel/ needs libbpf and is in no archive of these.
PURE_SOURCES := $(filter-out user/main.c user/kernel/%,$(SOURCES))
SANITIZED := $(BUILD)/sanitized/user.a
FUZZED := $(BUILD)/fuzzed/user.a
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*_test.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))

PROGRAM := $(BUILD)/mtlsnoop

## all         build the program (default)
.PHONY: all
all: $(PROGRAM)

# What Debian calls the things that building, running and testing need.
DEPS_BUILD := clang llvm gcc libc6-dev make pkg-config libbpf-dev bpftool libelf-dev libzydis-dev zlib1g-dev libpcap-dev libgnutls28-dev libcap-ng-dev libmicrohttpd-dev libseccomp-dev libyaml-dev libcrypt-dev libmnl-dev flex bison libsqlite3-dev uthash-dev libncurses-dev libzstd-dev libjs-chart.js python3
DEPS_CHECK := libcmocka-dev libjson-c-dev libclang-rt-14-dev clang-format clang-tidy openssl gnutls-bin curl libcurl3-gnutls tshark iproute2 python3 procps mandoc git strace lld golang-go libcap2-bin tmux
# What takes minutes takes these in addition: in CI, and with the target named so.
DEPS_BROWSER := chromium
DEPS_KERNELS := qemu-system-x86
DEPS_ARM64 := gcc-aarch64-linux-gnu qemu-system-arm
DEPS_PACKAGE := dpkg-dev lintian mmdebstrap

## deps        install what building needs (Debian packages)
.PHONY: deps deps-check
deps:
	@tests/install-packages $(DEPS_BUILD)

deps-check:
	@tests/install-packages $(DEPS_BUILD) $(DEPS_CHECK) $(if $(CI),$(DEPS_BROWSER) $(DEPS_KERNELS) $(DEPS_PACKAGE))
	@tests/unpack-packages $(BUILD)/stacks nginx nginx-common prometheus

## run         install, build, trace live: ARGS="-t -P 443" passes options
.PHONY: run
run: deps
	@$(MAKE) --no-print-directory -j$(JOBS) all
	$(PROGRAM) $(ARGS)

## check       install, build, run all tests: SUITES="unit kernel" only these
.PHONY: check
check: deps-check
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@tests/run $(SUITES)

## check-fresh  make run and make check on a Debian with nothing but make, git and sudo: SUITES="unit kernel" only these
.PHONY: check-fresh
check-fresh:
	@tests/install-packages git mmdebstrap python3 util-linux
	@tests/fresh/run.py $(SUITES)

## check-deb   install the Debian package in a system made for it: check does, too, where that has been made, or in CI
.PHONY: check-deb
check-deb:
	@tests/install-packages $(DEPS_BUILD) $(DEPS_PACKAGE)
	@CI=true tests/run package

.PHONY: tests
tests: $(UNIT_TESTS) $(FUZZERS) $(BUILD)/tests/replay $(BUILD)/tests/attempts $(BUILD)/tests/without-tcx/mtlsnoop $(BUILD)/tests/observe $(BUILD)/tests/events $(BUILD)/tests/points $(BUILD)/tests/verify

## check-kernels  the BPF programs on Debian's kernels 5.10, 6.1 and 6.12, in emulated machines: 40 minutes of processor time
.PHONY: check-kernels
check-kernels: deps-check
	@tests/install-packages $(DEPS_KERNELS)
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@tests/kernels/run.py --all

## check-stacks  TLS stacks against each other with all suites, those of Debian 11 and 13 among them, and early data
.PHONY: check-stacks
check-stacks: deps-check
	@tests/unpack-release --needs bullseye $(BUILD)/debian-11 python3.9 openssl gnutls-bin
	@tests/unpack-release --needs trixie $(BUILD)/debian-13 python3.13 openssl
	@tests/unpack-release trixie $(BUILD)/go golang-1.24-go golang-1.24-src
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tests/stacks/run.py --all; whole=$$?; tests/stacks/early_data.py --all && exit $$whole

## fuzz        a long run of the fuzzers: SECONDS=600 each
SECONDS ?= 600
.PHONY: fuzz
fuzz: all $(FUZZERS)
	@tests/fuzz/run $(SECONDS); fuzzed=$$?; tests/kernel/oracle.py $(SECONDS) && exit $$fuzzed

## bench       timings, as ratios measured in one run
.PHONY: bench
bench: all
	@tests/bench/run

## format      clang-format every source (format-check only compares)
.PHONY: format format-check
FORMATTED := $(wildcard bpf/*.[ch] bpf/*/*.[ch] user/*.[ch] user/*/*.[ch] tests/*/*.[ch])
format:
	clang-format -i $(FORMATTED)
format-check:
	clang-format --dry-run -Werror $(FORMATTED)
	@awk -v licence='SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause' \
		'FNR == 1 && $$0 != (FILENAME ~ /\.h$$/ ? "/* " licence " */" : "// " licence) \
		{ print FILENAME ":1: error: the first line is not the licence header"; wrong = 1 } END { exit wrong }' $(FORMATTED)

## tidy        clang-tidy over user/ and bpf/, as far as they have changed since the last time
.PHONY: tidy
TIDIED := $(patsubst %,$(BUILD)/tidy/%.ok,$(filter-out $(GENERATED),$(SOURCES)) $(BPF_SOURCES))
CLANG_TIDY ?= clang-tidy
tidy: $(TIDIED)

## compile-commands  write build/compile_commands.json for clangd and other tools
.PHONY: compile-commands
compile-commands:
	@tests/tools/compile_commands.py

## prose       count placeholder words in comments and documents: tests/prose.py --folders counts by folder
.PHONY: prose
prose:
	@tests/prose.py

## coverage    run the unit tests, and list the lines of user/ that they reach: build/coverage/index.txt
.PHONY: coverage
COVERED := $(BUILD)/coverage
coverage:
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(COVERED) SANITIZE="-O0 -g --coverage" coverage-tests
	@for test in $(COVERED)/tests/unit/*_test; do $$test >/dev/null 2>&1 || echo "$$test failed"; done
	@tests/tools/coverage.py $(COVERED)

.PHONY: coverage-tests
coverage-tests: $(UNIT_TESTS)

## asan        build the program with ASan and UBSan: build/asan/mtlsnoop
.PHONY: asan
asan: $(BUILD)/asan/mtlsnoop

## structure   draw docs/design/structure.svg, the wings of the source tree and the includes between them
.PHONY: structure
structure:
	docs/design/structure.py

## check-arm64  build for arm64 with Debian's cross compiler, and run that on the same kernels for arm64: 20 minutes of processor time
.PHONY: check-arm64
check-arm64:
	@tests/install-packages $(DEPS_BUILD) $(DEPS_ARM64)
	@tests/kernels/arm64.py --run

## vmlinux     regenerate vmlinux/<arch>/vmlinux.h: ARCH=aarch64 FILE=vmlinuz of another kernel than the running one
FILE ?= /sys/kernel/btf/vmlinux
.PHONY: vmlinux
vmlinux:
	@mkdir -p $(VMLINUX) $(BUILD)
	vmlinux/btf-of $(FILE) > $(BUILD)/vmlinux.btf
	$(BPFTOOL) btf dump file $(BUILD)/vmlinux.btf format c > $(VMLINUX)/vmlinux.h

## install     program, manual, service, completion under DESTDIR and PREFIX; an options file that is there stays
## uninstall   remove them, but for the options file
.PHONY: install uninstall
INSTALL_PROGRAM = $(DESTDIR)$(PREFIX)/sbin/mtlsnoop
INSTALL_MANUAL = $(DESTDIR)$(PREFIX)/share/man/man8/mtlsnoop.8
INSTALL_UNIT = $(DESTDIR)$(PREFIX)/lib/systemd/system/mtlsnoop.service
INSTALL_COMPLETION = $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mtlsnoop
INSTALL_COMPLETION_ZSH = $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_mtlsnoop
INSTALL_COMPLETION_FISH = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/mtlsnoop.fish
INSTALL_EXAMPLES = $(addprefix $(DESTDIR)$(PREFIX)/share/doc/mtlsnoop/examples/,library.conf prometheus-rules.yml grafana-dashboard.json)
INSTALL_OPTIONS = $(DESTDIR)$(SYSCONFDIR)/default/mtlsnoop
install: all
	install -D -m 755 $(PROGRAM) $(INSTALL_PROGRAM)
	install -D -m 644 docs/mtlsnoop.8 $(INSTALL_MANUAL)
	install -D -m 644 docs/deploy/mtlsnoop.service $(INSTALL_UNIT)
	sed -i 's|/usr/sbin/|$(PREFIX)/sbin/|; s|/etc/|$(SYSCONFDIR)/|' $(INSTALL_UNIT)
	install -D -m 644 docs/deploy/mtlsnoop.bash-completion $(INSTALL_COMPLETION)
	install -D -m 644 docs/deploy/_mtlsnoop $(INSTALL_COMPLETION_ZSH)
	install -D -m 644 docs/deploy/mtlsnoop.fish $(INSTALL_COMPLETION_FISH)
	$(foreach example,$(INSTALL_EXAMPLES),install -D -m 644 docs/deploy/$(notdir $(example)) $(example) &&) true
	[ -e $(INSTALL_OPTIONS) ] || install -D -m 644 docs/deploy/mtlsnoop.default $(INSTALL_OPTIONS)

uninstall:
	rm -f $(INSTALL_PROGRAM) $(INSTALL_MANUAL) $(INSTALL_UNIT) $(INSTALL_COMPLETION) $(INSTALL_COMPLETION_ZSH) $(INSTALL_COMPLETION_FISH) $(INSTALL_EXAMPLES)

## deb         a Debian package under build/: program, service, manual, completion
.PHONY: deb
deb: all
	@docs/deploy/debian/build $(VERSION) $(BUILD)

## clean       remove build/
.PHONY: clean
clean:
	rm -rf $(BUILD)

## help        this list
.PHONY: help
help:
	@sed -n 's/^## /  make /p' $(firstword $(MAKEFILE_LIST))

# BPF objects: compiled with debug information for BTF and CO-RE, of which only BTF is kept.
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	@mkdir -p $(@D)
	$(call quiet,BPF)$(CLANG) $(BPF_FLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@.unstripped
	@$(LLVM_STRIP) -g -o $@ $@.unstripped

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call quiet,SKELETON)$(BPFTOOL) gen skeleton $< name $* > $@

$(foreach kind,user sanitized/user,$(addprefix $(BUILD)/$(kind)/kernel/,tracer.o probes.o)): $(BPF_SKELETONS)

# The store's questions stay SQL in files of their own: each becomes a string, services.sql services_sql.
QUESTIONS := $(sort $(wildcard user/store/questions/*.sql))
$(BUILD)/store/questions.h: $(QUESTIONS) Makefile
	@mkdir -p $(@D)
	$(call quiet,SQL)for file in $(QUESTIONS); do \
		printf 'static const char %s_sql[] =\n' "$$(basename $$file .sql)"; \
		sed -e '/^--/d' -e 's/["\\]/\\&/g' -e 's/.*/\t"&\\n"/' $$file; \
		printf '\t;\n'; \
	done > $@

# The page's files, and the chart library of Debian, are inside the program.
CHART ?= /usr/share/javascript/chart.js/chart.min.js
PAGE := user/web/page/index.html user/web/page/app.js user/web/page/style.css
$(BUILD)/web/page.h: $(PAGE) user/web/embed Makefile
	@mkdir -p $(@D)
	$(call quiet,PAGE)user/web/embed $(PAGE) chart.js=$(CHART) > $@

$(BUILD)/user/web/web.o $(BUILD)/sanitized/user/web/web.o $(BUILD)/fuzzed/user/web/web.o: $(BUILD)/web/page.h

$(BUILD)/user/store/question.o $(BUILD)/sanitized/user/store/question.o $(BUILD)/fuzzed/user/store/question.o: $(BUILD)/store/questions.h

$(BUILD)/user/%.o: user/%.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -I$(BUILD)/bpf -MMD -MP -c $< -o $@

$(BUILD)/filter/parser.c: user/filter/filter.y Makefile
	@mkdir -p $(@D)
	$(call quiet,BISON)bison -Wall -Werror --header=$(@:.c=.h) -o $@ $<

$(BUILD)/filter/scanner.c: user/filter/filter.l $(BUILD)/filter/parser.c
	@mkdir -p $(@D)
	$(call quiet,FLEX)flex -o $@ $<

# Their code is not ours to warn of.
$(BUILD)/$(BUILD)/filter/%.o: $(BUILD)/filter/%.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -Wall -MMD -MP -c $< -o $@

$(GENERATED:%.c=$(BUILD)/%.o) $(GENERATED:%.c=$(BUILD)/sanitized/%.o) $(GENERATED:%.c=$(BUILD)/fuzzed/%.o): WARNINGS := -Wall

$(PROGRAM): $(OBJECTS)
	$(call quiet,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lbpf -lz -lmnl $(LIBRARIES)

$(BUILD)/sanitized/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CPPFLAGS) $(SANITIZE) $(WARNINGS) -I$(BUILD)/bpf -MMD -MP -c $< -o $@

# The program for debugging: every module under the sanitizers. Run the program with --library=off or as root as usual.
$(BUILD)/asan/mtlsnoop: $(SOURCES:%.c=$(BUILD)/sanitized/%.o)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(SANITIZE) -o $@ $^ -lbpf -lz -lmnl $(LIBRARIES)

# An object is rebuilt if a header changes; so is its mark.
$(BUILD)/tidy/user/%.c.ok: user/%.c $(BUILD)/user/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call quiet,TIDY)$(CLANG_TIDY) --quiet $< -- $(CPPFLAGS) -I$(BUILD)/bpf 2>/dev/null && touch $@

$(BUILD)/tidy/bpf/%.c.ok: bpf/%.c $(BUILD)/bpf/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call quiet,TIDY)$(CLANG_TIDY) --quiet $< -- $(BPF_FLAGS) 2>/dev/null && touch $@

$(BUILD)/user.a: $(PURE_SOURCES:%.c=$(BUILD)/%.o)
$(SANITIZED): $(PURE_SOURCES:%.c=$(BUILD)/sanitized/%.o)
$(FUZZED): $(PURE_SOURCES:%.c=$(BUILD)/fuzzed/%.o)
$(BUILD)/%.a:
	@rm -f $@
	$(call quiet,AR)ar rcs $@ $^

$(BUILD)/tests/unit/%: $(BUILD)/sanitized/tests/unit/%.o $(SANITIZED)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(SANITIZE) -o $@ $^ -lcmocka -ljson-c $(LIBRARIES)

# The program as it is where the kernel knows no TCX: it asks for attach types that no kernel has.
WITHOUT_TCX := $(BUILD)/tests/without-tcx
$(WITHOUT_TCX)/attachment.o: user/kernel/attachment.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(CPPFLAGS) -DATTACHMENT_TCX_INGRESS=1000 -DATTACHMENT_TCX_EGRESS=1001 $(CFLAGS) $(WARNINGS) -MMD -MP -c $< -o $@

$(WITHOUT_TCX)/mtlsnoop: $(WITHOUT_TCX)/attachment.o $(filter-out $(BUILD)/user/kernel/attachment.o,$(OBJECTS))
	$(call quiet,LINK)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lbpf -lz -lmnl $(LIBRARIES)

# What drives the kernel's walk with a capture.
$(BUILD)/tests/replay: tests/captures/replay.c $(BUILD)/bpf/device.skel.h $(BUILD)/user.a
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -I$(BUILD)/bpf -o $@ $< $(filter %.a,$^) -lbpf -lz $(LIBRARIES)

# What prints the events of TLS libraries.
$(BUILD)/tests/observe: tests/library/observe.c $(filter-out $(BUILD)/user/main.o,$(OBJECTS))
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(filter %.o,$^) -lbpf -lz -lmnl $(LIBRARIES)

# What prints the events that say who is at the ends of a connection.
$(BUILD)/tests/events: tests/kernel/events.c $(filter-out $(BUILD)/user/main.o,$(OBJECTS))
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(filter %.o,$^) -lbpf -lz -lmnl $(LIBRARIES)

# What prints where probes belong in a file.
$(BUILD)/tests/points: $(BUILD)/sanitized/tests/library/points.o $(SANITIZED)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(SANITIZE) -o $@ $^ $(LIBRARIES)

# What tries to get out of the sandbox.
$(BUILD)/tests/attempts: tests/sandbox/attempts.c $(addprefix $(BUILD)/user/system/,privileges.o sandbox.o log.o journal.o escape.o)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -o $@ $^ $(LIBRARIES)

# What tells how much work the verifier has.
$(BUILD)/tests/verify: tests/kernel/verify.c Makefile
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -o $@ $< -lbpf -lelf -lz

# The fuzzers watch every module that takes bytes from the network.
$(BUILD)/fuzzed/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC)$(CLANG) $(CPPFLAGS) $(SANITIZE) -fsanitize=fuzzer-no-link $(WARNINGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/fuzz/%: $(BUILD)/fuzzed/tests/fuzz/%.o $(FUZZED)
	@mkdir -p $(@D)
	$(call quiet,LINK)$(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(LIBRARIES)

.SECONDARY:
# not all of build/: systems are unpacked there, too
-include $(shell find $(addprefix $(BUILD)/,bpf user $(BUILD) sanitized fuzzed tests) -type f -name '*.d' 2>/dev/null)
