# The two commands of this project: `make demo` and `make test`. Everything else serves them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Not asked of us: 114 and 128 do not see that `run` hands its task_status on; 124 is about
# callbacks that do not wait; ruff has 109 and 110.
NOT_ASYNC := ASYNC109,ASYNC110,ASYNC114,ASYNC124,ASYNC128

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

tests: $(VENV)/.installed
	$(BIN)/python -m pytest

bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python -m benchmarks

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[cli]' --group dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
