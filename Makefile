# Every target sets itself up: only Python (3.11 or newer), git and make are needed beforehand.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test crash-matrix check format bench system-packages clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

setup: $(INSTALLED) ## Make the environment in .venv (every target does it by itself)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Postroom needs Python 3.11 or newer; name it with: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "The venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing Postroom and its tools into .venv ..."
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@

demo: $(INSTALLED) ## Send a message to some 1,500 people and account for each of them
	@$(BIN)/postroom demo

serve: $(INSTALLED) ## Run the API and the worker on the embedded store
	@$(BIN)/postroom serve

test: $(INSTALLED) ## Run the whole suite, on SQLite and PostgreSQL, with three workers; ARGS=path runs a part, with one
	@$(BIN)/python -m pytest $(or $(ARGS),-n 3 --dist worksteal)

crash-matrix: $(INSTALLED) ## Kill worker, API and database at random; POINTS=n kills each n times (50)
	@$(BIN)/python -m tests.crash $(if $(POINTS),--points $(POINTS)) $(ARGS)

check: $(INSTALLED) ## Lint, check formatting, types and the floors of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

bench: $(INSTALLED) ## Measure; ONLY=name runs one measure, CONNECTIONS=n chooses how many to the relay
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(CONNECTIONS),--connections $(CONNECTIONS))

system-packages: ## As root on Debian: install the Postfix, Dovecot, Chromium and PostgreSQL that some tests and benchmarks use
	@apt-get update -qq
	@DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postfix dovecot-imapd chromium postgresql >/dev/null

clean: ## Remove the environment and every cache
	@rm -rf .venv .venv-peers .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .cache dist
