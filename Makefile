# Each target sets up .venv if necessary. With a different interpreter: make PYTHON=python3.12
# With the maintained forks of the OpenMMLab packages: make STACK=onedl
PYTHON ?= python3
STACK ?= official
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(STACK)
# pip leaves compiling to the first import, which must be allowed to write the bytecode
export PYTHONDONTWRITEBYTECODE :=

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(JOBS),auto)
OUTER := process or browser
# only the files that have such tests: collecting all tests takes half a minute
OUTER_FILES = $(shell grep -rlE 'mark\.(process|browser)' tests --include='test_*.py')

.PHONY: demo test test-ci test-slow test-all test-matrix mutants docs lint benchmark gpu clean

demo: $(READY)
	$(BIN)/python tools/demo.py $(DEMO_FLAGS)

# the main tests of the package, in a few minutes
test: $(READY)
	$(PYTEST) tests -m "not (slow or $(OUTER))"

# what `make test` leaves out except slow tests: several processes, packaging, the browser
test-ci: $(READY)
	$(PYTEST) $(OUTER_FILES) -m "($(OUTER)) and not slow"

test-slow: $(READY)
	$(PYTEST) tests -m slow

test-all: $(READY)
	$(PYTEST) tests

# puts known faults into a copy of the package; `make test` has to catch each one
mutants: $(READY)
	$(BIN)/python tests/mutants.py

# official packages and forks, each with the oldest and the newest torch; needs 25 GB
test-matrix:
	$(PYTHON) tests/matrix.py

docs: $(READY) requirements/docs.txt
	$(BIN)/python -m pip install --quiet -r requirements/docs.txt
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/codespell

# needs work_dirs/features.npz, see benchmarks/README.md
benchmark: $(READY)
	$(BIN)/python benchmarks/transport.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/startup.py

# make gpu IMAGES=FOLDER, see benchmarks/README.md
gpu: $(READY)
	PYTHON=$(BIN)/python bash benchmarks/gpu.sh $(GPU_FLAGS) $(IMAGES)

$(READY): setup.py requirements/runtime.txt requirements/$(STACK).txt requirements/tests.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 10) <= v <= (3, 13); ok or sys.exit("alignmix_mm needs Python 3.10 to 3.13, but $(PYTHON) is %d.%d: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile -e ".[$(STACK),tests]"
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-* work_dirs build *.egg-info
