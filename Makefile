# What can be done with a checkout. Needs make, git and Python 3.11 or later; everything else is fetched into .venv,
# each package in the version, and with the hash, that the lock files name.
#
#   make demo     see archiver at work on a mail server of its own
#   make test     every check: lint, types, import contract, tests (on Debian it fetches the servers they talk to)
#   make bench    measure speed and size beside other programs
#   make lint     the checks that run nothing
#   make lock     renew both lock files from pyproject.toml (needs uv)
#   make man      write man pages from the help into build/man
#   make docs     make the site of the documentation in build/site
#   make clean    remove what the others made
#
# Another interpreter: make demo PYTHON=python3.13. No system packages: make test ARCHIVER_NO_APT=1.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-ready
DEV := $(VENV)/.dev-ready

export ARCHIVER_NO_APT

.PHONY: help demo test bench lint man docs lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

demo: $(RUNTIME)
	$(BIN)/archiver demo

test: $(DEV)
	contrib/setup-debian.sh test
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

bench: $(DEV)
	contrib/setup-debian.sh bench
	$(BIN)/python -m bench

man: $(RUNTIME)
	$(BIN)/python contrib/man.py

docs: $(DEV)
	$(BIN)/python contrib/site/build.py

lint: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The stamps make a second run instant; a changed lock file or pyproject.toml installs again.
$(RUNTIME): requirements.lock pyproject.toml contrib/setup-venv.sh
	contrib/setup-venv.sh "$(PYTHON)" $(VENV) requirements.lock
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml contrib/setup-venv.sh
	contrib/setup-venv.sh "$(PYTHON)" $(VENV) requirements-dev.lock
	@touch $@

# One lock for all systems and Pythons (--universal), every file by its hash. The second is a superset of the first
# with the same versions, so that tests run what users run. Both hold the build backend: nothing is fetched unpinned.
# A renewal is `make lock`; newer versions of all are `make lock UPGRADE=--upgrade`.
COMPILE = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" --no-emit-index-url --quiet $(UPGRADE)

lock:
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: https://docs.astral.sh/uv/ (or UV=/path/to/uv)' >&2; exit 1; }
	$(COMPILE) --extra keyring --extra demo --extra exchange --extra microsoft --group build --output-file requirements.lock
	$(COMPILE) --extra keyring --extra demo --extra exchange --extra microsoft --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) dist build demo-output bench/results .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find archiver tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
