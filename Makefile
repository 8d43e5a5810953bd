# The two commands of the README are `make demo` and `make test`; each does all the set-up it needs.
PYTHON ?= python3
VENV   := .venv
DEMO   := .venv-demo
PRICING := .venv-pricing
BIN    := $(VENV)/bin
ONCE   ?=
WRITE  ?=
PORTS  ?=
PYTEST ?=

# Byte code is worth having, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-faults test-real-apps test-agent-faults test-agent check format docs lock bench bench-agent bench-ingest bench-peers bench-store bench-elasticsearch wheel clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO)/.ready $(PRICING)/.ready ## the demo shop with everything in it; ONCE=1 for one bounded, verified round, PORTS=0 for free ports
	@$(DEMO)/bin/python -m tracestitch_demo.run $(if $(ONCE),--once) $(if $(PORTS),--port-base $(PORTS))

test: check ## everything: format, lint, types, borders, then all tests with real servers and a real browser
	$(BIN)/pytest $(PYTEST)

test-agent: $(VENV)/.ready ## the agent under every server, worker and library of docs/agent-matrix.md, which it rewrites
	UPDATE_DOCS=1 $(BIN)/pytest -m matrix tests/matrix $(PYTEST)

test-real-apps: $(VENV)/.ready ## apps that nobody here wrote, walked bare and with the agent: docs/agent-real-apps.md
	$(BIN)/pytest -q -s -m real_apps tests/real_apps $(PYTEST)

check: $(VENV)/.ready ## the fast part of `make test`: format, lint, types, borders
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-agent-faults: $(VENV)/.ready ## an error raised at each place of the agent in turn: all of them, about half an hour
	FAULT_SITES=0 $(BIN)/pytest -q -s tests/agent/test_raise_everywhere.py

test-faults: $(VENV)/.ready ## the ledger through every fault in its long form, an hour or so; KILLS=1000 for more than 200 of them
	TEST_FAULTS=long $(BIN)/pytest -q -s tests/faults $(PYTEST)

format: $(VENV)/.ready ## mend format and what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.ready ## rewrite the generated tables of ARCHITECTURE.md and docs/
	$(BIN)/python -m tests.support.module_table
	$(BIN)/python -m tests.support.kubernetes
	$(BIN)/python -m tests.support.grafana
	$(BIN)/python -m tracestitch kibana print > stack/kibana/tracestitch.ndjson
	UPDATE_DOCS=1 $(BIN)/pytest -q tests/collector/test_settings.py

bench: bench-ingest bench-store ## figures and ratios: ingest, freshness, memory, questions, the agent's cost; see tests/bench/
	$(BIN)/python -m tests.bench.agent_overhead

bench-ingest: $(VENV)/.ready $(DEMO)/.ready ## what a server takes in, how soon it is found and what it costs; WRITE=1 puts it into docs/, SECONDS=300
	$(BIN)/python -m tests.bench.ingest --python $(DEMO)/bin/python --seconds $(or $(SECONDS),20) $(if $(WRITE),--write)

bench-peers: $(VENV)/.ready $(DEMO)/.ready ## the same payload and questions for Jaeger (built by `python -m tests.bench.peers build`) and for us; WRITE=1
	$(BIN)/python -m tests.bench.peers --python $(DEMO)/bin/python $(if $(WRITE),--write)

bench-agent: $(VENV)/.ready ## what the agent costs under gunicorn, beside five others; WRITE=1 puts it into docs/
	$(BIN)/python -m tests.bench.agent_servers $(if $(WRITE),--write)

STORE_FOLDER = $(or $(KEEP),.tools/bench-store)
STORE_BENCH = $(BIN)/python -m tests.bench.store $(if $(WRITE),--write)

bench-store: $(VENV)/.ready ## what the embedded store answers in, beside its bars; FULL=1 also with 10 million of each and while ingesting; SPANS=, LOGS=, INGESTING=, KEEP=folder, WRITE=1
	$(STORE_BENCH) --spans $(or $(SPANS),2000000) --logs $(or $(LOGS),2000000) --ingesting $(or $(INGESTING),0) $(if $(KEEP),--folder $(KEEP))
ifdef FULL
	$(STORE_BENCH) --spans 10000000 --logs 10000000 --folder $(STORE_FOLDER) --beside 1000000
	$(STORE_BENCH) --spans 10000000 --logs 10000000 --folder $(STORE_FOLDER) --ingesting 75000
	$(if $(KEEP),,rm -rf $(STORE_FOLDER))
endif

bench-elasticsearch: $(VENV)/.ready $(DEMO)/.ready ## what a million documents cost us and Elasticsearch, beside Elastic's own exporter (built with Go, once); SPANS=100000 ROUNDS=5
	$(BIN)/python -m tests.bench.elasticsearch --python $(DEMO)/bin/python --spans $(or $(SPANS),100000) --rounds $(or $(ROUNDS),5)

wheel: $(VENV)/.ready ## dist/*.whl
	rm -rf dist && $(BIN)/python -m build --wheel --no-isolation

lock: $(VENV)/.ready ## pin every dependency with hashes, for every platform, through the index that this machine uses
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra server --extra demo --constraint requirements/dev.txt pyproject.toml requirements/build.in -o requirements/demo.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra server --constraint requirements/dev.txt pyproject.toml requirements/build.in -o requirements/server.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements/demo-pricing.in -o requirements/demo-pricing.txt

clean: ## remove environments and caches
	rm -rf $(VENV) $(DEMO) $(PRICING) .demo .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(f"Tracestitch needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}: try make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "Installing the development environment into $(VENV) (about a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# The demo runs the wheel, as a user's machine would.
$(DEMO)/.ready: requirements/demo.txt pyproject.toml hatch_build.py $(shell find instrumentation collector dashboard stack/demo -type f -not -name '*.pyc' 2>/dev/null)
	@$(PYTHON) -c 'import sys; sys.exit(f"Tracestitch needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}: try make PYTHON=python3.12 demo") if sys.version_info < (3, 11) else None'
	@echo "Installing the demo into $(DEMO) (about a minute the first time) …"
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@$(DEMO)/bin/pip install -q --require-hashes -r requirements/demo.txt
	@rm -rf build/wheel && $(DEMO)/bin/pip wheel -q --no-deps --no-build-isolation -w build/wheel .
	@$(DEMO)/bin/pip install -q --no-deps --force-reinstall build/wheel/*.whl
	@touch $@

# One service of the shop on other versions than its neighbours: that is one of its pitfalls.
$(PRICING)/.ready: requirements/demo-pricing.txt $(DEMO)/.ready
	@PYTHON=$(PYTHON) stack/demo/pricing-environment $(PRICING) build/wheel/*.whl
	@touch $@
