# make run [PORT=9000]   run Gangway on this machine
# make test              run the unit tests, as CI does
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
WITH_SERVERS := tests/interop tests/scenarios/test_concurrency.py
RATIOS := tests/interop/test_bench_parts.py

.PHONY: run test test-all nightly drills fresh screenshots check format lock audit bench mutants dev suites
.DEFAULT_GOAL := run

# Without stored bytecode, each process of the tests and of the product compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

run:  ## Install missing packages, then serve on http://127.0.0.1:$(PORT) until Ctrl-C.
	@$(PYTHON) -I config/bootstrap.py && exec $(BIN)/python -m config.run --port $(PORT)

dev:  # Install the packages for tests and checks.
	@$(PYTHON) -I config/bootstrap.py --dev

suites: dev  # Download published test data and verify its hash.
	@$(BIN)/python -m tests.suites >/dev/null

test: suites  ## Run the unit tests on two cores and print the three slowest.
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

test-all: suites  ## Run the unit tests, then the scenarios, then the tests with real servers and in Chromium.
	@$(BIN)/python -m pytest -q -n 2 --migrations --create-db --reuse-db $(UNIT_ARGS) $(ARGS)
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "slow and not interop and not nightly" --migrations --reuse-db $(ARGS)
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "interop and not nightly" --migrations --reuse-db $(WITH_SERVERS) --ignore=$(RATIOS) $(ARGS)
	@$(BIN)/python -m pytest -q -n 1 -m "interop and not nightly" $(RATIOS) $(ARGS)  # separate: other work changes its ratios
	@$(BIN)/python -m pytest -q -n 2 -m "browser and not nightly" --migrations --reuse-db tests/browser $(ARGS)  # separate: Chromium breaks off its connections when an address appears

nightly: suites fresh  ## Run fresh, the long drills, full matrices and soaks, then the mutation tests. Takes hours.
	@env -u DATABASE_URL -u CELERY_BROKER_URL $(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "slow and not interop and not nightly" $(ARGS)
	@$(BIN)/python -m pytest -q -m "nightly and not browser" --migrations $(ARGS)
	@$(BIN)/python -m pytest -q -m "nightly and browser" --migrations $(ARGS)
	@$(BIN)/python -m tests.mutants

drills: suites  ## Kill each process of the whole product and print the seconds until work is normal. As root.
	@$(BIN)/python -m pytest -q -s -m "slow or nightly" tests/drills $(ARGS)

fresh:  ## Run Gangway and its tests in clean roots of Debian 12, Debian 13 and Ubuntu 24.04. Requires root.
	@$(PYTHON) -m tests.fresh $(ARGS)

screenshots: suites  ## Store pictures of the main pages in var/screenshots; ARGS=--accept-pictures accepts them.
	@$(BIN)/python -m pytest -q -m "browser" tests/browser/test_pictures.py $(ARGS)

mutants: suites  ## Run the mutation tests of the safety modules; one of them with ARGS=settling.
	@$(BIN)/python -m tests.mutants $(ARGS)

check: dev  ## Check format, lint, types, imports, templates, migrations, deployment settings.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/djangofmt --quiet --check templates
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@SECRET_KEY=$$($(PYTHON) -c "import secrets; print(secrets.token_hex(40))") DEBUG=off \
		ALLOWED_HOSTS=gangway.example $(BIN)/python manage.py check --deploy --fail-level WARNING

format: dev  ## Format Python and templates.
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/djangofmt --quiet templates

lock:  ## Resolve requirements*.in into the hash-locked requirements*.txt, with uv from a temporary environment.
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools" && "$$tools/bin/pip" install --quiet uv; \
	lock="$$tools/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-emit-find-links"; \
	$$lock requirements.in -o requirements.txt; \
	$$lock requirements-dev.in -c requirements.txt -o requirements-dev.txt

bench: dev  ## Measure the requirements of docs/topics/performance.md; one part with ARGS="recording --size 200".
	@$(BIN)/python -m tests.bench $(ARGS)

audit:  ## List known vulnerabilities of the dependencies. Warns only: its service may be unavailable.
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	{ $(PYTHON) -m venv "$$tools" && "$$tools/bin/pip" install --quiet --disable-pip-version-check pip-audit \
		&& "$$tools/bin/pip-audit" --progress-spinner off --require-hashes --disable-pip -r requirements.txt; } \
	|| echo "WARNING: the audit found a vulnerability, or it could not run."
