# Every target does its own set-up in VENV, once.
VENV ?= .venv
# Empty: the newest suitable Python of this machine.
PYTHON ?=

CONFIG ?= configs/fashion_mnist/compare.py
OUTPUT ?= runs/compare
# Generated cases of make oracles for each family of ops.
CASES ?= 200
ARGS ?=

run = "$(VENV)/bin/python" -m

ORACLES_VENV ?= .venv-oracles
DOCS_VENV ?= .venv-docs

.PHONY: help setup compare test docs oracles torture lint format clean

help:
	@echo 'make compare   compare pooling strategies on Fashion-MNIST; the report goes to $(OUTPUT)'
	@echo '               CONFIG=FILE OUTPUT=FOLDER ARGS="overrides, or --help"'
	@echo 'make test      format, lint and type checks, then all tests'
	@echo 'make oracles   all ops against loops and against torch, kornia and antialiased-cnns,'
	@echo '               in $(ORACLES_VENV), CASES=2000 for the long form'
	@echo 'make docs      the documentation, into docs/_build/html'
	@echo 'make torture   kills, torn writes, failing disks and damaged files, for about half an hour'
	@echo '               ARGS="--seconds 600 --json FILE, or --help"; needs a C compiler'
	@echo 'make lint      the checks alone'
	@echo 'make format    format the code and repair what the linter can'
	@echo 'make setup     only set up $(VENV)'
	@echo 'make clean     remove the virtual environments and caches; runs/ and data/ stay'
	@echo 'VENV=FOLDER and PYTHON=PATH choose the virtual environment and its Python.'

setup:
	@.ci/setup "$(VENV)" "$(PYTHON)"

compare: setup
	@$(run) experiments.compare_pooling $(CONFIG) --output "$(OUTPUT)" $(ARGS)

lint: setup
	$(run) ruff format --check .
	$(run) ruff check .
	$(run) basedpyright --pythonpath "$(VENV)/bin/python"

# Two processes, because compilation keeps one core busy; each takes whole files, in their order.
test: lint
	$(run) pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# All ops on many more generated cases, and beside torch, kornia and antialiased-cnns.
oracles:
	@.ci/setup "$(ORACLES_VENV)" "$(PYTHON)" oracles
	CNN_JAX_CASES=$(CASES) "$(ORACLES_VENV)/bin/python" -m pytest -n 2 -m generated tests/ops tests/peers
	"$(ORACLES_VENV)/bin/python" -m pytest -n 2 -m "not generated" tests/peers

# Warnings are errors.
docs:
	@.ci/setup "$(DOCS_VENV)" "$(PYTHON)" docs
	"$(DOCS_VENV)/bin/python" -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

# Not part of the tests: every file event of a small comparison disturbed, every file of it damaged.
torture: setup
	$(run) tests.torture $(ARGS)

format: setup
	$(run) ruff check --fix .
	$(run) ruff format .

clean:
	rm -rf .venv .venv-newest .venv-oracles .venv-docs docs/_build docs/_generated build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
