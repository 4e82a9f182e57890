# Each target does all of its own set-up on a machine with Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SUPPLY := .cache/supply
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo desk screenshots test check sbom wheel words bench soak lock clean

demo: $(VENV)/.base ## the whole job on an invented practice, nothing to configure
	$(BIN)/handrail demo

desk: $(VENV)/.base ## the same, then the desk on it in your browser, until Ctrl-C
	$(BIN)/handrail demo --serve

screenshots: $(VENV)/.test ## the pictures of docs/desk.md, from the demo (needs Chromium)
	$(BIN)/python -m tests.web.screenshots

# A file's tests stay with one worker: they share what is slow to make, such as a year of a practice.
test: $(VENV)/.test ## all tests, the real servers among them, on up to four processors
	$(BIN)/python -m tests.peers.install --all
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: $(VENV)/.test $(SUPPLY)/.done ## lint, types of all (tests, benchmarks), directions, licences, known holes in what is pinned
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.typecheck
	$(BIN)/python -m pytest -q tests/test_layout.py
	$(BIN)/python -m tests.supply.licences
	$(BIN)/python -m tests.supply.holes

sbom: $(SUPPLY)/.done ## the bill of materials of what a practice installs (CycloneDX), build/handrail.cdx.json
	mkdir -p build
	$(SUPPLY)/bin/cyclonedx-py requirements requirements/base.lock --output-reproducible -o build/handrail.cdx.json

wheel: $(VENV)/.base ## the wheel, the same bytes from the same source, build/wheel/
	rm -rf build/lib build/bdist.*
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(PIP) wheel --no-deps --no-build-isolation -w build/wheel .

words: $(VENV)/.test ## message catalogues: extract, update, compile; fails while a translation is missing
	$(BIN)/python -m tests.words.catalogue

bench: $(VENV)/.test ## figures beside their baselines, same run
	$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

soak: $(VENV)/.test ## long runs with faults by a seed, some hours; nothing may be lost or doubled
	$(BIN)/python -m tests.peers.install --all
	$(BIN)/python -m tests.soak connection
	$(BIN)/python -m tests.soak database
	$(BIN)/python -m tests.soak fuzz
	$(BIN)/python -m tests.protections

lock: ## renew the locked versions (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra web setup.cfg requirements/build.in -o requirements/base.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra web --extra test setup.cfg requirements/build.in -o requirements/test.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements/supply.in -o requirements/supply.lock

clean:
	rm -rf $(VENV) build .cache .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Handrail needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: requirements/base.lock setup.cfg | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/base.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.lock setup.cfg | $(VENV)/bin/python
	$(PIP) install --require-hashes -r requirements/test.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.base

$(SUPPLY)/.done: requirements/supply.lock | $(VENV)/bin/python
	$(BIN)/python -m venv --clear $(SUPPLY)
	$(SUPPLY)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/supply.lock
	@touch $@
