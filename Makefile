# Everything runs inside .venv, made from a plain Python 3.11 to 3.13 and pip.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
# Tests and demos talk to this machine only, and install nothing while they run.
export FLWR_TELEMETRY_ENABLED = 0
export FLWR_DISABLE_UPDATE_CHECK = 1
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION = 1
export RAY_USAGE_STATS_ENABLED = 0
# Compiled tests are kept: rewriting their assertions costs each worker seconds.
export PYTHONDONTWRITEBYTECODE =
# One worker per core; each computes with one thread (tests/conftest.py).
WORKERS ?= auto
PARALLEL := -n $(WORKERS) --maxprocesses 8 --dist loadgroup --no-loadscope-reorder

# Counting lines makes tests two fifths slower, so it is done for these alone: what they cover is theirs.
MEASURED := tests/strategies/common tests/server_app

.PHONY: help install docs install-device install-server demo demo-text demo-split demo-adapters federation compose compose-down test test-deployed check check-containers types-of-tests check-versions format clean

help: ## Show what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv and install everything, at the versions in constraints.txt

define ENVIRONMENT
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, found {sys.version.split()[0]}; name one with make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
endef

$(STAMP): pyproject.toml constraints.txt
	$(ENVIRONMENT)
	@echo "Installing into $(VENV): a few minutes; PyTorch with CUDA alone is several gigabytes."
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[simulation,server,feddat,notebook,dev]'
	@touch $(STAMP)

# What the site is made of is read from docstrings and settings: no other extra is needed.
$(DOCS_STAMP): pyproject.toml constraints.txt
	$(ENVIRONMENT)
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $(DOCS_STAMP)

docs: $(DOCS_STAMP) ## The documentation as a site, in site/; a link that leads nowhere fails (no network once installed)
	$(BIN)/python -m mkdocs build --strict

demo: $(STAMP) ## DS-FL, FedKTL and Local on unlike models with few labels, simulated here (about a minute)
	$(BIN)/python -m local_federation demo

demo-text: $(STAMP) ## DS-FL, FedProto and Local on unlike text models with few labels, simulated here (under a minute)
	$(BIN)/python -m local_federation demo-text

demo-split: $(STAMP) ## MocoSFL on 20 clients that hold the first layers of a network (about 6 minutes)
	$(BIN)/python -m local_federation demo-split

demo-adapters: $(STAMP) ## FedDAT on five clients that ask about pictures (about 7 minutes; backbone first, once)
	$(BIN)/python -m local_federation demo-adapters

federation: $(STAMP) ## One SuperLink and three SuperNodes as separate processes, FedKTL on them
	$(BIN)/python -m local_federation deploy --folder runs/federation --replace

compose: ## The same in containers, with TLS, node keys and a proxy; Docker or podman-compose
	$(PYTHON) -m local_federation.containers play $(ARGS)

compose-down: ## Remove all that make compose started (KEEP=1 keeps keys, runs and states)
	$(PYTHON) -m local_federation.containers down $(if $(KEEP),--keep)

install-device: ## What this checkout would install as a device's services; NOW=1 does it (ARGS: systemd/install.sh --help)
	systemd/install.sh device $(if $(NOW),,--dry-run) $(ARGS)

install-server: ## The same for the server of a federation
	systemd/install.sh server $(if $(NOW),,--dry-run) $(ARGS)

test: $(STAMP) ## Unit tests and whole federations, on all cores (no network)
	$(BIN)/pytest $(PARALLEL)

test-deployed: $(STAMP) ## Real SuperLink and SuperNode processes, further cases too: parity, kills, signals, resume
	$(BIN)/pytest -m deployed tests/deployed

check: $(STAMP) ## All that a change must pass: format, lint, types, imports, all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(PARALLEL) -m "not deployed" $(MEASURED) --cov=strategies/common --cov=server_app --cov-report=term:skip-covered
	$(BIN)/pytest $(PARALLEL) -m "not deployed" $(MEASURED:%=--ignore=%)
	$(BIN)/pytest -m "deployed and not thorough" tests/deployed

types-of-tests: $(STAMP) ## Type-check the tests, leniently
	$(BIN)/mypy --config-file tests/mypy.ini tests

check-containers: $(STAMP) ## For maintainers: the containers compared, killed, moved and shaped, and docs/deployment.md followed (ARGS, GUIDE: options)
	$(BIN)/python -m benchmarks.check_containers $(ARGS)
	$(BIN)/python -m benchmarks.follow_guide $(GUIDE)

check-versions: ## For maintainers: the tests at the lowest versions, and on Python 3.13 if there is one
	tests/check_versions.sh $(PYTHON)

format: $(STAMP) ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove runs, caches and the environment
	rm -rf runs examples/runs state site $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
