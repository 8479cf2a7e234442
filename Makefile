# Two commands, for good: `make run` and `make test`. Each sets up what it needs on first use.
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
READY := $(VENV)/.ready
INTEROP := tests/interop/node
INTEROP_READY := $(INTEROP)/node_modules/.ready

.PHONY: run test check setup lock clean

run: $(READY)
	@$(VENV)/bin/chappe serve --welcome

# On two processes, a file's tests on one of them: many tests share a relay, or a Node process, with their file.
test: $(READY) $(INTEROP_READY) check
	$(PY) -m pytest -n 2 --dist loadfile

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

setup: $(READY)

# Exactly what requirements.lock names, each file checked against its hash. `make lock` writes it anew.
$(READY): pyproject.toml requirements.lock
	@echo "Setting up (once): a Python environment in $(VENV)"
	@test -x $(PY) || python3 -m venv $(VENV)
	@test -x $(UV) || $(PY) -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .
	@touch $@

# ts-mls, which the interoperation tests talk to. Without Node they are skipped, and nothing else needs it.
$(INTEROP_READY): $(INTEROP)/package-lock.json $(INTEROP)/package.json
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		echo "Setting up (once): ts-mls in $(INTEROP)/node_modules, for the interoperation tests" && \
		npm ci --prefix $(INTEROP) --no-audit --no-fund --ignore-scripts --silent && touch $@; \
	else \
		echo "Node or npm is missing: the interoperation tests will be skipped"; \
	fi

lock: $(READY)
	$(UV) pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate -o requirements.lock

clean:
	rm -rf $(VENV) $(INTEROP)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
