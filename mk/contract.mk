# The tests across languages: a driver in each language, the scenarios that they play, the storms.
# See tests/README.md.
#
#   make contract            builds the drivers, plays all scenarios and a short storm
#   make contract-drivers    only builds
#   make storm SECONDS=600   a long storm; SEED= for one that was before
#
# ARGS= goes to pytest, such as ARGS="tests/contract -k 'fork and rust'".

BUILD ?= build
CARGO ?= cargo
PYTHON_OF_TESTS = $(abspath $(or $(VENV),$(BUILD)/venv))/bin/python
CONTRACT_BUILT = $(abspath $(BUILD))/contract
CONTRACT_DEBUG = $(abspath $(or $(CARGO_TARGET_DIR),target))/debug
CONTRACT_FLAGS = -g -O1 -Wall -Wextra -Wpedantic -Werror -Iinclude
CONTRACT_LIBRARY = -L$(CONTRACT_BUILT) -lmailboat -lpthread -Wl,-rpath,$(CONTRACT_BUILT)
CONTRACT_PYTEST = MAILBOAT_DRIVERS=$(CONTRACT_BUILT) $(PYTHON_OF_TESTS) -m pytest -q \
	-c tests/pytest.ini --rootdir tests

.PHONY: contract contract-drivers storm

contract: contract-drivers python
	$(CONTRACT_PYTEST) $(or $(ARGS),tests/contract tests/crash)

storm: contract-drivers python
	MAILBOAT_STORM_SECONDS=$(or $(SECONDS),600) MAILBOAT_STORM_SEED=$(SEED) \
		$(CONTRACT_PYTEST) tests/crash $(ARGS)

# With the checks of a debug build, in the library too.
contract-drivers:
	$(CARGO) build -p mailboat-ffi -p mailboat-tests
	mkdir -p $(CONTRACT_BUILT)
	ln -sf $(CONTRACT_DEBUG)/libmailboat.so $(CONTRACT_BUILT)/libmailboat.so
	ln -sf $(CONTRACT_DEBUG)/libmailboat.so $(CONTRACT_BUILT)/$$(cat packaging/soname)
	ln -sf $(CONTRACT_DEBUG)/mailboat-driver $(CONTRACT_BUILT)/driver-rust
	$(or $(CC),cc) -std=c11 -D_GNU_SOURCE $(CONTRACT_FLAGS) -o $(CONTRACT_BUILT)/driver-c \
		tests/drivers/c/*.c $(CONTRACT_LIBRARY)
	$(or $(CXX),c++) -std=c++17 $(CONTRACT_FLAGS) -o $(CONTRACT_BUILT)/driver-cpp \
		tests/drivers/cpp/*.cc $(CONTRACT_LIBRARY)
