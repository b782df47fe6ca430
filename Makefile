# The two commands: `make serve` and `make test`. The rest is what they are made of. Needs Python 3.11 or newer with pip.
PYTHON ?= python3
BIN := .venv/bin
NODE_PEERS := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(wildcard benchmarks/peers/*/package-lock.json))
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Development, so that a server on a DATABASE_URL makes a secret of its own; set TRELLIS_ENVIRONMENT to override.
export TRELLIS_ENVIRONMENT ?= development

.DEFAULT_GOAL := help
.PHONY: help serve test crashes terminations lint format bench bench-profile bench-growth lock clean

help:  ## Tell what can be made.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

serve: .venv/installed  ## Serve on http://127.0.0.1:8000, over the embedded PostgreSQL unless DATABASE_URL is set.
	@if [ -n "$$DATABASE_URL" ]; then $(BIN)/trellis migrate; fi
	@exec $(BIN)/trellis serve

test: .venv/installed  ## Run the whole test suite; PYTEST='--cov' measures the coverage.
	@$(BIN)/pytest $(PYTEST)

crashes: .venv/installed  ## Kill the server and PostgreSQL while clients write, ROUNDS=20 times, and look for what is lost.
	@$(BIN)/python -m tests.server.crashes --rounds $(or $(ROUNDS),20) $(CRASHES)

terminations: .venv/installed  ## End COUNT=1000 connections to PostgreSQL while clients ask, and look for requests without an answer.
	@$(BIN)/python -m tests.server.terminations --count $(or $(COUNT),1000)

lint: .venv/installed  ## Check format, style, types and architecture.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/installed  ## Format the code and fix what can be fixed.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv/installed .venv-bench/installed $(NODE_PEERS)  ## Measure it beside its peers into benchmarks/REPORT.md; BENCH=--help tells how.
	@$(BIN)/python -m benchmarks.run $(BENCH)

bench-profile: .venv/installed .venv-bench/installed  ## Sample where the time of a request goes, into the same report.
	@$(BIN)/python -m benchmarks.profile $(BENCH)

bench-growth: .venv/installed  ## Measure how the cost of a page grows with table and depth, into the same report.
	@$(BIN)/python -m benchmarks.growth $(BENCH)

lock: .venv/installed  ## Take the newest releases that pyproject.toml allows into requirements/.
	@$(PYTHON) -m pip --python .venv install --quiet uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --no-header \
		--extra build pyproject.toml --output-file requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --no-header \
		--all-extras --constraint requirements/runtime.txt pyproject.toml --output-file requirements/development.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 benchmarks/requirements.in --output-file benchmarks/requirements.txt

# pip alone, and no ensurepip: Debian's python3 comes without it.
.venv/installed: requirements/development.txt pyproject.toml
	@echo "Installing into .venv ..."
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python .venv install --quiet --no-deps --require-hashes --requirement requirements/development.txt
	@$(PYTHON) -m pip --python .venv install --quiet --no-deps --no-build-isolation --no-index --editable .
	@$(PYTHON) -m pip --python .venv check
	@touch $@

.venv-bench/installed: benchmarks/requirements.txt
	@echo "Installing the peers into .venv-bench ..."
	@$(PYTHON) -m venv --without-pip .venv-bench
	@$(PYTHON) -m pip --python .venv-bench install --quiet --no-deps --require-hashes --requirement benchmarks/requirements.txt
	@$(PYTHON) -m pip --python .venv-bench check
	@touch $@

# Without npm there is nothing to install, and the benchmark leaves these peers out.
$(NODE_PEERS): %/node_modules/.package-lock.json: %/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund --prefix $*; else echo "No npm: without $*."; fi

clean:  ## Remove what was installed and made, but not the data.
	@rm -rf .venv .venv-bench $(NODE_PEERS:/.package-lock.json=) .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
