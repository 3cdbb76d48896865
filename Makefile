# make run [PORT=9000]   the product on this machine, in one command
# make test              the unit tests, as CI runs them
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test test-all mutants check format lock audit bench dev suites
.DEFAULT_GOAL := run

run:  ## Install what is missing, then serve on http://127.0.0.1:$(PORT) until Ctrl-C.
	@$(PYTHON) -I config/bootstrap.py && exec $(BIN)/python -m config.run --port $(PORT)

dev:  # What tests and checks need.
	@$(PYTHON) -I config/bootstrap.py --dev

suites: dev  # Published test data, checked by hash.
	@$(BIN)/python -m tests.suites >/dev/null

test: suites  ## The unit tests on both cores; the three slowest are printed.
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

test-all: suites  ## Everything: the unit tests, then those against real servers and in Chromium.
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)
	@$(BIN)/python -m pytest -q -m "interop or slow" $(ARGS)
	@$(BIN)/python -m pytest -q -m browser $(ARGS)  # apart: Playwright keeps an event loop running

mutants: suites  ## Mutation tests of the safety modules; one of them with ARGS=settling.
	@$(BIN)/python -m tests.mutants $(ARGS)

check: dev  ## Format, lint, types, import borders, templates, migrations, deployment settings.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/djangofmt --quiet --check templates
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@SECRET_KEY=$$($(PYTHON) -c "import secrets; print(secrets.token_hex(40))") DEBUG=off \
		ALLOWED_HOSTS=gangway.example $(BIN)/python manage.py check --deploy --fail-level WARNING

format: dev  ## Put Python and templates into our format.
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/djangofmt --quiet templates

lock:  ## Resolve requirements*.in into the hash-locked requirements*.txt, with uv from a throw-away environment.
	@set -e; tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(PYTHON) -m venv "$$tools" && "$$tools/bin/pip" install --quiet uv; \
	lock="$$tools/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-emit-find-links"; \
	$$lock requirements.in -o requirements.txt; \
	$$lock requirements-dev.in -c requirements.txt -o requirements-dev.txt

bench: dev  ## The engine against checkdmarc and against bare datagrams, on loopback; see docs/performance.md.
	@$(BIN)/python -m tests.bench $(ARGS)

audit:  ## Known holes in what we depend on. Warns and never fails: its service may be out of reach.
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	{ $(PYTHON) -m venv "$$tools" && "$$tools/bin/pip" install --quiet --disable-pip-version-check pip-audit \
		&& "$$tools/bin/pip-audit" --progress-spinner off --require-hashes --disable-pip -r requirements.txt; } \
	|| echo "WARNING: the audit above found something, or could not be made."
