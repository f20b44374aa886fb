# Two commands: `make run` does the whole job on this machine, `make test` checks it. Both make the environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOT ?= data
STAMP := $(VENV)/.installed
PEERS := $(VENV)/peers
CLUSTERS := $(VENV)/.clusters

run: $(STAMP)  ## corpus, release, model, report: the whole job on the built-in storyteller
	$(BIN)/seedloom run --root $(ROOT) --edition first

test: $(STAMP)  ## style and all tests but the slow ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -q

test-slow: $(CLUSTERS)  ## the tests that take minutes: many kills, a browser on the UI, Dask and Ray
	$(BIN)/pytest -q -m slow

bench: $(PEERS)  ## what every stage costs beside its peers, into docs/benchmarks.md
	$(BIN)/python tests/bench/table.py --write

docs: $(STAMP)  ## write the generated pages again
	$(BIN)/python -m schemas.tables_page > docs/tables.md

env: $(STAMP)  ## the environment alone

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,dev]"
	$(BIN)/pip check
	touch $(STAMP)

$(CLUSTERS): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[train,dev,dask,ray]"
	touch $(CLUSTERS)

# Peers whose pins do not fit beside ours: without their dependencies, in a folder that only `make bench` reads.
$(PEERS): $(STAMP) tests/bench/peers.txt
	rm -rf $(PEERS)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(PEERS) -r tests/bench/peers.txt
	touch $(PEERS)

clean:  ## remove the environment; the warehouse stays
	rm -rf $(VENV)

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

.PHONY: run test test-slow bench docs env clean help
