# Every target makes .venv when it is missing or stale: nothing else is needed but Python >= 3.11,
# its venv module and make.
#   PIP_ARGS    further options of pip install: another index, a CPU-only torch
#   VENV_ARGS   options of python -m venv: --system-site-packages uses the torch that is there
#   SERVE_ARGS  further options of sweep serve: --port 8123
#   TEST_ARGS   further options of pytest: -p randomly runs the tests in a random order
STUDY ?= studies/digits-l2.yaml
PYTHON ?= python3
PIP_ARGS ?=
VENV_ARGS ?=
SERVE_ARGS ?=
TEST_ARGS ?=
BIN := .venv/bin
FIRST := --set study_name=first --set replicates.n_folds=4

# Else each of the many processes of the tests would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help sweep dashboard export serve test check bench bench-gpu clean dev

help: ## list the targets
	@echo "make TARGET [STUDY=$(STUDY)] [PYTHON=$(PYTHON)] [PIP_ARGS=...] [VENV_ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

sweep: .venv/ready ## run STUDY, or go on with it
	@$(BIN)/sweep run $(STUDY)

dashboard: .venv/ready ## browse the studies in optuna-dashboard
	@$(BIN)/sweep dashboard

export: .venv/ready ## write the strength that STUDY found to a config
	@$(BIN)/sweep export $(STUDY)

serve: .venv/ready-service ## take studies in the browser, on this machine alone
	@test -f studies/out/service.db || { echo "running a first study (once)"; \
	  $(BIN)/sweep jobs add studies/digits-l2.yaml $(FIRST) >/dev/null && $(BIN)/sweep jobs work --until-done; }
	@$(BIN)/sweep serve --auth none $(SERVE_ARGS)

test: .venv/ready-dev ## run the fast tests, in two processes
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TEST_ARGS)

check: .venv/ready-dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/ready-dev ## measure speed, beside other programs
	@$(BIN)/python -m tests.benchmarks
	@$(BIN)/python -m tests.benchmarks.floor
	@$(BIN)/python -m tests.benchmarks.growth
	@$(BIN)/python -m tests.benchmarks.widths
	@$(BIN)/python -m tests.benchmarks.storage

bench-gpu: ## measure speed on a GPU
	@$(PYTHON) -m tests.benchmarks.gpu

clean: ## remove .venv and what tools left behind; studies stay
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

dev: .venv/ready-dev ## install what tests need

# With --system-site-packages the pin of torch is left out: the torch that is there serves.
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python must be 3.11 or newer, got $$($(PYTHON) --version 2>&1). Set PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "make: $(PYTHON) must have its venv module. On Debian: apt install python3-venv"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV_ARGS) .venv
	@case "$(VENV_ARGS)" in \
	  *--system-site-packages*) grep -v '^torch==' constraints.txt > .venv/constraints.txt ;; \
	  *) cp constraints.txt .venv/constraints.txt ;; esac
	@echo "installing into .venv (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c .venv/constraints.txt $(PIP_ARGS) -e '.[mnist]'
	@touch $@

.venv/ready-service: .venv/ready
	@echo "installing what the service needs (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c .venv/constraints.txt $(PIP_ARGS) -e '.[service]'
	@touch $@

.venv/ready-dev: .venv/ready
	@echo "installing what tests need (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c .venv/constraints.txt $(PIP_ARGS) -e '.[dev]'
	@touch $@
