# Everything a newcomer runs. Needs a Python 3.11, 3.12 or 3.13 and make; `make` alone says what there is.
# `uv` is used where it is installed, and brought into .venv where it is not. What is built is stamped: a second run
# installs nothing.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .venv/bin/uv)
RUN := .venv/bin/python
DATA ?=
KILLS ?= 50

# A machine whose traffic passes a proxy names that proxy's certificate in SSL_CERT_FILE; uv reads it, pip has its own name.
ifdef SSL_CERT_FILE
export PIP_CERT ?= $(SSL_CERT_FILE)
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo demo-kafka test check lint unit testbed bench torture torture-kafka train lock clean
.DEFAULT_GOAL := help

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: .venv/installed  ## From nothing to scores of real prices, and a picture of them in demo/out/
	@$(RUN) -m demo.demo

demo-kafka: .venv/installed  ## Scores of 20 stocks over Kafka, exactly once, with a kill -9 half-way
	@$(RUN) -m demo.kafka

test: lint .venv-train/torch testbed  ## Lint and every test, the real processes and a short training too
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal  # each worker has brokers of its own, 1 GB of memory

check: lint unit  ## Lint and unit tests, in under a minute: the edit loop

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

unit: .venv/installed
	$(RUN) -m pytest -q -m "not integration"

# Kafka, the schema registry and a Debian for images, into the user's cache. Java, Maven, buildah and debootstrap are
# installed where that is allowed; where they cannot be had, the tests that need them say so and are skipped.
testbed: .venv/installed
	@{ command -v mvn && command -v buildah && command -v debootstrap; } >/dev/null || \
		test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends maven buildah debootstrap >/dev/null; }
	@$(RUN) -m testbed fetch || echo "Tests that need these servers will be skipped."

bench: .venv/installed  ## Measure what a record costs; the figures of this machine land in benchmarks/results/local/
	$(RUN) -m benchmarks

torture: .venv/installed  ## Kill engines at work; nothing may be lost or come twice; KILLS=1000
	$(RUN) -m engine torture --kills $(KILLS)

torture-kafka: .venv/installed  ## The same with groups of engines, and brokers, of Kafka; KILLS=1000
	$(RUN) -m testbed.torture --kills $(KILLS)

train: .venv-train/installed  ## Train the sample model; DATA=DIR takes sp500.csv and CPIAUCSL.csv from there
	.venv-train/bin/python -m demo.train $(if $(DATA),--data "$(DATA)")

# The engine for work on it. setuptools is among the pinned packages, so the build of the editable install fetches nothing.
.venv/installed: requirements/dev.txt requirements/data.txt setup.cfg pyproject.toml | .venv/bin/python
	@echo "Installing the engine and its tools into .venv ..."
	@$(UV) pip install -q --python $(RUN) --require-hashes -r requirements/dev.txt
	@$(UV) pip install -q --python $(RUN) --require-hashes --no-deps -r requirements/data.txt
	@$(UV) pip install -q --python $(RUN) --no-deps --no-build-isolation -e .
	@touch $@

# TensorFlow lives apart: nothing but the training, and the test of it, needs it.
.venv-train/installed: requirements/train.txt requirements/data.txt setup.cfg pyproject.toml | .venv/bin/python
	@echo "Installing TensorFlow into .venv-train (a few hundred MB to fetch) ..."
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venv-train
	@$(UV) pip install -q --python .venv-train/bin/python --require-hashes -r requirements/train.txt
	@$(UV) pip install -q --python .venv-train/bin/python --require-hashes --no-deps -r requirements/data.txt
	@$(UV) pip install -q --python .venv-train/bin/python --no-deps --no-build-isolation -e .
	@touch $@

# PyTorch beside it, for the tests alone: its builds for CUDA are the only ones everywhere, and cannot be imported without most
# of CUDA's libraries. A compiler for GPUs and what else it does without stay away: 1.2 GB less.
.venv-train/torch: requirements/torch.txt .venv-train/installed
	@echo "Installing PyTorch into .venv-train (2 GB to fetch) ..."
	@$(UV) pip install -q --python .venv-train/bin/python --require-hashes --no-deps -r requirements/torch.txt
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found; name one with make PYTHON=..."; exit 1; }
ifeq ($(UV),uv)
	@uv venv -q --allow-existing --python $(PYTHON) .venv
else
	@$(PYTHON) -m venv .venv
	@$@ -m pip install -q --require-hashes -r requirements/bootstrap.txt
endif

COMPILE = $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url $(if $(UPGRADE),--upgrade)

lock: | .venv/bin/python  ## Pin what setup.cfg asks for in requirements/; UPGRADE=1 takes the newest releases
	$(COMPILE) setup.cfg -o requirements/core.txt
	$(COMPILE) setup.cfg --extra dev -c requirements/core.txt -o requirements/dev.txt
	$(COMPILE) setup.cfg --extra train -c requirements/core.txt -o requirements/train.txt
	$(COMPILE) --no-deps requirements/data.in -o requirements/data.txt
	$(COMPILE) requirements/torch.in -c requirements/train.txt -o requirements/torch.txt \
		$(addprefix --no-emit-package ,triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cuda-cccl nvidia-nvtx)
	$(COMPILE) requirements/bootstrap.in -c requirements/dev.txt -o requirements/bootstrap.txt

clean:  ## Remove what was built and installed here
	rm -rf .venv .venv-train build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis demo/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
