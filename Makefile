# Each target sets up .venv by itself. Another interpreter: make PYTHON=python3.12
# The maintained forks of the OpenMMLab stack: make STACK=onedl
PYTHON ?= python3
STACK ?= official
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(STACK)
# pip leaves compiling to the first import, which has to be allowed to keep it
export PYTHONDONTWRITEBYTECODE :=

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(or $(JOBS),auto)
OUTER := process or browser
# collecting all of the tests takes half a minute
OUTER_FILES = $(shell grep -rlE 'mark\.(process|browser)' tests --include='test_*.py')

.PHONY: demo test test-ci test-slow test-all test-matrix mutants docs lint benchmark gpu clean

demo: $(READY)
	$(BIN)/python tools/demo.py $(DEMO_FLAGS)

# what shows that the package is right, in a few minutes
test: $(READY)
	$(PYTEST) tests -m "not (slow or $(OUTER))"

# what `make test` leaves out: several processes, packaging, the browser
test-ci: $(READY)
	$(PYTEST) $(OUTER_FILES) -m "($(OUTER)) and not slow"

test-slow: $(READY)
	$(PYTEST) tests -m slow

test-all: $(READY)
	$(PYTEST) tests

# known faults in a copy of the package: each has to be caught by `make test`
mutants: $(READY)
	$(BIN)/python tests/mutants.py

# both stacks, the oldest and the newest torch; 25 GB of environments
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
