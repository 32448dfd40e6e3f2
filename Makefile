# Needs Python 3.11 or later, git and make. Every target makes .venv from the lock first, when it is missing or older.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made-from-lock
# The copies in .venv, whatever is on PATH; a locked environment warns about nothing that the lock decides.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo up test check bench lock setup format
.DEFAULT_GOAL := up

demo: setup
	$(BIN)/reis demo

up: setup
	$(BIN)/reis up

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 1

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python .ci/lock.py --check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile
	.ci/no-registries
	$(BIN)/reis migrate --check

bench: setup
	$(BIN)/python -m tests.benchmarks

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python .ci/lock.py

setup: $(STAMP)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Reis needs Python 3.11 or later: set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
