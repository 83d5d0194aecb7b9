# Deaths and stops at every single step: the library built so that a test can kill it between any two
# of its accesses to shared memory, and before each system call.
#
#   make steps

CARGO ?= cargo

.PHONY: steps
steps: ## the library killed and stopped at each of its steps
	RUSTFLAGS="--cfg mailboat_steps" $(CARGO) test -p mailboat --test steps --target-dir build/steps
