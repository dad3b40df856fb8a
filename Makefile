# The two commands a newcomer needs are `make train` and `make test`; everything else stands on them.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
export PYTHONHASHSEED := 0

.DEFAULT_GOAL := help
.PHONY: help setup train reference test slow check lint types layers notebooks ui lock clean format

help:
	@echo "make train      set up, run the demo study, and say what was written where"
	@echo "make reference  rebuild the models of published evidence alone (models/reference-*)"
	@echo "make test       set up and run the tests"
	@echo "make slow       run the long forms of some tests"
	@echo "make check      lint, types, import layers, tests, notebooks (what CI runs)"
	@echo "make ui         open MLflow on 127.0.0.1"
	@echo "make format     put the code into the house style"
	@echo "make lock       renew requirements.lock"
	@echo "make clean      remove what the commands above made (models, tracking, demo data)"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "poi_predict needs Python 3.11 or newer; this is $$($(PYTHON) --version). Set PYTHON=python3.11."; exit 2; }
	@echo "Setting up .venv from requirements.lock (once; about two minutes) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

train: $(READY)
	@$(BIN)/python pipelines/train.py

reference: $(READY)
	@$(BIN)/python pipelines/reference.py

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q -m "not slow"
	@echo "Tests done. Next: 'make train' runs the demo study."

# Long forms of tests whose short form `make test` runs.
slow: $(READY)
	@$(BIN)/python -m pytest -q -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

notebooks: $(READY)
	@mkdir -p build/notebooks
	@for script in notebooks/[0-9]*.py; do \
	    $(BIN)/jupytext --quiet --to ipynb --output build/notebooks/$$(basename $$script .py).ipynb $$script || exit 1; \
	  done
	$(BIN)/python -m pytest -q -c /dev/null --rootdir build/notebooks --nbmake --nbmake-timeout=1500 build/notebooks

check: lint types layers notebooks test

ui: $(READY)
	@$(BIN)/poi-predict ui

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv
	@.venv-lock/bin/uv pip compile --quiet pyproject.toml --group dev --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header -o requirements.lock
	@rm -rf .venv-lock

clean:
	rm -rf demo mlruns mlartifacts mlflow.db* build dist src/*.egg-info .*.resume-* models/.*.resume-*
	find models -mindepth 1 -maxdepth 1 -type d ! -name 'reference-*' -exec rm -rf {} +
