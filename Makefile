# Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
DEMO_ARGS ?=
PYTEST_ARGS ?= -n 2
BENCH_ARGS ?=

# No dependency phones home.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export ORT_DISABLE_TELEMETRY := 1

# Nothing is written outside this folder: what installing downloads is thrown away afterwards.
export UV_CACHE_DIR := $(CURDIR)/.venv/uv-cache

# Bytecode is compiled once at installation; do not let the environment undo that.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/installed ## The tour on real photographs (DEMO_ARGS=--exit ends instead of staying up)
	@$(BIN)/stagegate demo $(DEMO_ARGS)

.PHONY: up
up: .venv/installed ## The service alone, embedded, below STAGEGATE_HOME (default .stagegate/)
	@$(BIN)/stagegate up

.PHONY: test
test: .venv/installed-dev system ## Format, lint, types, import contracts and the test suite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pytest $(PYTEST_ARGS)

.PHONY: bench
bench: .venv/installed-dev ## Our service and its peers side by side (BENCH_ARGS="--seconds 2 --rounds 1")
	@mkdir -p build
	$(BIN)/python -m bench.serving.compare $(BENCH_ARGS)

.PHONY: lint
lint: .venv/installed-dev ## Format, lint, types and import contracts only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

.PHONY: format
format: .venv/installed-dev ## Rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: .venv/uv ## Resolve requirements*.in anew into the lock files
	sed -i '/^torch==/d' requirements.lock requirements-dev.lock # else its build with CUDA is preferred
	.venv/uv-with-links pip compile --quiet --python-version 3.11 requirements.in -o requirements.lock
	.venv/uv-with-links pip compile --quiet --python-version 3.11 -c requirements.lock requirements-dev.in -o requirements-dev.lock
	.venv/uv-with-links pip compile --quiet --python-version 3.11 requirements-clients.in -o requirements-clients.lock
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.lock requirements-dev.lock

.PHONY: clean
clean: ## Remove the environment and what the tools left behind
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# uv does not read pip's settings; where pip is told of a folder of wheels (a CPU build of torch,
# say), uv is told, too. PIP_FIND_LINKS and the configuration files both count.
.venv/uv:
	@test -n "$(PYTHON)" || { echo "stagegate needs Python 3.11 or newer on the PATH"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "stagegate needs Python 3.11 or newer; $(PYTHON) is older: set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "the module venv is missing: install the package python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --no-cache-dir uv==0.13.9 2> >(grep -v 'is neither a file nor' >&2)
	@links="$${PIP_FIND_LINKS:-$$($(PYTHON) -m pip config get global.find-links 2>/dev/null || true)}"; \
	  printf '#!/bin/sh\nverb="$$1 $$2"; shift 2\nexec "%s" $$verb %s "$$@"\n' "$$PWD/$(BIN)/uv" "$${links:+--find-links $$links}" > .venv/uv-with-links
	@chmod +x .venv/uv-with-links; touch $@

INSTALL = .venv/uv-with-links pip install --quiet --python $(BIN)/python --compile-bytecode

.venv/installed: requirements.lock pyproject.toml | .venv/uv
	@echo "installing the locked dependencies (once; about a minute on an idle machine with 2 cores and a fast network; 2.6 GB on disk)"
	@$(INSTALL) -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@rm -rf $(UV_CACHE_DIR); touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@echo "installing what the tests need"
	@$(INSTALL) -r requirements-dev.lock
	@rm -rf $(UV_CACHE_DIR); touch $@

# What the tests need besides Python: a PostgreSQL server and Chromium.
.PHONY: system
system:
	@missing=""; \
	  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || test -n "$$TEST_PG_URL" || missing="$$missing postgresql"; \
	  command -v chromium >/dev/null || missing="$$missing chromium"; \
	  test -z "$$missing" && exit 0; \
	  if [ "$$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then \
	    echo "installing$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else echo "the tests need:$$missing; install them with your package manager"; exit 1; fi
