# Everything is run from here. Needs Python 3.11 or newer with pip and venv, and make; nothing else beforehand.
#
#   make serve                        the broker on port 8080, its data in ./data
#   make serve ARGS="--port 9000"     the same with flags of `logmq serve`
#   make test                         every check, under six minutes

VENV := .venv
BIN := $(VENV)/bin

# The interpreter that makes the virtual environment: the first of these that is new enough.
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
# Flags for `logmq serve`, for pytest, and for bench/compare.py.
ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=

# Tests of one file stay in one process and in order, so that a file may share a costly fixture.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test test-long lint lint-style lint-form lint-types lint-layers format bench console dist clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(VENV)/.installed ## Start the broker on port 8080 with ./data; flags in ARGS="..."
	@exec $(BIN)/logmq serve $(ARGS)

# The tests run even when the lint fails, so that one run shows all there is to mend; their closing line comes last.
test: $(VENV)/.installed-dev ## Every check and all tests but the long ones, under six minutes
	@status=0; \
	$(MAKE) --no-print-directory --keep-going lint || status=1; \
	$(PYTEST) -m "not long" $(PYTEST_ARGS) || status=1; \
	exit $$status

test-long: $(VENV)/.installed-dev ## The campaigns that take long: power cuts, kill -9, bit flips, fuzzing
	$(PYTEST) -m long $(PYTEST_ARGS)

lint: lint-style lint-form lint-types lint-layers ## Style, form, types and layers

lint-style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
lint-form: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
lint-types: $(VENV)/.installed-dev
	$(BIN)/mypy
lint-layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A goal that is missed makes a program exit with 1; the others run all the same.
bench: $(VENV)/.installed-bench ## Load tests beside other brokers; results in bench/results
	@status=0; \
	$(BIN)/python bench/compare.py $(BENCH_ARGS) || status=1; \
	$(BIN)/python bench/figures.py || status=1; \
	$(BIN)/python bench/kafka_compare.py || status=1; \
	exit $$status

console: ## Build the web console from console/ (needs Node 20.19 or newer)
	cd console && npm ci --silent && npm run --silent check && npm run --silent build

dist: $(VENV)/.installed-dev ## Build the wheel and the source distribution into dist/
	rm -rf dist
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build

clean: ## Remove what was built, never ./data
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache console/node_modules
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say which dependencies are installed: pip runs again only when pyproject.toml changed. The package itself
# is installed in place, so a change to the sources needs nothing.
$(VENV)/.installed: EXTRAS :=
$(VENV)/.installed-dev: EXTRAS := [dev]
$(VENV)/.installed-bench: EXTRAS := [dev,bench]

$(VENV)/.installed $(VENV)/.installed-dev $(VENV)/.installed-bench: pyproject.toml $(BIN)/python
	@echo "Installing LogMQ into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'
	@touch $@

# Also runs when the interpreter behind an old environment is gone: its link then leads nowhere.
$(BIN)/python:
	@for python in $(PYTHON); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "$$python cannot make virtual environments: its venv module is missing." >&2; \
			echo "On Debian and Ubuntu: sudo apt install python3-venv" >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with $$($$python --version)"; \
		exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "LogMQ needs Python 3.11 or newer. Looked for: $(PYTHON)" >&2; \
	echo "Install one, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	exit 1
