# `make setup` installs, `make demo` shows the main job, `make test` runs everything.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.8
ATHERIS_VERSION := 3.0.0
PYTHON := /usr/bin/python3
APT_PACKAGES := crun qemu-user-static mmdebstrap uidmap passt python3-venv debian-archive-keyring ca-certificates
PORT := $(shell dpkg --print-architecture)
HELPER := src/amphora/emulation/native/handoff-
HANDOFF := $(HELPER)$(PORT).bin
# The CPUs that we run on, by Debian's names and by GNU's.
GNU_amd64 := x86-64
GNU_arm64 := aarch64
# The one that tests take for the other one.
CROSS := $(if $(filter arm64,$(PORT)),amd64,arm64)
# Real clients and peers that the tests and the benchmarks talk to, and compilers for tests.
APT_TEST_PACKAGES := openssh-client skopeo buildah git busybox-static tini gcc libc6-dev \
    gcc-$(GNU_$(CROSS))-linux-gnu libc6-dev-$(CROSS)-cross rpm zsh fish
# What emulates a whole machine, and makes its disk.
APT_MACHINE_PACKAGES := qemu-system-arm e2fsprogs util-linux
# A company's own certificate authority is known to the system, not to uv.
export UV_SYSTEM_CERTS := true
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo,)

.PHONY: help setup setup-test demo test lint format lock lock-azurite docs bench bench-build bench-handoff \
    bench-verify same-bytes arm64-machine conformance-peer fuzz clean

help: ## Show what can be made
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/installed $(HANDOFF) ## Install the Debian packages and the locked Python environment
	@$(call apt_install,$(APT_PACKAGES))

setup-test: setup .azurite/installed
	@$(call apt_install,$(APT_TEST_PACKAGES))

# Microsoft's own stand-in for Azure. The lock has hashes and no addresses, as that of Python has.
.azurite/installed: tests/azurite/package-lock.json tests/azurite/package.json
	@if ! cmp -s $< $@; then \
	    command -v npm >/dev/null || { $(call apt_install,npm); }; \
	    mkdir -p $(@D) && cp $^ $(@D) && \
	    npm ci --prefix $(@D) --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error; \
	fi && cp $< $@

# Asks apt only for what dpkg says is missing, so that it costs nothing the second time.
define apt_install
missing=$$(for package in $(1); do \
    dpkg-query -W -f '$${Status}' "$$package" 2>/dev/null | grep -q 'ok installed' || echo "$$package"; done); \
if [ -n "$$missing" ]; then \
    $(SUDO) apt-get update -qq && \
    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
endef

.uv/bin/uv:
	@$(call apt_install,python3-venv ca-certificates)
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Compiled at once: whoever runs it may not be allowed to write here, or may be told not to
# (PYTHONDONTWRITEBYTECODE), and would compile everything again at every start.
.venv/installed: requirements.lock pyproject.toml | .uv/bin/uv
	.uv/bin/uv venv --quiet --allow-existing --python $(PYTHON) .venv
	.uv/bin/uv pip sync --quiet --compile-bytecode --python .venv --require-hashes requirements.lock
	.uv/bin/uv pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	.venv/bin/python -m compileall -q src
	@touch $@

lock: .uv/bin/uv ## Resolve the dependencies anew into requirements.lock
	.uv/bin/uv pip compile --quiet --universal --upgrade --generate-hashes --no-emit-index-url \
	    --python-version 3.11 --group dev --custom-compile-command 'make lock' \
	    pyproject.toml -o requirements.lock

lock-azurite: ## Resolve what tests/azurite needs anew
	cd tests/azurite && rm -f package-lock.json && npm install --package-lock-only --ignore-scripts \
	    --omit=optional --no-audit --no-fund --omit-lockfile-registry-resolved

# The helper that hands programs off, compiled for this machine's CPU or for the other.
$(HELPER)%.bin: native/handoff.c native/handoff.h native/handoff.ld native/Makefile
	@$(call apt_install,make $(if $(filter $*,$(PORT)),gcc libc6-dev,gcc-$(GNU_$*)-linux-gnu libc6-dev-$*-cross))
	$(MAKE) -s -C native OUTPUT=$(abspath $@) \
	    CC=$(subst -,_,$(GNU_$*))-linux-gnu-gcc OBJCOPY=$(subst -,_,$(GNU_$*))-linux-gnu-objcopy

demo: setup ## Run the main job for real and print what it proved
	@.venv/bin/python examples/demo.py

arm64-machine: setup $(HELPER)arm64.bin ## Boot an arm64 system in QEMU and prove Amphora on it
	@$(call apt_install,$(APT_MACHINE_PACKAGES))
	@.venv/bin/python tools/arm64_machine

test: setup-test ## Run every test
	@.venv/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

lint: setup ## Style, types and floors
	.venv/bin/ruff check . && .venv/bin/ruff format --check .
	.venv/bin/mypy && .venv/bin/lint-imports

format: setup ## Format the code
	.venv/bin/ruff check --fix-only --quiet . ; .venv/bin/ruff format .

docs: setup ## Write the pages that are made from the code
	.venv/bin/python docs/settings.py > docs/settings.md

bench: setup-test ## Measure against the peers and write docs/benchmarks.md
	.venv/bin/python bench/example_build.py

bench-handoff: setup ## Measure the foreign half of builds against the native half
	.venv/bin/python bench/handoff_times.py $(WORKLOADS)

bench-build: setup ## Measure what the builder itself takes, against BuildKit
	.venv/bin/python bench/build_speed.py

bench-verify: setup ## Measure verifying every file against decompressing the layers
	.venv/bin/python bench/verify_times.py

same-bytes: setup ## Compare what handoff builds with what pure emulation builds
	.venv/bin/python bench/same_bytes.py $(WORKLOADS)

conformance-peer: setup-test ## Build the conformance cases with BuildKit too, and compare
	PYTHONPATH=tests .venv/bin/python bench/conformance_peer.py $(CASES)

fuzz: .fuzz/installed $(HANDOFF) ## Fuzz what reads input from outside, RUNS inputs for each target
	.fuzz/bin/python fuzz/run.py $(TARGETS)

# An environment of its own: atheris has no wheel for every CPU that the tests run on.
.fuzz/installed: requirements.lock pyproject.toml | .uv/bin/uv
	.uv/bin/uv venv --quiet --allow-existing --python $(PYTHON) .fuzz
	.uv/bin/uv pip install --quiet --python .fuzz --require-hashes -r requirements.lock
	.uv/bin/uv pip install --quiet --python .fuzz --no-deps --no-build-isolation --editable .
	.uv/bin/uv pip install --quiet --python .fuzz atheris==$(ATHERIS_VERSION)
	@touch $@

clean:
	rm -rf .venv .uv .fuzz .azurite dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
