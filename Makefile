# The two commands of this project: `make demo` and `make test`. Everything else serves them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Not asked of us: 114 and 128 do not see that `run` hands its task_status on; 124 is about
# callbacks that do not wait; ruff has 109 and 110.
NOT_ASYNC := ASYNC109,ASYNC110,ASYNC114,ASYNC124,ASYNC128

TWINS := tests/test_frames.py tests/test_router.py tests/test_handler_shapes.py tests/exchanges \
	tests/transport/test_tls.py tests/transport/test_tls_records.py

.PHONY: demo test lint types tests bench clean

demo: $(VENV)/.installed
	$(BIN)/trioex demo

test: lint types tests

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/flake8-async --enable=ASYNC1,ASYNC2,ASYNC3 --disable=$(NOT_ASYNC) $$(find trioex tests examples benchmarks tools -name '*.py')

types: $(VENV)/.installed
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# First what has a twin in C, without it; then everything, with it where there is a compiler.
tests: $(VENV)/.installed
	TRIOEX_PURE=1 $(BIN)/python -m pytest --quiet $(TWINS)
	$(BIN)/python -m pytest

bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m benchmarks

$(VENV)/.installed: pyproject.toml setup.py trioex/_speedups.c
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[cli]' --group dev
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f trioex/_speedups.*.so
