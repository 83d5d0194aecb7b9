# The Python module: its tools, its build, its tests.
#
#   make venv         build/venv with the pinned tools
#   make python       builds the module and installs it there
#   make python-test  tests it (ARGS= goes to pytest)
#   make wheel        the wheel to publish, in dist/
#
# PYTHON= is the interpreter to start from, VENV= where its environment is, to test another version:
#   make python-test PYTHON=python3.9 VENV=build/venv39

PYTHON ?= python3
VENV ?= build/venv
VENV_PYTHON := $(VENV)/bin/python
MATURIN = $(VENV)/bin/maturin

.PHONY: venv python python-test wheel python-clean

venv: $(VENV)/.installed

$(VENV)/.installed: python/requirements-dev.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r python/requirements-dev.txt
	touch $@

# Built as a wheel and installed from it, so that what is tested is what is shipped.
python: venv
	rm -rf $(VENV)/wheels
	$(MATURIN) build --quiet --release --locked --manifest-path python/Cargo.toml \
		--interpreter $(VENV_PYTHON) --out $(VENV)/wheels
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps \
		$(VENV)/wheels/*.whl

python-test: python
	$(abspath $(VENV))/bin/pytest -c python/pyproject.toml --rootdir python python/tests $(ARGS)

wheel: venv
	$(MATURIN) build --release --locked --manifest-path python/Cargo.toml \
		--interpreter $(VENV_PYTHON) --out dist

python-clean:
	rm -rf $(VENV) dist python/.pytest_cache
