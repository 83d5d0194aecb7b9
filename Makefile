# The commands people type. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO ?= cargo
# The toolchain that has Miri.
NIGHTLY ?= nightly
BUILD := build
export CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
# The folder whose words `make demo` counts.
INPUT ?= /usr/include
export INPUT

# Tested crates; the Python module's tests are Python, and those across languages have their part.
CRATES := -p mailboat -p mailboat-ffi -p mailboat-cli
# What `make test` runs, in this order.
PARTS := lint test-rust steps loom miri python-test contract test-readme test-demo

-include mk/*.mk

##@ Everyday

.PHONY: help
help: ## list these commands
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

.PHONY: build
build: tools ## build everything in Rust: both libraries and the command
	$(CARGO) build --release -p mailboat -p mailboat-ffi -p mailboat-cli

.PHONY: demo
demo: demo-programs ## count the words of a folder (INPUT=/usr/include) while workers are killed
	$(DEMO) --input "$$INPUT"

.PHONY: test
test: tools ## run every check and test, part by part; all of them, also after a failure
	@begin=$$SECONDS; failed=(); \
	for part in $(PARTS); do \
	  printf '\n=== %s\n' "$$part"; from=$$SECONDS; \
	  if $(MAKE) --no-print-directory "$$part"; then how=passed; else how=FAILED; failed+=("$$part"); fi; \
	  printf '=== %s %s in %d s\n' "$$part" "$$how" $$((SECONDS - from)); \
	done; \
	printf '\n=== all parts: %d s\n' $$((SECONDS - begin)); \
	if (($${#failed[@]})); then printf '=== failed: %s\n' "$${failed[*]}"; exit 1; fi

.PHONY: bench-quick
bench-quick: tools python ## measure the main figures, as ratios to a bare cache line
	$(CARGO) run --release -p mailboat-bench -- $(VENV_PYTHON)

.PHONY: wheel install uninstall
wheel: ## build the Python wheel into dist/
install: ## install libraries, headers and mailboat.pc (PREFIX=/usr/local DESTDIR=)
uninstall: ## remove what install put there (same PREFIX and DESTDIR)

.PHONY: clean
clean: ## remove all that was built
	$(CARGO) clean
	rm -rf $(BUILD) dist

##@ Parts of make test

.PHONY: lint
lint: ## formatting and clippy, warnings are errors
	@$(call component,rustfmt clippy)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

.PHONY: test-rust
test-rust: ## unit and integration tests of the library, the C interface and the command
	$(CARGO) test $(CRATES)

.PHONY: loom
loom: ## the lock-free parts under the model checker
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="$$CARGO_TARGET_DIR/loom" \
	  $(CARGO) test -p mailboat --release --lib

.PHONY: miri
miri: ## the library's unit tests under Miri, where they need no system calls
	@rustup toolchain list | grep -q '^$(NIGHTLY)' || rustup toolchain install $(NIGHTLY) --profile minimal
	@$(call component,miri rust-src,--toolchain $(NIGHTLY))
	MIRIFLAGS="-Zmiri-disable-isolation $${MIRIFLAGS:-}" CARGO_TARGET_DIR="$$CARGO_TARGET_DIR/miri" \
	  $(CARGO) +$(NIGHTLY) miri test -p mailboat --lib

.PHONY: python-test
python-test: ## the Python module's tests

.PHONY: contract
contract: ## the same scenarios in every language, each language with each other

.PHONY: test-readme
test-readme: stage python ## the examples of README.md as they stand there
	$(CARGO) build -p mailboat-cli
	PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig LD_LIBRARY_PATH=$(STAGE)/lib \
	  $(VENV_PYTHON) examples/test_readme.py --mailboat "$$CARGO_TARGET_DIR/debug/mailboat"

.PHONY: test-demo
test-demo: demo-programs ## the demo over small and awkward folders, and interrupted
	$(VENV_PYTHON) examples/wordcount/test_demo.py --reader $(BUILD)/demo/reader \
	  --collector $(BUILD)/demo/collector

##@ Upkeep

.PHONY: venv python header
venv: ## the environment for Python, in build/venv
python: ## build the Python module and install it there
header: ## make include/mailboat.h from the C interface

.PHONY: fmt
fmt: ## format the Rust code
	$(CARGO) fmt --all

.PHONY: deny
deny: ## licences, advisories and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny --workspace check

# ---- what the demo needs ----

DEMO = $(VENV_PYTHON) examples/wordcount/run.py --reader $(BUILD)/demo/reader \
  --collector $(BUILD)/demo/collector
# The demo's programs are built against an installed library, as anybody's would be.
STAGE := $(abspath $(BUILD)/stage)
STAGED = $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig pkg-config --cflags --libs mailboat) \
  -Wl,-rpath,$(STAGE)/lib

.PHONY: stage
stage: tools
	$(MAKE) --no-print-directory install PREFIX=$(STAGE) DESTDIR=

.PHONY: demo-programs
demo-programs: stage python
	mkdir -p $(BUILD)/demo
	$(or $(CXX),c++) -std=c++17 -O2 -Wall -Wextra -Werror -o $(BUILD)/demo/reader \
	  examples/wordcount/reader.cc $(STAGED)
	$(or $(CC),cc) -std=c99 -O2 -Wall -Wextra -Werror -o $(BUILD)/demo/collector \
	  examples/wordcount/collector.c $(STAGED)

# ---- what the machine needs ----

# Adds components to a toolchain that rustup manages; any other must have them.
component = if command -v rustup >/dev/null; then \
  for c in $(1); do \
    rustup component list --installed $(2) | grep -q "^$$c" || rustup component add $(2) $$c; \
  done; fi

.PHONY: tools
tools: ## see that compilers, Python and pkg-config are there; as root, install what is missing
	@missing=(); \
	need() { command -v "$$1" >/dev/null || missing+=("$$2"); }; \
	need gcc gcc; need g++ g++; need as binutils; need pkg-config pkg-config; need python3 python3; \
	if command -v python3 >/dev/null; then \
	  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv); \
	fi; \
	if (($${#missing[@]})) && ((EUID == 0)) && command -v apt-get >/dev/null; then \
	  echo "installing: $${missing[*]}"; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$${missing[@]}" && missing=(); \
	fi; \
	if (($${#missing[@]})); then \
	  echo "missing, by the names of Debian packages: $${missing[*]}" >&2; \
	  echo "install them, for example: sudo apt-get install $${missing[*]}" >&2; \
	  exit 1; \
	fi; \
	if ! command -v $(CARGO) >/dev/null; then \
	  echo "missing: a Rust toolchain; see https://rustup.rs" >&2; \
	  exit 1; \
	fi
