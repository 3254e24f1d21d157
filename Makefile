# make demo   set up, then the main job on the sample        make test   set up, then all default tests
# make check  lint, format, types, tests                     make real   tests on ../shared/mvsa, where it exists
# make install-check  install the package without extras into a folder, and use it from there
# make sample generate data/sample again (the same bytes)
# make bench  compare speed with a plain training loop, in one table (BENCH="--pairs 1000 --only fusions")
# make paper  repeat a published student project's experiments on DATA (default data/sample); OPTIONS default to frozen encoders

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check real install-check sample paper bench

DATA ?= data/sample
OPTIONS ?= --freeze-text all --freeze-image all

demo: $(VENV)/.installed
	$(BIN)/mmsent train --data data/sample
	$(BIN)/mmsent predict --data data/sample --out submission.txt --force

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -n 2

real: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m real

install-check: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m install

paper: $(VENV)/.installed
	$(BIN)/mmsent paper --data $(DATA) $(OPTIONS)

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks --data $(DATA) $(BENCH)

sample: $(VENV)/.installed
	$(BIN)/python -m tools.sample.draw --out data/sample --pairs 300 --seed 0 --force

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("mmsent needs Python 3.11 or later, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing mmsent into $(VENV) (torch is some GB; a few minutes) ..."
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(PIP) -e '.[dev]'
	@touch $@
