# The only entry point: what a person types and what CI runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
URL ?= http://$(or $(HOST),127.0.0.1):$(or $(PORT),8000)
# Where the model page finds the last score and load: see gateway.reports_folder.
REPORTS ?= $(or $(XDG_STATE_HOME),$(HOME)/.local/state)/qwen3-vl-serving
# Node.js from elsewhere brings npm along, and Debian's would not install beside it.
DEB_PACKAGES = git make curl python3-venv postgresql openssl prometheus chromium $(if $(shell command -v npm),,nodejs npm)
# What `make load` hands on, where it is given on the command line.
LOAD := SCENARIO RATE USERS DURATION DRAIN SLO KEY_FILE SEED MAX_USD MAX_REQUESTS WORKERS METRICS OUT
# Files beside each other, the tests of one in one process: they share gateways. The fuzzer's
# plugin serves tests/engine alone and costs every process a second.
NO_ENGINE := --ignore=tests/engine --ignore=tests/prove -n auto --dist loadfile -p no:schemathesis

.PHONY: help serve doctor score verify load bench-gpu check test-chart test chaos prove format train contracts images vllm clean ci-deps
.PHONY: setup setup-dev setup-check setup-prove

help: ## Show this page.
	@echo "Qwen3-VL on vLLM: 'make serve' starts it, 'make test' checks it."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings for one call: HOST, PORT, ADMIN_PORT, PROFILE, MODEL (MODEL=tiny forces the"
	@echo "  toy model), V=1 shows the engine's own output. All others: $(BIN)/python -m serving settings"

serve: setup ## Set up what is missing and serve on 127.0.0.1:8000.
	@exec $(BIN)/python -m serving up $(if $(V),-v)

doctor: setup ## Say in one page what this machine can serve.
	@$(BIN)/python -m serving doctor

score: setup ## Examine the running endpoint: share of right answers for each task.
	@$(BIN)/python -m serving.tiny_model.score $(URL) --out $(REPORTS)/score.json $(ARGS)

verify: setup ## Check the running endpoint from outside: 61 questions with known answers.
	@$(BIN)/python -m serving verify $(URL) $(ARGS)

load: setup-dev ## Load the running endpoint, judge it, write the report.
	@$(BIN)/python -m loadtests run $(URL) $(foreach name,$(LOAD),$(if \
	  $(filter command,$(origin $(name))),--$(name) '$($(name))')) --report $(REPORTS)/load.json $(ARGS)

bench-gpu: setup-dev ## Measure the curve of this machine's GPU in 25 steps; goes on where it stopped.
	@$(BIN)/python -m deploy.benchmarks.gpu_curve $(ARGS)

check: setup-check ## Lint, types, unit, property and contract tests; no engine.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q $(NO_ENGINE)

test-chart: setup-check ## The Helm chart alone, by Helm 3 and 4; no cluster. Part of check.
	$(BIN)/pytest -q tests/helm -n auto --dist loadfile -p no:schemathesis

test: check ## All of check, then everything on the real engine with the tiny model.
	$(BIN)/pytest -q tests/engine

chaos: setup-dev ## Overload, drain, kill, hang, attack and soak it for an hour; fills README's table.
	$(BIN)/python -m tests.chaos $(CHAOS)

prove: setup-prove ## Long experiments: thousands of examples, more clients, two minutes of training.
	HYPOTHESIS_PROFILE=long $(BIN)/pytest -q $(NO_ENGINE)
	HYPOTHESIS_PROFILE=long $(BIN)/pytest -q tests/engine/test_fuzz.py
	$(BIN)/pytest -q tests/prove
	$(MAKE) chaos
	rm -rf runs/proof && $(BIN)/python -m serving.tiny_model.training --minutes 2 --out runs/proof

format: setup-dev ## Let ruff rewrite the sources.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: setup ## Train the tiny model into runs/tiny (hours; goes on where it stopped).
	$(BIN)/python -m serving.tiny_model.training --out runs/tiny

contracts: setup ## Write lists of flags, parameters, metrics, dashboards and the chart's schema anew.
	$(BIN)/python tests/contracts/vllm_parser.py
	$(BIN)/python tests/contracts/parameter_table.py
	$(BIN)/python tests/contracts/metric_list.py
	$(BIN)/python -m deploy.dashboards
	$(BIN)/python -m deploy.chart

images: ## Build the images with docker buildx; REGISTRY=… pushes them.
	@$(PYTHON) deploy/images/build.py $(if $(REGISTRY),--registry '$(REGISTRY)')

vllm: setup-dev ## Renew all that is pinned to vLLM's version: VERSION=x, ARGS=--dry-run shows it.
	@$(BIN)/python -m deploy.vllm_upgrade $(VERSION) $(ARGS)

clean: ## Remove the virtual environment and caches.
	rm -rf .venv tests/clients-node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

ci-deps: ## Install the system packages that the tests need (root, Debian).
	@dpkg -s $(DEB_PACKAGES) >/dev/null 2>&1 || \
	  (apt-get update -q && apt-get install -qy --no-install-recommends $(DEB_PACKAGES))

setup:
	@$(PYTHON) deploy/setup.py engine

setup-dev setup-check setup-prove: setup-%:
	@$(PYTHON) deploy/setup.py $*
