# Every check is one command. The first one sets up .venv; PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: atlas test test-fast lint bench clean

atlas: .venv/atlas.stamp ## from nothing to a site in site/
	$(BIN)/head-atlas demo

test: .venv/dev.stamp ## all tests; those in the browser need Chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

test-fast: .venv/dev.stamp ## without the full-size models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow"

lint: .venv/dev.stamp ## style, types and imports of everything, build/clipheads included
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: .venv/atlas.stamp ## ratios measured side by side in one run
	$(BIN)/head-atlas bench

clean: ## the bundles and the site, not the environment
	rm -rf data/atlas data/demo-gallery site

.venv/atlas.stamp: pyproject.toml constraints.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/dev.stamp: .venv/atlas.stamp
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
