# `make forecast` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
AIRFLOW_VENV ?= .venv-airflow
OUT ?= forecasts
FAULTS ?= 50
SECONDS ?= 600
THOROUGH ?= 1

.PHONY: forecast pipeline airflow test chaos fuzz lint audit docs pictures notebook image image-test lock clean help

help:
	@echo "make forecast  set up, forecast the sample in data/, write a table and a plot"
	@echo "make pipeline  set up, play ten days of the sample again: poll, predict, judge, store, draw"
	@echo "make airflow   run a day of the pipeline by an Airflow scheduler, in an environment of its own"
	@echo "make test      set up, run all tests (THOROUGH=10: with more examples)"
	@echo "make chaos     hurt runs at random, as root (FAULTS=50 SEED=… SOURCE=prices)"
	@echo "make fuzz      damage all that is read, for ten minutes (SECONDS=600 SEED=…)"
	@echo "make lint      ruff, mypy, the checks of words and sizes, and a search for secrets in git"
	@echo "make audit     known vulnerabilities of the packages, where the network lets one ask"
	@echo "make docs      build the site into site/; a warning fails it"
	@echo "make pictures  draw README's pictures again, by chromium"
	@echo "make notebook  run the notebooks again and keep their outputs"
	@echo "make image     build the image for Compose and Kubernetes (EXTRAS=lstm: with Keras)"
	@echo "make image-test  the same, then run a cluster and a forecast from it"
	@echo "make clean     remove what these made"

# The sample has coins that can't be forecast, on purpose: exit code 3 says that some failed.
forecast: $(VENV)/.has-base
	@mkdir -p $(OUT)
	$(BIN)/cryptodask forecast data --model naive --model linear --model lstm --horizon 10 \
		--out $(OUT)/forecasts.csv --plot $(OUT)/forecasts.html || [ $$? -eq 3 ]

# An exchange on this machine has the prices of the sample, day by day; ends with a page of the days.
pipeline: $(VENV)/.has-fetch
	$(BIN)/cryptodask pipeline replay data --out pipeline --days 10

# DATE, SETTINGS and DATABASE (of PostgreSQL) may be given; by default it is a day of the sample.
airflow: $(VENV)/.has-base $(AIRFLOW_VENV)/.has-airflow
	$(AIRFLOW_VENV)/bin/python deploy/airflow/run.py --command $(abspath $(BIN))/cryptodask \
		$(if $(DATE),--date $(DATE)) $(if $(SETTINGS),--settings $(SETTINGS)) \
		$(if $(DATABASE),--database $(DATABASE))

# Side by side by file: many tests wait for processes of a cluster that start or end. Files are begun
# in the order of tests/conftest.py. Hundreds of processes are started, which compile all that they
# import where bytecode may not be kept.
test: $(VENV)/.has-test $(VENV)/.has-schemas
	PYTHONDONTWRITEBYTECODE= THOROUGH=$(THOROUGH) $(BIN)/python -m pytest \
		--numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

chaos: $(VENV)/.has-test
	$(BIN)/python -m tests.chaos --faults $(FAULTS) $(if $(SEED),--seed $(SEED)) \
		$(if $(SOURCE),--source $(SOURCE))

fuzz: $(VENV)/.has-test
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

lint: $(VENV)/.has-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python .ci/words.py
	$(BIN)/python .ci/measures.py --check
	git ls-files -z ':!data' ':!tests/registry/kept' | xargs -0 $(BIN)/detect-secrets-hook --exclude-lines '"image/png"' \
		--exclude-lines secretName

audit: $(VENV)/.has-dev
	$(BIN)/python .ci/audit.py

# The models whose package is missing have no picture; .has-test has all.
docs: $(VENV)/.has-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs site
	@echo "site/index.html"

# Of README and the first page; needs chromium.
pictures: $(VENV)/.has-base
	$(BIN)/python docs/images/draw.py

notebook: $(VENV)/.has-test
	$(BIN)/python notebooks/run.py

image:
	deploy/build-image.sh "$(EXTRAS)"

image-test: image
	deploy/check-image.sh "$(EXTRAS)"

lock: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet uv
	deploy/lock.sh $(BIN)/uv

$(VENV)/.has-base: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# The operator's schemas, for a test. Installed as a package it would be loaded by each `dask` command.
$(VENV)/.has-schemas: | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/share/dask-kubernetes \
		dask-kubernetes==2026.3.0
	@touch $@

$(AIRFLOW_VENV)/.has-airflow: deploy/airflow/requirements.txt
	test -x $(AIRFLOW_VENV)/bin/python || $(PYTHON) -m venv $(AIRFLOW_VENV)
	$(AIRFLOW_VENV)/bin/python -m pip install --quiet --requirement $<
	@touch $@

$(VENV)/.has-%: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) $(AIRFLOW_VENV) $(OUT) pipeline site docs/generated .cache/airflow .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis *.egg-info
