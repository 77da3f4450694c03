# make deps   install what tests and benchmarks use, from Debian packages
# make test   every test of every module; installs nothing
# make vm     tests of what touches the kernel, in a virtual machine with cgroup v2
#             alone; SHORT=1 leaves out what takes minutes
# make lint   gofmt, vet and staticcheck
# make bench  start and exec, side by side with the peers that are installed
# make soak   the tests at full scale, hours rather than minutes
# make fuzz   every fuzz target in turn, FUZZTIME each

SHELL := /bin/bash -o pipefail

GO        ?= go
FUZZTIME  ?= 30s
TESTFLAGS ?=
MODULES   := . examples

# fuse-overlayfs, qemu-system and other things that single suites need are
# installed by the targets that need them.
PACKAGES := \
	bubblewrap busybox-static crun e2fsprogs gcc iproute2 libc6-dev \
	libseccomp-dev mmdebstrap nftables pigz procps python3 qemu-user-static \
	runc strace tmux zstd

# What the virtual machine takes, beside mmdebstrap and e2fsprogs.
VM_TOOLS    := qemu-system-x86
VM_PACKAGES := . $(addprefix ./internal/,cgroup compile launch monitor namespace probe supervisor sys testenv union)

# A storm of signals leaves an emulated processor no time, and there is no go
# command; make test has these. The short form is the life of a container alone.
VM_NEVER := TestStorm|TestManyProgramsOnOneStore|TestPIE
VM_SHORT := TestExec|TestExitCodes|TestGroups|TestStop|TestOutOfMemory|TestTwoEngines|TestSignalEnds|TestDetached|TestOutputIsWhole|TestPool|TestPIDs|TestSweep|TestCommitOfARunningContainer|TestKilledSupervisorOfExec|TestUnified.*|TestLimitsHold|TestLeave.*

# With no Linux container tools to install, another system still runs what is
# pure: there "make deps" says so and goes on.
APT  := $(shell command -v apt-get)
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# Packages whose tests fail each system call in turn are built a second time
# with the hook that does so.
FAULTS = $(shell grep -rlE '^//go:build .*\bfaults\b' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)

# install installs the Debian packages $(1) that are missing.
define install
	@missing=$$(for p in $(1); do \
		[ "$$(dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || echo $$p; done); \
	if [ -z "$$missing" ]; then echo "$@: every package is installed"; \
	elif [ -z "$(APT)" ]; then echo "$@: no apt-get here; this uses:" $$missing; \
	else $(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; fi
endef

.PHONY: deps test vm lint bench soak fuzz

deps:
	$(call install,$(PACKAGES))
	GOWORK=off $(GO) mod download
	GOWORK=off $(GO) -C examples mod download
	GOWORK=off $(GO) -C tools mod download

# The first run has the versions that a user of the library gets (the root's
# go.mod alone), the others those of the workspace.
test:
	GOWORK=off $(GO) test -count=1 $(TESTFLAGS) ./...
	$(if $(FAULTS),$(GO) test -count=1 -tags faults $(TESTFLAGS) $(FAULTS))
	$(GO) -C examples test -count=1 $(TESTFLAGS) ./...
	CGO_ENABLED=1 $(GO) test -count=1 -race $(TESTFLAGS) ./...

# As root and as an ordinary user. The guest's disk is made once, of Debian packages,
# and kept in the user's cache directory.
vm:
	$(call install,$(VM_TOOLS) mmdebstrap e2fsprogs)
	GOWORK=off CGO_ENABLED=0 $(GO) run ./internal/testenv/vm $(if $(SHORT),-flags '-run ^($(VM_SHORT))$$' . ./internal/cgroup,-flags '-skip ^($(VM_NEVER))$$' $(VM_PACKAGES))

lint:
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && \
	GOWORK=off $(GO) -C tools build -o "$$tmp/staticcheck" honnef.co/go/tools/cmd/staticcheck && \
	for m in $(MODULES); do \
		(cd $$m && $(GO) vet ./... && $(GO) vet -tags faults ./... && "$$tmp/staticcheck" -tags faults ./... && "$$tmp/staticcheck" ./...) || exit 1; \
	done

bench:
	$(GO) run ./bench start
	$(GO) run ./bench exec

soak:
	CORACLE_SOAK=1 $(GO) test -count=1 -timeout 0 $(TESTFLAGS) ./...
	$(if $(FAULTS),CORACLE_SOAK=1 $(GO) test -count=1 -timeout 0 -tags faults $(TESTFLAGS) $(FAULTS))

fuzz:
	@grep -rnoE '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' . | sed -E 's|^(.*)/[^/]+:[0-9]+:func (.*)|\1 \2|' | sort -u | \
	while read -r dir name; do \
		echo "$$dir $$name" && $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir </dev/null || exit 1; \
	done
