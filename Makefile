# The two commands of the README are `make demo` and `make test`; both set up all they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test check format lint types imports unit bench soak crash auditor fuzz scenario-models clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "riskweave needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

# Until Ctrl-C; where nobody sees it, for a minute.
demo: $(STAMP)
	$(BIN)/riskweave demo

test: $(STAMP)
	$(BIN)/python -m pytest

check: $(STAMP) lint types imports unit

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/python -m pytest

bench: $(VENV)/.bench
	PYTHONPATH=. $(BIN)/python -m benchmarks.run

$(VENV)/.bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

soak: $(VENV)/.bench
	PYTHONPATH=. $(BIN)/python -m benchmarks.suite.soak
	PYTHONPATH=. $(BIN)/python -m benchmarks.suite.durable_soak

# A process killed 220 times, and bytes changed in 400 places; CI does it 20 and 30 times.
crash: $(STAMP)
	RISKWEAVE_KILLS=220 RISKWEAVE_BYTES=400 $(BIN)/python -m pytest tests/crash tests/storage/test_damage.py

scenario-models: $(STAMP)
	$(BIN)/riskweave scenario train
	$(BIN)/riskweave scenario record

# The independent auditor and the API's fuzz for minutes instead of seconds.
auditor: $(STAMP)
	RISKWEAVE_AUDIT=20000 $(BIN)/python -m pytest tests/auditor

fuzz: $(STAMP)
	RISKWEAVE_FUZZ=200 $(BIN)/python -m pytest tests/service/test_anything.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
