# Two commands for a newcomer: `make demo` and `make test`. Each does its own set-up into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: setup demo test bench soak lint lock peers clean
.DELETE_ON_ERROR:

## setup: the environment the product runs in
setup: $(VENV)/.runtime

## demo: a node and a downstream PACS; a raw scan becomes images in the PACS
demo: $(VENV)/.runtime
	$(BIN)/python -m gateway.demo --out demo-output

## test: checks and tests, with Debian's DICOM and MRD programs as peers
test: $(VENV)/.dev peers lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not soak" $(ARGS)

## soak: the long runs (kill -9 by the hundred, fuzzing); GATEWAY_TEST_SEED repeats one, by the seed that it printed
soak: $(VENV)/.dev peers
	$(BIN)/python -m pytest -s -m soak $(ARGS)

## bench: this node and its peers, side by side in one run
bench: $(VENV)/.dev peers
	$(BIN)/python -m benchmarks --json bench.json $(ARGS)

## lint: ruff, mypy strict, import-linter
lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## lock: resolve the dependencies again (needs uv); records versions and hashes, no addresses
LOCK := uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links --python-version 3.11
lock:
	echo hatchling | $(LOCK) -o requirements/runtime.lock pyproject.toml -
	echo hatchling | $(LOCK) --group dev --all-extras -o requirements/dev.lock pyproject.toml -

peers:
	@sh tests/interop/install-peers.sh

clean:
	rm -rf $(VENV) dist build demo-output

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/runtime.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@
