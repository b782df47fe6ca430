# The two commands: `make serve` and `make test`. The rest is what they are made of. Needs Python 3.11 or newer with pip.
PYTHON ?= python3
BIN := .venv/bin
COMPILE = .venv-lock/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --no-header
NODE_PEERS := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(wildcard benchmarks/peers/*/package-lock.json))
CLIENT_TOOLS := tests/clients/node_modules/.package-lock.json
# Of pip's settings those count that say where packages come from. What is installed, and where to, says this file.
unexport $(filter-out %_URL %_LINKS %_INDEX %_HOST %_PROXY %CERT %_DIR %_FILE %_TIMEOUT %_RETRIES %_PROVIDER,\
	$(filter PIP_%,$(.VARIABLES)))
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Of an active .venv the python has no pip; and it is what is made anew.
export PATH := $(subst $(CURDIR)/.venv/bin:,,$(PATH))
# Another environment's packages would count as installed here, and be imported in the place of the locked ones.
unexport PYTHONPATH PYTHONHOME
# What was compiled is kept: a process that compiles all anew takes as long again to start, and the suite starts hundreds.
unexport PYTHONDONTWRITEBYTECODE
# Development, so that a server on a DATABASE_URL makes a secret of its own; set TRELLIS_ENVIRONMENT to override.
export TRELLIS_ENVIRONMENT ?= development

.DEFAULT_GOAL := help
.PHONY: help serve test openapi apis crashes terminations jobs reliability alerts mirror security scaffolds mutants clients \
	lint format \
	bench bench-profile bench-growth \
	lock licences clean

help:  ## Tell what can be made.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

serve: .venv/installed  ## Serve on http://127.0.0.1:8000, over the embedded PostgreSQL unless DATABASE_URL is set.
	@if [ -n "$$DATABASE_URL$$DATABASE_URL_FILE" ]; then $(BIN)/trellis migrate; fi
	@exec $(BIN)/trellis serve

test: .venv/installed  ## Run the whole test suite, or MODULE=tags alone, or what CHANGED=1 reaches; PYTEST='--cov' and the like.
	@$(if $(MODULE)$(CHANGED),$(BIN)/python -m tests.selection $(MODULE:%=--module %) $(CHANGED:%=--changed %) --,$(BIN)/pytest) $(PYTEST)

openapi: .venv/installed  ## Write docs/openapi.json and docs/api.md anew, and tell what changed since the newest release.
	@$(BIN)/python -m tests.openapi $(OPENAPI)

apis: .venv/installed  ## Write modules/*/api.txt anew, what modules publish to others, and tell what breaks a neighbour.
	@$(BIN)/python -m tests.interfaces $(APIS)

crashes: .venv/installed  ## Kill the server and PostgreSQL while clients write, ROUNDS=20 times, and look for what is lost.
	@$(BIN)/python -m tests.server.crashes --rounds $(or $(ROUNDS),20) $(CRASHES)

terminations: .venv/installed  ## End COUNT=1000 connections to PostgreSQL while clients ask, and look for requests without an answer.
	@$(BIN)/python -m tests.server.terminations --count $(or $(COUNT),1000)

jobs: .venv/installed  ## Kill workers while they do the jobs of 10,000 events, and look for what is lost; JOBS='--postgres 50' kills PostgreSQL, too.
	@$(BIN)/python -m tests.jobs.kills $(JOBS)

reliability: .venv/installed  ## Make faults happen, of every kind, and look for what is lost or late; RELIABILITY='--short', or --help.
	@$(BIN)/python -m tests.reliability $(RELIABILITY)
alerts: .venv/installed  ## Cause what each alert rule of ops/ is for, and wait until Prometheus says that it fires.
	@$(BIN)/python -m tests.ops.alerts

mirror: .venv/installed  ## Follow the guide's recipe for MINUTES=5 while others write and the server is killed, and compare.
	@$(BIN)/python -m tests.server.mirror --minutes $(or $(MINUTES),5) $(MIRROR)

security: .venv/installed .venv-clients/locked  ## Try whom the server lets in, what is forged, hostile, guessed or told by times, and print the figures of docs/SECURITY.md; PYTEST='-k forged' alone.
	@failed=0; SECURITY=whole $(BIN)/pytest tests/security --no-cov $(PYTEST) || failed=1; \
	for part in $(if $(PYTEST),,guessing timing); do $(BIN)/python -m tests.security.$$part || failed=1; done; \
	$(if $(PYTEST),,$(BIN)/python -m tests.clients schemathesis || failed=1;) \
	exit $$failed

scaffolds: .venv/installed  ## Make COUNT=10 modules with random fields in a copy of the tree, and run their tests; SEED=1.
	@$(BIN)/python -m tests.development.scaffolds --count $(or $(COUNT),10) --seed $(or $(SEED),1)

mutants: .venv/installed  ## Run mutants of the kernel against the tests; MUTANTS='--count 200 --seed 1', or --help.
	@$(BIN)/python -m tests.mutants $(MUTANTS)

clients: .venv/installed .venv-clients/locked $(CLIENT_TOOLS)  ## Have generators, linters and schemathesis read the document; CLIENTS=--short, or names.
	@$(BIN)/python -m tests.clients $(CLIENTS)

lint: .venv/installed  ## Check format, style, types and architecture. Each tool tells what it finds.
	@failed=0; \
	for check in "ruff format --check ." "ruff check ." mypy lint-imports "trellis module check"; do $(BIN)/$$check || failed=1; done; \
	exit $$failed

format: .venv/installed  ## Format the code and fix what can be fixed.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/installed .venv-bench/locked $(NODE_PEERS)  ## Measure it beside its peers into benchmarks/REPORT.md; BENCH=--help tells how.
	@$(BIN)/python -m benchmarks.run $(BENCH)

bench-profile: .venv/installed .venv-bench/locked  ## Sample where the time of a request goes, into the same report.
	@$(BIN)/python -m benchmarks.profile $(BENCH)

bench-growth: .venv/installed  ## Measure how the cost of a page grows with table and depth, into the same report.
	@$(BIN)/python -m benchmarks.growth $(BENCH)

lock: .venv-lock/locked  ## Take the newest releases that pyproject.toml allows into requirements/.
	@$(COMPILE) --extra build --extra otel pyproject.toml --output-file requirements/runtime.txt
	@$(COMPILE) --all-extras --constraint requirements/runtime.txt pyproject.toml --output-file requirements/development.txt
	@$(COMPILE) --python-version 3.11 benchmarks/requirements.in --output-file benchmarks/requirements.txt
	@$(COMPILE) --python-version 3.11 --constraint requirements/development.txt tests/clients/requirements.in --output-file tests/clients/requirements.txt
	@echo uv | $(COMPILE) --python-version 3.11 - --output-file requirements/locking.txt
	@echo cyclonedx-bom | $(COMPILE) --python-version 3.11 - --output-file requirements/sbom.txt

licences: .venv/installed  ## List the licences of what is installed at run time, into LICENSES.md.
	@$(BIN)/python -m tests.install.licences

.venv/installed: .venv/locked pyproject.toml
	@$(PYTHON) -m pip --python .venv install --quiet --no-user --no-deps --no-build-isolation --no-index --editable .
	@$(PYTHON) -m pip --python .venv check
	@touch $@

.venv/locked: requirements/development.txt
	$(call install_locked,.venv)

.venv-bench/locked: benchmarks/requirements.txt
	$(call install_locked,.venv-bench)

.venv-clients/locked: tests/clients/requirements.txt
	$(call install_locked,.venv-clients)

.venv-lock/locked: requirements/locking.txt
	$(call install_locked,.venv-lock)

# Exactly what is locked, into an empty environment. pip resolves nothing: of an extra that the lock does not name, as in
# `coverage[toml]`, it would take the newest release. It builds nothing: what it builds with would be in no lock.
# pip alone, and no ensurepip: Debian's python3 comes without it.
define install_locked
	@$(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) is no Python 3.11 or newer with pip. Another one: make PYTHON=..."; exit 1; }
	@echo "Installing into $(1) ..."
	@$(PYTHON) -m venv --clear --without-pip $(1)
	@$(PYTHON) -m pip --python $(1) install --quiet --no-user --no-deps --only-binary :all: --require-hashes --requirement $<
	@$(PYTHON) -m pip --python $(1) check
	@touch $@
endef

# Without npm there is nothing to install, and what needs it is left out.
$(NODE_PEERS) $(CLIENT_TOOLS): %/node_modules/.package-lock.json: %/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix $*; else echo "No npm: without $*."; fi

clean:  ## Remove what was installed and made, but not the data.
	@rm -rf .venv .venv-bench .venv-clients .venv-lock $(patsubst %/.package-lock.json,%,$(NODE_PEERS) $(CLIENT_TOOLS)) tests/clients/generated .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .mutants *.egg-info
