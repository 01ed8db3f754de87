# pixpool: make run, make test; make help lists the rest.
#
#   imgcore/*.c imgcore/kernels/*.c  -> libimgcore.a     pixels
#   fcgi/*.c but main.c              -> libfcgiapp.a     processes, sockets, requests
#   fcgi/main.c + both               -> build/pixpool
# The same again below build/test with PIXPOOL_TEST_OPS, for the crash storm. Libraries of tests are not needed to build.

BUILD ?= build
CC ?= cc
# What is done, in a word and a name; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-5s %s\n' $(1) $@)
PKGS := libjpeg libpng libisal libdeflate libwebp libwebpmux lcms2 libseccomp jansson libsodium inih freetype2 harfbuzz fribidi
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Werror
CPPFLAGS += -D_GNU_SOURCE $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# Weights are computed in doubles and must come out alike everywhere: no fused multiply-add.
CFLAGS += -std=gnu17 $(OPT) $(WARN) -ffp-contract=off -fstack-protector-strong -fno-omit-frame-pointer -pthread $(SANITIZE)
LDFLAGS += -pthread -Wl,-z,relro,-z,now $(SANITIZE)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lfcgi -lm

ARCH := $(shell $(CC) -dumpmachine | cut -d- -f1)
KERNEL_ISAS := c $(if $(filter x86_64,$(ARCH)),avx2 avx512)$(if $(filter aarch64,$(ARCH)),neon)

IMGCORE_SRC := $(wildcard imgcore/*.c) $(foreach i,$(KERNEL_ISAS),$(wildcard imgcore/kernels/*_$(i).c))
FCGI_SRC := $(filter-out fcgi/main.c,$(wildcard fcgi/*.c))
UNIT_SRC := $(wildcard tests/unit/test_*.c tests/kernels/test_*.c)

objs = $(patsubst %.c,$(1)/%.o,$(2))
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))

.PHONY: all
all: $(BUILD)/pixpool ## build pixpool

$(BUILD)/pixpool: $(BUILD)/fcgi/main.o $(BUILD)/libfcgiapp.a $(BUILD)/libimgcore.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/test/pixpool: $(BUILD)/test/fcgi/main.o $(BUILD)/test/libfcgiapp.a $(BUILD)/test/libimgcore.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libimgcore.a: $(call objs,$(BUILD),$(IMGCORE_SRC))
$(BUILD)/libfcgiapp.a: $(call objs,$(BUILD),$(FCGI_SRC))
$(BUILD)/test/libimgcore.a: $(call objs,$(BUILD)/test,$(IMGCORE_SRC))
$(BUILD)/test/libfcgiapp.a: $(call objs,$(BUILD)/test,$(FCGI_SRC))
%.a:
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# A kernel's file name ends in its ISA, which decides its flags; cpu.c asks for all of them before it calls one.
$(BUILD)/%_avx2.o $(BUILD)/test/%_avx2.o: CFLAGS += -mavx2 -O3
$(BUILD)/%_avx512.o $(BUILD)/test/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512vbmi -mavx512vnni -O3
$(BUILD)/%_neon.o $(BUILD)/test/%_neon.o: CFLAGS += -O3
$(BUILD)/%_c.o $(BUILD)/test/%_c.o: CFLAGS += -O3

$(BUILD)/test/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -DPIXPOOL_TEST_OPS $(CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Objects of tests are kept, as all others are.
.SECONDARY:

# The page of /status is part of the program.
$(BUILD)/fcgi/status_page.o $(BUILD)/test/fcgi/status_page.o: web/status.html

# Unit tests: one program a module, Check inside.
$(BUILD)/tests/%: $(BUILD)/tests/%.o $(BUILD)/libfcgiapp.a $(BUILD)/libimgcore.a
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs check)

-include $(foreach b,$(BUILD) $(BUILD)/test,$(wildcard $(b)/fcgi/*.d $(b)/imgcore/*.d $(b)/imgcore/kernels/*.d $(b)/tests/*/*.d))

# The commands. Each installs what it needs first, then builds in a make of its own: what this one found out about the
# machine's compiler may be from before.
PORT ?= 8080
RUN_DIR ?= $(BUILD)/run
IMAGES ?= /usr/share/backgrounds/mate
FUZZ_SECONDS ?= 30
JOBS ?= $(shell nproc)
export BUILD

.PHONY: run
run: ## start pixpool and its page; PORT=8080 RUN_DIR=build/run IMAGES=directory
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@PORT='$(PORT)' RUN_DIR='$(RUN_DIR)' IMAGES='$(IMAGES)' exec tools/run.sh

.PHONY: test programs
programs: $(BUILD)/pixpool $(BUILD)/test/pixpool $(UNIT_BIN)
test: ## build and run every test; SUITES="tests/unit tests/browser" for some
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@tools/test.sh $(SUITES)

# Longer forms of what the tests do in short.
.PHONY: test-reload
test-reload: ## ten reloads and ten upgrades under load, 20,000 requests each, none may be lost
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@RELOAD_ROUNDS=10 RELOAD_REQUESTS=20000 PYTEST_SECONDS=3600 tools/test.sh tests/integration/test_reload.py

.PHONY: test-cluster
test-cluster: ## conf/nginx/cluster.conf on three hosts: network namespaces, nginx and two nodes over TCP; needs root
	@[ "$$(id -u)" = 0 ] || { echo 'make test-cluster builds network namespaces, which needs root: sudo make test-cluster' >&2; exit 1; }
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@CLUSTER=hosts tools/test.sh tests/integration/test_cluster.py

# Sanitizers: builds of their own, in which everything takes several times as long; the browser would add nothing.
SANITIZED_SUITES ?= tests/unit tests/kernels tests/integration
check-asan check-tsan: export UNIT_SECONDS ?= 600
check-asan check-tsan: export PYTEST_SECONDS ?= 1800

.PHONY: check-asan check-tsan
check-asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory test BUILD=build/asan SUITES="$(SANITIZED_SUITES)" OPT="-O1 -g" \
	    SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
check-tsan: ## the tests under ThreadSanitizer
	@$(MAKE) --no-print-directory test BUILD=build/tsan SUITES="$(SANITIZED_SUITES)" OPT="-O1 -g" \
	    SANITIZE="-fsanitize=thread"

.PHONY: bench-kernels
bench-kernels: ## Mpixel/s of every kernel at every level, whole resizes beside Pillow's, as JSON
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(BUILD)/tests/bench/kernels
	@/usr/bin/python3 tests/bench/kernels.py $(BUILD)/tests/bench/kernels

# Other CPUs: emulated x86-64 and AArch64.
.PHONY: check-qemu
check-qemu: ## the same output on every CPU; kernel tests on AArch64
	@tools/deps.sh qemu
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tools/check_qemu.sh

# Fuzzing: everything built by clang, once, then each target for a while. gcc's build is the one that judges warnings.
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))

.PHONY: fuzz fuzz-programs
fuzz: ## run every fuzz target for FUZZ_SECONDS=30
	@tools/deps.sh dev
	@$(MAKE) --no-print-directory -j$(JOBS) fuzz-programs BUILD=build/fuzz CC=clang OPT="-O1 -g" WARN= \
	    SANITIZE="-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined"
	@BUILD=build/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz.sh
fuzz-programs: $(FUZZ_BIN)
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/libfcgiapp.a $(BUILD)/libimgcore.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# Measured, never asserted: ratios of one interleaved run.
PHOTOS ?= $(wildcard ../shared/photos)

.PHONY: bench bench-fair bench-peers
bench: ## CPU time and quality against sharp, libvips and Pillow; BENCH="--tasks fit800 --photos 2" PHOTOS=folder
	@tools/deps.sh bench
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@PHOTOS='$(PHOTOS)' tools/bench.sh $(BENCH)
bench-fair: ## what two batches cost those who want a thumbnail, and whether the two share; FAIR="--files 20"
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@mkdir -p $(BUILD)/bench
	@PIXPOOL_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/fair.py --json $(BUILD)/bench/fair.json $(FAIR)
bench-peers: ## what slow and silent peers cost everybody else
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@mkdir -p $(BUILD)/bench
	@PIXPOOL_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/slow_peers.py --json $(BUILD)/bench/peers.json

.PHONY: bench-overload story soak
bench-overload: ## ten times its capacity, from an open-loop client; OVERLOAD="--seconds 5"
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BUILD)/tests/bench/openloop
	@mkdir -p $(BUILD)/bench
	@PIXPOOL_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/overload.py --json $(BUILD)/bench/overload.json $(OVERLOAD)
story: ## 50 uploads at once, then 200 clients: pixpool beside Node in its event loop and Node with sharp; STORY="--quick"
	@tools/deps.sh bench
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tools/story.sh $(STORY)
SECONDS ?= 1200
soak: ## mixed load with hostile files for SECONDS=1200, memory at the end beside minute 2; SOAK=--cgroup in a cgroup
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) programs
	@mkdir -p $(BUILD)/bench
	@PIXPOOL_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/soak.py --seconds $(SECONDS) $(SOAK) --json $(BUILD)/bench/soak.json

C_FILES = $(shell find imgcore fcgi tests -name '*.[ch]')

.PHONY: format lint
format: ## clang-format every C file
	@tools/deps.sh dev
	clang-format -i --style=file $(C_FILES)
lint: ## formatting, headers alone, layering, linked libraries, shell scripts, the page's script
	@tools/deps.sh dev
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@CC='$(CC)' CFLAGS='$(CPPFLAGS) $(CFLAGS)' tools/lint.sh

.PHONY: docs man
docs: ## write docs/options.md and conf/pixpool.conf again, from the tables of the program
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tools/docs.sh
man: ## the manual pages and bash's completion, in build/man
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@mkdir -p $(BUILD)/man
	@$(BUILD)/pixpool --man 1 >$(BUILD)/man/pixpool.1
	@$(BUILD)/pixpool --man 5 >$(BUILD)/man/pixpool.conf.5
	@$(BUILD)/pixpool --completion >$(BUILD)/man/pixpool.bash

# Installing: the paths that units name are these, files go to DESTDIR and then these.
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR ?= $(PREFIX)/lib/systemd/system
installer = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' SYSCONFDIR='$(SYSCONFDIR)' UNITDIR='$(UNITDIR)' tools/install.sh

.PHONY: install uninstall
install: man ## build and install; PREFIX=/usr/local SYSCONFDIR=/usr/local/etc DESTDIR=
	@$(installer) install
uninstall: ## remove what install copied; a changed configuration stays
	@$(installer) uninstall

.PHONY: deb test-deb
deb: ## a package for this Debian, in build/deb
	@tools/deps.sh deb
	@$(MAKE) --no-print-directory man
	@tools/deb.sh
test-deb: ## the package's tests in a Debian that has nothing but what it depends on, as root
	@tools/deps.sh fresh
	@$(MAKE) --no-print-directory deb
	@tools/test_deb.sh

.PHONY: portable test-portable
portable: ## a folder and a .tar.gz for hosts without our libraries, built in a Debian 11 (as root), in build/portable
	@tools/deps.sh portable
	@tools/portable.sh
test-portable: portable ## what portable made, in a Debian 11 that has nothing
	@tools/deps.sh fresh
	@tools/test_portable.sh

.PHONY: clean help
clean: ## remove everything built
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F@ '{ printf "%-22s%s\n", $$1, $$2 }'
