# Every command of the project. `make` alone prints them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
GRPCURL_VERSION := v1.9.3
PROTOC_GEN_GO_VERSION := v1.36.11
PROTOC_GEN_GO_GRPC_VERSION := v1.5.1
HELM_VERSION := v3.19.5
KUBECONFORM_VERSION := v0.7.0
BIN := .venv/bin
PIP_FLAGS := --quiet --disable-pip-version-check
UV_COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
  --no-emit-package conferencing-client --upgrade

.PHONY: help run demo test clients faults deploy-check bench soak corpus bench-reading fuzz security sbom check lint format types imports protos protos-check protos-lint \
  protos-breaking protos-release floors tools lock clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# ---- What a new user runs -------------------------------------------------------------------

run: .venv/.runtime ## set up, then serve on 127.0.0.1:50051 with the embedded sandbox
	@exec $(BIN)/conferencing-service serve --sandbox

demo: .venv/.runtime ## set up, then walk through every RPC on free ports and print the traces
	@exec $(BIN)/conferencing-service demo --sandbox

test: .venv/.dev ## set up, then run the tests; those that need a missing tool are skipped by name
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),scripts/run-tests $(BIN)/python)

clients: .venv/.dev ## build the clients in TypeScript and Go and run their examples
	@$(BIN)/python -m pytest tests/other_clients $(ARGS)

faults: .venv/.dev ## the ledger's tests under faults: some minutes (LEDGER_SEED repeats a run)
	@$(BIN)/python -m pytest -s tests/ledger $(ARGS)

deploy-check: .venv/.dev ## lint the Dockerfile, render and validate the chart, run Envoy before three replicas
	@$(BIN)/python -m pytest -s tests/deploy $(ARGS)

bench: .venv/.bench ## measure the service beside its peers and write benchmarks/RESULTS.md (ARGS=--quick: see that it runs)
	@$(BIN)/python benchmarks/run.py $(ARGS)

soak: .venv/.dev ## the faults with full counts, 200,000 calls, and a minute's outage: hours
	@LEDGER_SEEDS=20000 REPLICA_KEYS=500 REPLICA_DUPLICATES=50 KILLS=200 CANCELS=1000 ROLLS=50 \
	  $(BIN)/python -m pytest -s tests/ledger $(ARGS)
	@SOAK_CALLS=200000 $(BIN)/python -m pytest -s tests/soak -k keeps_nothing $(ARGS)
	@OUTAGE_SECONDS=60 $(BIN)/python -m pytest -s tests/rpc/test_outage.py $(ARGS)

corpus: .venv/.dev ## score the reader on the corpus; fails below 100 %
	@$(BIN)/python tests/corpus/scorer.py

bench-reading: .venv/.dev ## the reader beside a loop of URL patterns (ARGS=--quick for the short form)
	@$(BIN)/python benchmarks/reading.py $(ARGS)

fuzz: .venv/.dev ## fuzz wire, vendor JSON, page tokens, reader and frames for a minute each (FUZZ_SECONDS, FUZZ_SEED)
	@export FUZZ_SECONDS=$${FUZZ_SECONDS:-60} FUZZ_SEED=$${FUZZ_SEED:-$$RANDOM$$RANDOM}; echo "FUZZ_SEED=$$FUZZ_SEED"; \
	  printf '%s\n' tests/fuzz/test_fuzz_*.py | xargs -P 3 -n 1 $(BIN)/python -m pytest -q $(ARGS)

security: .venv/.dev ## the tests of the hostile wire, and what they tried, counted (some minutes)
	@$(BIN)/python -m pytest -q -m security $(or $(ARGS),tests)

sbom: .venv/.dev ## write requirements/sbom.cdx.json, the bill of materials, out of the lock
	@$(BIN)/python scripts/bill_of_materials.py requirements/sbom.cdx.json

# ---- What CI runs ---------------------------------------------------------------------------

check: lint types imports protos-lint protos-check protos-breaking floors corpus test ## all of CI
	@$(MAKE) clients
	@$(MAKE) faults
	@$(MAKE) security ARGS=tests/soak
	@$(MAKE) deploy-check
	@$(MAKE) bench ARGS=--quick
	@$(MAKE) bench-reading ARGS=--quick
	@FUZZ_SEED=20261124 $(MAKE) fuzz

lint: .venv/.dev ## ruff, both the rules and the format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: .venv/.dev ## rewrite the Python files as `make lint` wants them
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

types: .venv/.dev ## mypy, strict
	@$(BIN)/mypy

imports: .venv/.dev ## the direction of imports
	@$(BIN)/lint-imports --cache-dir .cache/import-linter

tools: ## install what some tests need: Node, Go, grpcurl, generators, packages, PostgreSQL
	@command -v node >/dev/null && command -v npm >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; }
	@command -v go >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends golang-go; }
	@test -x .tools/bin/grpcurl || \
	  GOBIN=$(CURDIR)/.tools/bin go install github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)
	@.tools/bin/protoc-gen-go --version 2>/dev/null | grep -qwF '$(PROTOC_GEN_GO_VERSION:v%=%)' || \
	  GOBIN=$(CURDIR)/.tools/bin go install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION)
	@.tools/bin/protoc-gen-go-grpc --version 2>/dev/null | grep -qwF '$(PROTOC_GEN_GO_GRPC_VERSION:v%=%)' || \
	  GOBIN=$(CURDIR)/.tools/bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC_VERSION)
	@.tools/bin/helm version --short 2>/dev/null | grep -qF '$(HELM_VERSION)' || \
	  GOBIN=$(CURDIR)/.tools/bin go install -ldflags '-s -w -X helm.sh/helm/v3/internal/version.version=$(HELM_VERSION)' \
	    helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	@test -x .tools/bin/kubeconform || \
	  GOBIN=$(CURDIR)/.tools/bin go install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)
	@cd clients/go && go build ./...
	@command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; }
	@missing=; \
	for pair in nginx:nginx h2load:nghttp2-client promtool:prometheus chromium:chromium chromedriver:chromium-driver; do \
	  command -v $${pair%%:*} >/dev/null || ls /usr/sbin/$${pair%%:*} >/dev/null 2>&1 || missing+=" $${pair##*:}"; \
	done; \
	test -z "$$missing" || \
	  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }
	@npm ci --prefix tests/sandbox/node --no-audit --no-fund --loglevel=error
	@npm ci --prefix clients/typescript --no-audit --no-fund --loglevel=error

# ---- The contract ---------------------------------------------------------------------------

protos: .venv-protos/.done .venv/.dev ## generate the stubs in Python, TypeScript and Go, and the reference, out of protos/
	@scripts/generate-stubs .venv-protos/bin/python clients/python
	@echo "generated clients/python/conferencing/v1"
	@scripts/generate-clients .venv-protos/bin/python clients
	@scripts/generate-reference .venv-protos/bin/python docs/reference.md
	@echo "generated docs/reference.md"

protos-check: .venv-protos/.done .venv/.dev ## fail if the committed stubs and reference are not what protos/ generates
	@rm -rf build/stubs build/clients && mkdir -p build/stubs
	@scripts/generate-stubs .venv-protos/bin/python build/stubs
	@diff -r -x __pycache__ build/stubs/conferencing/v1 clients/python/conferencing/v1 && \
	  echo "the committed stubs in Python are fresh"
	@scripts/generate-clients .venv-protos/bin/python build/clients
	@for stubs in typescript/src/gen go/conferencing/v1; do \
	  test -d build/clients/$$stubs || continue; \
	  diff -r build/clients/$$stubs clients/$$stubs || exit 1; \
	  echo "clients/$$stubs is fresh"; \
	done
	@scripts/generate-reference .venv-protos/bin/python build/reference.md
	@diff build/reference.md docs/reference.md && echo "docs/reference.md is fresh"

protos-lint: .venv/.dev build/conferencing.binpb ## buf lint (STANDARD, COMMENTS) and format
	@$(BIN)/buf lint build/conferencing.binpb --path conferencing/v1 --config protos/buf.yaml
	@$(BIN)/buf format --diff --exit-code protos

protos-breaking: .venv/.dev build/conferencing.binpb ## buf breaking against the released contract
	@$(BIN)/buf breaking build/conferencing.binpb --against protos/baseline.binpb \
	  --path conferencing/v1 --config protos/buf.yaml && echo "nothing breaks the released contract"

protos-release: build/conferencing.binpb ## make today's contract the released one (see CHANGELOG.md)
	@cp build/conferencing.binpb protos/baseline.binpb

build/conferencing.binpb: .venv-protos/.done $(wildcard protos/conferencing/v1/*.proto)
	@mkdir -p build && scripts/contract-image .venv-protos/bin/python protos $@

floors: ## the stubs at the oldest, a middle and the newest protobuf and grpcio
	@$(PYTHON) scripts/check_floors.py

# ---- Environments ---------------------------------------------------------------------------

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "python3 -m venv does not work here: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv .venv && touch $@

.venv/.runtime: .venv/.made requirements/runtime.txt pyproject.toml clients/python/pyproject.toml
	@echo "installing the server's packages into .venv (once)"
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@echo "installing the tests' packages into .venv (once)"
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/dev.txt
	@touch $@

.venv-protos/.done: requirements/protos.txt
	@$(PYTHON) -m venv .venv-protos
	@.venv-protos/bin/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/protos.txt
	@touch $@

.venv/.bench: .venv/.dev requirements/bench.txt
	@echo "installing what the service is measured beside into .venv (once)"
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes -r requirements/bench.txt
	@touch $@

lock: ## refresh requirements/*.txt (hashes, no addresses)
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock; .venv-lock/bin/pip install $(PIP_FLAGS) uv; }
	@$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/runtime.txt
	@$(UV_COMPILE) pyproject.toml requirements/build.in --group dev -c requirements/runtime.txt -o requirements/dev.txt
	@$(UV_COMPILE) pyproject.toml requirements/build.in --group dev --group bench -c requirements/dev.txt -o requirements/bench.txt
	@$(UV_COMPILE) --group protos -o requirements/protos.txt
	@echo "now: make sbom"

clean: ## remove everything that the commands above made
	@rm -rf .venv .venv-protos .venv-lock .venv-floors .tools .cache build .data tests/sandbox/node/node_modules \
	  clients/typescript/{node_modules,dist,build}
