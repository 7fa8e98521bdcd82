# Each target sets up what it needs in .venv: on a fresh machine only Python 3.11+ and make have to be there.

VENV   := .venv
LITERT := .venv-litert
RELEASE := .venv-release
PYTHON := $(VENV)/bin/python
PIP    := $(PYTHON) -m pip --disable-pip-version-check --no-input
DATA   ?= $(or $(VEILLE_DATA),../shared/data)
RUN    ?= runs/student
ARCHS  ?= amd64 arm64

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-litert check bench evaluate leaderboard train bundle bundle-litert broker \
	clean deb container lock sbom licences memory fuzz check-service check-arm64

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo ## play a simulated two-minute recording through a broker and show the events (under a minute)
	@$(PYTHON) -m agent demo

test: $(VENV)/.full broker ## unit, contract, property and broker tests
	$(PYTHON) -m pytest -m "not slow"

test-slow: $(VENV)/.full $(VENV)/.fuzz broker ## statistical and long tests, and a short fuzzing
	$(PYTHON) -m pytest -m slow

fuzz: $(VENV)/.full $(VENV)/.fuzz ## a million inputs for each thing that strangers may send (an hour)
	env OMP_NUM_THREADS=1 $(PYTHON) -m tests.fuzz --folder build/fuzz

check: $(VENV)/.full ## lint, format, types, import rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/.full ## wearers that one core of this machine keeps up with
	$(PYTHON) -m tests.bench

evaluate: $(VENV)/.full ## the figures of the README, from the datasets under DATA
	$(PYTHON) -m training evaluate --root $(DATA)
	$(PYTHON) -m training prudence --root $(DATA)
	$(PYTHON) -m training noise-novelty --root $(DATA)
	$(PYTHON) -m training explain --root $(DATA) --run $(RUN)
	$(PYTHON) -m training limbs --root $(DATA)

leaderboard: $(VENV)/.full ## VUS-PR of one causal recipe beside the published detectors of TSB-AD
	$(PYTHON) -m training leaderboard --root $(DATA)

train: $(VENV)/.full ## train a student on the datasets under DATA -> RUN
	$(PYTHON) -m training train --root $(DATA) --out $(RUN)

bundle: $(VENV)/.full ## quantize, calibrate and pack the student of RUN -> agent/shipped_bundle
	$(PYTHON) -m export $(RUN) agent/shipped_bundle --root $(DATA)

bundle-litert: $(LITERT)/.litert ## the same with the LiteRT files too; sets up .venv-litert by itself (2 GB)
	$(LITERT)/bin/python -m export $(RUN) agent/shipped_bundle --root $(DATA) --litert

test-litert: $(LITERT)/.litert ## tests of the conversion to LiteRT, which `make test` must skip
	$(LITERT)/bin/python -m pytest tests/export/test_litert.py tests/agent/test_litert.py

deb: $(RELEASE)/.release ## dist/veille_VERSION_{amd64,arm64}.deb, each with all its wheels inside
	for arch in $(ARCHS); do MAINTAINER="$(MAINTAINER)" PYTHON=$(RELEASE)/bin/python deploy/deb/build.sh $$arch || exit 1; done

container: $(RELEASE)/.release ## the container image, with the engine that is there (ENGINE=podman, buildah or docker)
	for arch in $(ARCHS); do PYTHON=$(RELEASE)/bin/python deploy/wheels.sh $$arch build/wheels/$$arch || exit 1; done
	$(or $(ENGINE),podman) build --tag veille --file deploy/Containerfile .

lock: $(RELEASE)/.release ## deploy/lock: every dependency of the gateway with its hashes
	RELEASE=$(RELEASE) deploy/lock/compile.sh

sbom: build/installed/.locked ## dist/veille-VERSION.cdx.json: what the gateway runs, as CycloneDX
	@mkdir -p dist
	$(RELEASE)/bin/cyclonedx-py environment build/installed --pyproject pyproject.toml --output-reproducible \
	  --of JSON --output-file dist/veille-$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml).cdx.json

licences: build/installed/.locked ## deploy/LICENCES.md: the licence of each dependency of the gateway
	@{ sed -n '1,/^$$/p' deploy/LICENCES.md; $(RELEASE)/bin/pip-licenses --python=build/installed/bin/python \
	  --from=mixed --format=markdown --with-urls --ignore-packages veille; } >build/licences && mv build/licences deploy/LICENCES.md

memory: $(VENV)/.full broker ## resident memory over an hour of 100 wearers, replayed, as the service runs (a quarter of an hour)
	env $$(sed -n 's/^Environment=//p' deploy/veille.service) $(PYTHON) -m tests.memory

check-service: deb $(VENV)/.full ## install, run, kill, hang, update and remove the .deb under a real systemd (root; Debian)
	PYTHON=$(PYTHON) tests/service/boot.sh dist/veille_$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)_amd64.deb

check-arm64: $(VENV)/.full ## golden stream and an event on an emulated arm64 Debian, compared with x86 (root; Debian)
	PYTHON=$(PYTHON) tests/arm64/check.sh bookworm
	PYTHON=$(PYTHON) tests/arm64/check.sh trixie

clean: ## remove the environment and everything built
	rm -rf $(VENV) $(LITERT) $(RELEASE) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find agent training export tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- setting up -------------------------------------------------------------------------------------------

# The first Python that is new enough; a name on the PATH may be an empty shim, so each is tried.
$(PYTHON):
	@for python in python3.11 python3 python3.12 python3.13; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.maxsize < 2**32)' 2>/dev/null; then \
	    found=$$python; break; fi; done; \
	if [ -z "$$found" ]; then \
	  echo "Veille needs a 64-bit Python 3.11 or newer, found as python3.11 or python3 on the PATH. Install one," >&2; \
	  echo "for example: apt-get install python3 python3-venv" >&2; exit 2; fi; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$$found cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }

# pip knows --group since 25.1.
$(VENV)/.pip: | $(PYTHON)
	@echo "setting up $(VENV) (once)"
	@$(PIP) install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.pip
	@$(PIP) install --quiet --editable ".[demo]"
	@touch $@

$(VENV)/.full: pyproject.toml $(VENV)/.pip
	@$(PIP) install --quiet --editable ".[demo,litert,parquet,update]" --group train --group export --group dev
	@touch $(VENV)/.demo $@

$(VENV)/.fuzz: pyproject.toml $(VENV)/.pip
	@$(PIP) install --quiet --group fuzz
	@touch $@

# The conversion to LiteRT is 2 GB: only `make bundle-litert` and `make test-litert` pay for it.
ifneq ($(VENV),$(LITERT))
$(LITERT)/.litert: pyproject.toml
	@$(MAKE) --no-print-directory VENV=$(LITERT) $@
else
$(LITERT)/.litert: pyproject.toml $(LITERT)/.pip
	@$(PIP) install --quiet --editable ".[litert]" --group litert --group dev
	@touch $@
endif

# What makes a release, apart from what it is made of.
$(RELEASE)/.release: pyproject.toml
	@[ -x $(RELEASE)/bin/python ] || $(MAKE) --no-print-directory VENV=$(RELEASE) $(RELEASE)/.pip
	@$(RELEASE)/bin/python -m pip --disable-pip-version-check --no-input install --quiet --group release
	@touch $@

# What a gateway has: the lock and nothing else.
build/installed/.locked: deploy/lock/agent.txt $(RELEASE)/.release
	@rm -rf build/installed && $(RELEASE)/bin/python -m venv build/installed
	@build/installed/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	@build/installed/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes setuptools pip
	@touch $@

# The broker tests want a real mosquitto; without one they skip and say so. Never asks for a password.
broker:
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; \
	if command -v mosquitto >/dev/null 2>&1; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "installing mosquitto for the broker tests"; \
	  export DEBIAN_FRONTEND=noninteractive; \
	  apt-get install -y -q mosquitto mosquitto-clients >/dev/null 2>&1 || \
	  { apt-get update -q >/dev/null 2>&1 && apt-get install -y -q mosquitto mosquitto-clients >/dev/null 2>&1; } || \
	  echo "mosquitto could not be installed: the broker tests will skip" >&2; \
	else echo "no mosquitto on this machine: the broker tests will skip" >&2; fi
