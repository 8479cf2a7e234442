# Two commands, for good: `make run` and `make test`. Each sets up what it needs on first use.
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
READY := $(VENV)/.ready
INTEROP := tests/interop/node
INTEROP_READY := $(INTEROP)/node_modules/.ready

PHONE := web/phone
PHONE_READY := $(PHONE)/node_modules/.ready
PHONE_BUILT := $(PHONE)/dist/release.json
PHONE_PARTS := $(shell find $(PHONE)/src $(PHONE)/public $(PHONE)/build -type f) \
	$(PHONE)/index.html $(PHONE)/vite.config.ts

PAGES_CHECKED := $(VENV)/pages-checked.txt

CONSOLE := web/console
CONSOLE_READY := $(CONSOLE)/node_modules/.ready
CONSOLE_BUILT := $(CONSOLE)/dist/index.html
CONSOLE_PARTS := $(shell find $(CONSOLE)/src $(CONSOLE)/public $(CONSOLE)/build -type f) \
	$(CONSOLE)/index.html $(CONSOLE)/vite.config.ts

.PHONY: run test check collect setup phone check-phone check-console lock clean

run: $(READY) $(PHONE_BUILT)
	@$(VENV)/bin/chappe serve --welcome

# The checks; then the tests on five processes, since many wait, a file's tests on one of them: they share a relay, or
# a Node process, with their file. In the order of tests/conftest.py, the longest files first. Beside them the pages'
# own checks and tests, shown at the end; what pytest runs of these, with a relay, is not run a second time. What
# hangs is ended: these by `timeout`, the others by tests/patience.py.
# Collected once before, so that what pytest makes of the tests' modules is there for all five.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY) $(INTEROP_READY) $(PHONE_BUILT) $(CONSOLE_BUILT)
	@$(MAKE) --no-print-directory -j 2 --output-sync=target check collect
	@timeout 1200 $(MAKE) --no-print-directory check-phone check-console >$(PAGES_CHECKED) 2>&1 \
		PHONE_OPTIONS="-- --exclude 'tests/client/{session,files,relay,opfs}.test.ts'" & pages=$$!; \
	$(PY) -m pytest -n 5 --dist loadfile --no-loadscope-reorder; tests=$$?; \
	wait $$pages; pages=$$?; cat $(PAGES_CHECKED); exit $$((tests + pages))

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# What cannot be collected is told by the tests themselves.
collect: $(READY)
	@$(PY) -m compileall -q src tests bench
	@$(PY) -m pytest --collect-only -q >/dev/null || true

# The phone's own checks and tests. Without Node there is nothing to check with.
check-phone: $(PHONE_BUILT)
	@if test -e $(PHONE_READY); then cd $(PHONE) && npm run --silent check && npm run --silent test $(PHONE_OPTIONS); fi

check-console: $(CONSOLE_BUILT)
	@if test -e $(CONSOLE_READY); then cd $(CONSOLE) && npm run --silent check && npm run --silent test; fi

setup: $(READY)

# The pages that the relay serves: the phone's at `/`, and the console's at `/console/`. They are one release.
phone: $(PHONE_BUILT)

# Exactly what requirements.lock names, each file checked against its hash. `make lock` writes it anew.
$(READY): pyproject.toml requirements.lock
	@echo "Setting up (once): a Python environment in $(VENV)"
	@test -x $(PY) || python3 -m venv $(VENV)
	@test -x $(UV) || $(PY) -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .
	@$(PY) -m compileall -q src
	@touch $@

# ts-mls, which the interoperation tests talk to. Without Node they are skipped, and nothing else needs it.
$(INTEROP_READY): $(INTEROP)/package-lock.json $(INTEROP)/package.json
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		echo "Setting up (once): ts-mls in $(INTEROP)/node_modules, for the interoperation tests" && \
		npm ci --prefix $(INTEROP) --no-audit --no-fund --ignore-scripts --silent && touch $@; \
	else \
		echo "Node or npm is missing: the interoperation tests will be skipped"; \
	fi

$(PHONE_READY): $(PHONE)/package-lock.json $(PHONE)/package.json
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		echo "Setting up (once): what builds the phone's page, in $(PHONE)/node_modules" && \
		npm ci --prefix $(PHONE) --no-audit --no-fund --ignore-scripts --silent && touch $@; \
	else \
		echo "Node or npm is missing: the phone's page is not built; the relay serves one that says how"; \
	fi

$(CONSOLE_READY): $(CONSOLE)/package-lock.json $(CONSOLE)/package.json
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		echo "Setting up (once): what builds the console, in $(CONSOLE)/node_modules" && \
		npm ci --prefix $(CONSOLE) --no-audit --no-fund --ignore-scripts --silent && touch $@; \
	fi

# It takes parts of the phone's page, and their packages from there.
$(CONSOLE_BUILT): $(CONSOLE_READY) $(PHONE_READY) $(CONSOLE_PARTS) $(PHONE_PARTS)
	@if test -e $(CONSOLE_READY) && test -e $(PHONE_READY); then \
		echo "Building the console (once)" && npm run --prefix $(CONSOLE) --silent build -- --logLevel warn; \
	fi

$(PHONE_BUILT): $(PHONE_READY) $(PHONE_PARTS) $(CONSOLE_BUILT)
	@if test -e $(PHONE_READY); then \
		echo "Building the phone's page (once)" && npm run --prefix $(PHONE) --silent build -- --logLevel warn; \
	fi

lock: $(READY)
	$(UV) pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -o requirements.lock
	$(UV) pip compile --quiet pyproject.toml --extra traces --extra dossier --universal --python-version 3.11 \
		--constraints requirements.lock --generate-hashes --no-header --no-annotate -o deploy/container/requirements.lock

clean:
	rm -rf $(VENV) $(INTEROP)/node_modules $(PHONE)/node_modules $(PHONE)/dist $(CONSOLE)/node_modules $(CONSOLE)/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
