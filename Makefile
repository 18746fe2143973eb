# Every target does its own set-up. Needs Python 3.11 or 3.12, make and the network; nothing is installed outside of
# .venv and the cache folder (TRITONKIT_CACHE, else ~/.cache/tritonkit).

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help demo test test-full test-gpu test-cluster cluster-packages lint format setup system-packages schemas review constraints clean

# The newest Python of the two that really runs (a version manager's shim may not).
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)
RUN := .venv/bin/python
WORKERS ?= 2

help:
	@echo "make demo             real weights -> verified repository -> live Triton -> photographs named -> load test -> report"
	@echo "make test             lint and every test, with small counts (about ten minutes on two cores)"
	@echo "make test-full        the same with the large counts"
	@echo "make test-gpu         the tests that need a GPU"
	@echo "make test-cluster     the chart on a real Kubernetes (builds one where there is none: root, Debian, Go)"
	@echo "make lint             ruff, mypy --strict, import-linter"
	@echo "make system-packages  Debian packages that some tests use: a browser, Prometheus' promtool"

setup: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; found: $$(python3 --version 2>&1)"; exit 1; }
	@echo "setting up .venv with $(PYTHON) (once; torch and its libraries take a few minutes and 6 GB)"
	@test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[build,train,bench,examples,store,signing,tensorrt,dev]'
	@touch $@

demo: setup
	$(RUN) -u examples/efficientnet_lite0/demo.py

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check --quiet .
	$(RUN) -m mypy
	.venv/bin/lint-imports

test: lint
	$(RUN) -m pytest -n $(WORKERS) --dist loadgroup -m "not slow and not gpu and not cluster"

test-full: lint
	$(RUN) -m pytest -n $(WORKERS) --dist loadgroup -m "not gpu and not cluster" --timeout 3600

# On KUBECONFIG's cluster, else a kind cluster where docker runs, else one that is built from source and kept in the cache.
test-cluster: setup
	@test -n "$$KUBECONFIG" || type buildah conntrack mmdebstrap containerd runc etcd ip iptables openssl sysctl >/dev/null 2>&1 || $(MAKE) cluster-packages
	$(RUN) -m pytest -n 0 -m cluster --timeout 1800 -s tests/cluster

cluster-packages:
	@echo "installing with apt-get what a cluster of one node is made of"
	apt-get update -qq && apt-get install -y -qq --no-install-recommends buildah conntrack containerd \
	  catatonit containernetworking-plugins etcd-server iproute2 iptables mmdebstrap openssl podman procps runc

test-gpu: setup
	$(RUN) -m pytest -n 0 -m gpu -s

format: setup
	$(RUN) -m ruff check --fix --quiet .
	$(RUN) -m ruff format --quiet .

schemas: setup
	$(RUN) -m tritonkit.spec.json_schemas

# The configurations of the examples as they are reviewed in model_repository/.
review: setup
	$(RUN) -m builder.review

system-packages:
	@echo "installing with apt-get: chromium chromium-driver prometheus (tests that use them are skipped without)"
	apt-get update -qq && apt-get install -y -qq chromium chromium-driver prometheus

# What `make test` passed with, for everybody's set-up.
constraints: setup
	$(RUN) -m pip freeze --exclude-editable > constraints.txt

clean:
	rm -rf .venv out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
