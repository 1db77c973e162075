# `make forecast` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= forecasts
FAULTS ?= 50

.PHONY: forecast test chaos lint notebook clean help

help:
	@echo "make forecast  set up, forecast the sample in data/, write a table and a plot"
	@echo "make test      set up, run all tests"
	@echo "make chaos     hurt runs at random, as root (FAULTS=50 SEED=… SOURCE=prices)"
	@echo "make lint      ruff and mypy"
	@echo "make notebook  run the notebooks again and keep their outputs"
	@echo "make clean     remove what these made"

# The sample has coins that can't be forecast, on purpose: exit code 3 says that some failed.
forecast: $(VENV)/.has-base
	@mkdir -p $(OUT)
	$(BIN)/cryptodask forecast data --model naive --model linear --model lstm --horizon 10 \
		--out $(OUT)/forecasts.csv --plot $(OUT)/forecasts.html || [ $$? -eq 3 ]

test: $(VENV)/.has-test
	$(BIN)/python -m pytest

chaos: $(VENV)/.has-test
	$(BIN)/python -m tests.chaos --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) \
		$(if $(SOURCE),--source $(SOURCE))

lint: $(VENV)/.has-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

notebook: $(VENV)/.has-test
	$(BIN)/python notebooks/run.py

$(VENV)/.has-base: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.has-%: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) $(OUT) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
