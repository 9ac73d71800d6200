# Needs make and python3 (3.11 or newer) with its venv module; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help set-up run test check bench documents lock clean

help: ## Show this
	@echo "make run     set up, start the cluster on this machine, run the demo (Ctrl-C stops it)"
	@echo "make test    set up, run all tests that need only wheels"
	@echo "make check   set up, then style, types, import contract, every SQL block"
	@echo "make bench   measure everything anew: docs/benchmarks.md (wrk, PostgreSQL, Redis, Java, Maven; over an hour)"
	@echo "make documents  write anew what is made from the code: docs/openapi, docs/configuration.md, docs/events.md, the chart's schema"
	@echo "make lock    write the hashed locks anew from requirements/*.in"
	@echo "make clean   forget: remove the development data and its secrets"

set-up:
	@$(PYTHON) bin/setup

run: set-up
	@exec $(BIN)/python -m services.cli dev $(ARGS)

test: set-up
	@exec $(BIN)/pytest -m "not browser and not contract and not conformance" $(ARGS)

check: set-up
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m services.dev.prepare_sql

bench: set-up
	$(BIN)/python -m bench $(ARGS)

documents: set-up
	$(BIN)/python -m tests.house.openapi_documents
	$(BIN)/python -m tests.house.chart_schema
	$(BIN)/python -m tests.house.requested_schema
	$(BIN)/python -m tests.house.events_page
	$(BIN)/python -m tests.house.configuration_page

lock: set-up
	@$(PYTHON) -m venv .cache/lock && .cache/lock/bin/python -m pip install -q uv
	.cache/lock/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		requirements/runtime.in -o requirements/runtime.txt
	.cache/lock/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		-c requirements/runtime.txt requirements/dev.in -o requirements/dev.txt
	for name in build inbox; do .cache/lock/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 -c requirements/dev.txt requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:
	@$(PYTHON) bin/forget .magiclink
