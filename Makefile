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
NATIVE_SOURCES := $(wildcard native/Cargo.toml native/pyproject.toml native/*.pyi native/src/*.rs native/src/*/*.rs)
CARGO_NATIVE := $(CARGO) --quiet
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_SECONDS ?= 6

.PHONY: help run test lint fmt type bench soak proto clean setup lock wheel-test native native-test native-lint fuzz sanitize valgrind kafka java

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

ifneq ($(CARGO),)
native-test: ## run the tests of the compiled codec that need no Python
	@cd native && $(CARGO_NATIVE) test --no-default-features

native-lint: ## check style and format of the compiled codec
	@cd native && $(CARGO) fmt --check
	@cd native && $(CARGO_NATIVE) clippy --all-targets -- -D warnings

fuzz: ## feed the compiled codec with mutated requests under the address sanitizer (FUZZ_SECONDS=6 for each target)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) native/fuzz/run

sanitize: ## run the tests of the compiled codec that need no Python under the address sanitizer
	@cd native && RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address $(CARGO_NATIVE) test --no-default-features --lib \
		--target $(HOST) --target-dir target/sanitize

valgrind: ## run the tests of the compiled codec that need no Python under valgrind
	@cd native && $(CARGO_NATIVE) test --no-default-features --lib \
		--config "target.'cfg(all())'.runner = 'valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite'" \
		-- --skip census --test-threads=1
else
native-test native-lint fuzz sanitize valgrind:
	@echo 'ottery: no cargo, leaving out $@'
endif

run: setup ## start Ottery (RUN_ARGS="--config my.yaml")
	@exec $(BIN)/ottery run $(RUN_ARGS)

test: setup java native-test ## run every test
	@OTTERY_REQUIRE_NATIVE=$(if $(CARGO),1) $(BIN)/python -m pytest $(PYTEST_ARGS)

java:
	@tests/live/kafka/install-java

kafka: setup java ## start a Kafka broker on localhost:9092 to try things with
	@exec $(BIN)/python -m tests.live.kafka.broker

lint: setup native-lint ## check style and format
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
	@rm -rf $(VENV) .uv build dist data .mypy_cache .pytest_cache .ruff_cache .hypothesis native/target native/fuzz/target
