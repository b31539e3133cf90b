# make run    a made-up practice in your browser        make check   lint, types, imports, sizes
# make test   the whole suite, with all it needs        make lock    new exact versions and hashes
# Options go into ARGS: make run ARGS="--port 8080"    make test ARGS="tests/portal"
.DEFAULT_GOAL := run
.PHONY: run test check lock install clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

run: $(STAMP)
	@$(BIN)/python -m recare demo $(ARGS)

install: $(STAMP)

# The stamp is newer than the lock once everything is in place, so that a second make is instant.
$(STAMP): requirements.lock pyproject.toml .ci/install
	@PYTHON="$(PYTHON)" .ci/install $(VENV)
	@touch $(STAMP)

test: $(STAMP)
	@RECARE_CHROMIUM="$$(.ci/chromium $(VENV))" && export RECARE_CHROMIUM \
	  && echo "Browser: $$RECARE_CHROMIUM" \
	  && $(BIN)/python -m pytest -n 2 $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/walls/test_sizes.py

lock:
	@PYTHON="$(PYTHON)" .ci/lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
