# `make demo` and `make test` need Python 3.11 or later with venv, and make; everything else goes into .venv.

PYTHON ?= python3
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -gt 8 ] && n=8; echo $$n)
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help venv demo test test-long lint bench clean

help:
	@echo 'make demo       simulated shops, live traffic and the screen (ARGS="--headless" for none)'
	@echo 'make test       every test (ARGS="tests/domain -x" for some)'
	@echo 'make test-long  every test, the long proofs in full'
	@echo 'make lint       style, types, import directions, dependencies'
	@echo 'make bench      measure against the plain service'
	@echo 'make venv       only set up .venv'

venv: .venv/.dev

.venv/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; say make PYTHON=python3.x")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --requirement requirements.lock
	@$(PIP) --no-deps --editable .
	@touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	@$(PIP) --requirement requirements-dev.lock
	@touch $@

demo: .venv/.run
	@$(BIN)/syncd demo $(ARGS)

test: .venv/.dev
	@$(BIN)/pytest --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-long: .venv/.dev
	@SYNCD_LONG=1 $(BIN)/pytest --numprocesses $(JOBS) --dist worksteal --timeout 3600 $(ARGS)

lint: .venv/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry .

bench: .venv/.dev
	@$(BIN)/python -m tests.bench $(ARGS)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
