# `make help` lists what can be asked for. Needs Python 3.11-3.13, git and make; everything else goes into .venv.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup checkout repro test test-all check ui register lock

BIN := .venv/bin
STAMP := .venv/installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH :=
export MLFLOW_DISABLE_TELEMETRY := true

# A candidate counts when it really runs (pyenv leaves names of Pythons that don't) and can make environments.
FIT := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
CANDIDATES := python3 python3.13 python3.12 python3.11 python

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(STAMP)  ## the environment, .venv: the packages of requirements.lock and this project

# An environment knows where it lies: that of a checkout which has been moved is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(realpath .venv))
.PHONY: $(STAMP)
endif

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python && $(BIN)/python -c '$(FIT)' 2>/dev/null && head -n 1 $(BIN)/pip | grep -qF -e "$(CURDIR)/" -e "$(realpath .venv)/" || { \
	  PATH="$${PATH#$(CURDIR)/$(BIN):}"; \
	  for python in $(CANDIDATES); do \
	    if "$$python" -c '$(FIT)' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  test -n "$${found:-}" || { \
	    echo "setup: no Python 3.11, 3.12 or 3.13 with its venv module found; install one (on Debian and Ubuntu: python3 and python3-venv)" >&2; \
	    exit 1; }; \
	  rm -rf .venv; "$$found" -m venv .venv; }
	@echo "setup: installing the packages of requirements.lock into .venv; this takes a few minutes the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@echo "$(CURDIR)" >"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/styleheat.pth"
	@(cd .venv && pwd -P) >$@

repro: checkout setup  ## run the complete pipeline, or what of it is out of date
	@dvc repro
	@echo
	@echo "The talking video: $(CURDIR)/data/infer/audio.mp4"
	@echo "Beside it: video.mp4 (moved by a video), image.mp4 (by an image). Scores: dvc metrics show. Curves and samples: make ui"

checkout:
	@said=$$(LC_ALL=C git rev-parse --is-inside-work-tree 2>&1) || { \
	  if [[ "$$said" == *"not a git repository"* || "$$said" != fatal* ]]; then \
	    echo "repro: $(CURDIR) is not a git checkout, which DVC needs; git clone the project, or here: git init && git add . && git commit -m start" >&2; \
	  else \
	    echo "repro: git can't use $(CURDIR), and DVC needs it:" >&2; echo "$$said" >&2; \
	  fi; \
	  exit 1; }

# Files of tests run beside each other (tests/conftest.py), each process on one core; the slow ones use all.
test: setup  ## the tests, but for the slow ones
	@OMP_NUM_THREADS=1 python -m pytest -m "not slow" --numprocesses auto --maxprocesses 4 --no-loadscope-reorder

test-all: test  ## all tests
	@python -m pytest -m slow

check: setup  ## style, types, and which package may import which
	@ruff check .
	@ruff format --check .
	@mypy
	@lint-imports

ui: setup  ## MLflow's pages at http://127.0.0.1:5000
	@mkdir -p mlruns
	@uri="$${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlruns/mlflow.db}"; \
	if [[ "$$uri" == http*://* ]]; then \
	  echo "The runs are kept by the server of MLFLOW_TRACKING_URI, and so are its pages: $$(sed -E 's#//[^/@]*@#//#' <<<"$$uri")"; \
	else \
	  PYTHONWARNINGS=ignore mlflow server --workers 1 --backend-store-uri "$$uri" \
	    --default-artifact-root "$(CURDIR)/mlruns/artifacts" --host 127.0.0.1 --port 5000; \
	fi

register: setup  ## the trained model under a name in MLflow's registry: make register NAME=styleheat [MODEL=models/audio] [ALIAS=champion]
	@test -n "$(NAME)" || { echo "register: name it: make register NAME=styleheat" >&2; exit 1; }
	@python -m stages.register --name "$(NAME)" --model "$(or $(MODEL),models/styleheat)" --alias "$(or $(ALIAS),champion)"

lock:  ## resolve pyproject.toml anew into requirements.lock (needs uv)
	@command -v uv >/dev/null || { echo "lock: uv is needed: https://docs.astral.sh/uv" >&2; exit 1; }
	@uv pip compile pyproject.toml --all-extras --universal --generate-hashes --no-header --no-annotate \
	  -o requirements.lock
