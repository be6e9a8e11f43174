# One verb a job. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo $(CURDIR)/.uv/bin/uv)
PYTHON_VERSION ?= 3.11
PYTEST_ARGS ?=
RUN_ARGS ?=
CARGO := $(shell command -v cargo 2>/dev/null)
NATIVE_SOURCES := $(wildcard native/Cargo.toml native/pyproject.toml native/src/*.rs native/src/*/*.rs)

.PHONY: help run test lint fmt type bench soak proto clean setup lock wheel-test native kafka java

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | column -t -s "$$(printf '\t')"

$(CURDIR)/.uv/bin/uv:
	@echo 'ottery: uv is missing, installing it into .uv'
	@python3 -m venv .uv && .uv/bin/python -m pip install --quiet uv

$(VENV)/.ready: pyproject.toml requirements/dev.txt | $(filter %.uv/bin/uv,$(UV))
	@echo 'ottery: preparing $(VENV)'
	@test -x $(BIN)/python || $(UV) venv --quiet --python '>=$(PYTHON_VERSION)' $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.native: $(VENV)/.ready $(NATIVE_SOURCES)
ifneq ($(and $(CARGO),$(wildcard native/Cargo.toml)),)
	@echo 'ottery: building the compiled codec'
	@rm -rf native/target/wheels
	@$(BIN)/maturin build --quiet --release --manifest-path native/Cargo.toml --interpreter $(BIN)/python
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --reinstall native/target/wheels/*.whl
else
	@echo 'ottery: no cargo, going on with the Python codec'
endif
	@touch $@

setup: $(VENV)/.ready $(VENV)/.native ## make the environment

native: ## build the compiled codec again
	@rm -f $(VENV)/.native && $(MAKE) --no-print-directory $(VENV)/.native

run: setup ## start Ottery (RUN_ARGS="--config my.yaml")
	@exec $(BIN)/ottery run $(RUN_ARGS)

test: setup java ## run every test
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

java:
	@tests/live/kafka/install-java

kafka: setup java ## start a Kafka broker on localhost:9092 to try things with
	@exec $(BIN)/python -m tests.live.kafka.broker

lint: setup ## check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

fmt: setup ## repair style and format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

type: setup ## check types
	@$(BIN)/mypy

bench: setup ## measure CPU per span of the whole process
	@$(BIN)/python -m benchmarks

soak: setup ## ten minutes of load with faults, and a report (SOAK_SECONDS=3600 for more)
	@OTTERY_SOAK_SECONDS=$(or $(SOAK_SECONDS),600) $(BIN)/python -m pytest -s tests/live/delivery/test_soak.py

proto: setup ## check that the OTLP classes in use are those of the locked opentelemetry-proto
	@$(BIN)/python -m pytest -q tests/unit/wire/test_proto.py

lock: $(VENV)/.ready ## lock dependencies again, with hashes
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version $(PYTHON_VERSION) \
		--extra all pyproject.toml -o requirements/all.txt $(LOCK_ARGS)
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version $(PYTHON_VERSION) \
		--extra all --group dev pyproject.toml -o requirements/dev.txt $(LOCK_ARGS)

wheel-test: setup ## run the unit tests against the built wheel, from another directory
	@rm -rf build/wheel-test dist && $(UV) build --quiet --wheel --out-dir dist
	@$(UV) venv --quiet --python $(BIN)/python build/wheel-test/venv
	@$(UV) pip sync --quiet --python build/wheel-test/venv/bin/python --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python build/wheel-test/venv/bin/python --no-deps dist/*.whl
	@mkdir -p build/wheel-test/run && cp -r tests pyproject.toml build/wheel-test/run/
	@cd build/wheel-test/run && ../venv/bin/python -m pytest -q tests/unit -p no:cacheprovider

clean: ## remove everything that was built
	@rm -rf $(VENV) .uv build dist data .mypy_cache .pytest_cache .ruff_cache .hypothesis native/target
