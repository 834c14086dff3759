# Every target sets up its own virtual environment first, in .venv.
# torch is pinned for the set-up only, so that a CPU build is taken where one is offered.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0

# A worker of the suite for each processor; more than eight only wait for each other.
WORKERS := -n logical --maxprocesses 8 --dist worksteal

.PHONY: quickstart test test-slow hardknocks soak check audit bench tiny clean

$(VENV)/.local: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

$(VENV)/.dev: $(VENV)/.local
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
# What the suite compares our arithmetic with is read, not imported: it needs an old transformers.
	-$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/peers rewardbench==0.1.4
	@touch $@

quickstart: $(VENV)/.local  ## the main job on the embedded tiny family
	$(BIN)/gristmill quickstart

test: $(VENV)/.dev  ## the suite, a quarter of an hour on two cores
	$(BIN)/python -m pytest $(WORKERS) -m 'not slow'

test-slow: $(VENV)/.dev  ## what takes longer: trainings, kills by the dozen, other trainers
	$(BIN)/python -m pytest $(WORKERS) -m slow

hardknocks: $(VENV)/.dev  ## kills, faults, full disks and the like; writes docs/reliability.md
	$(BIN)/python benchmarks/hardknocks --write

soak: $(VENV)/.dev  ## half an hour against a server with faults, killed each minute
	$(BIN)/python benchmarks/hardknocks soak --write

check: $(VENV)/.dev  ## style, bandit's rules, and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

audit: $(VENV)/.dev  ## known holes in what is installed; fails where nobody could be asked
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
# A CPU build of torch is known by the version without `+cpu`.
	$(BIN)/pip freeze --exclude-editable | sed -n 's/^\([^ ]*==[^+ ]*\).*/\1/p' > $(VENV)/installed.txt
	$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement $(VENV)/installed.txt

bench: $(VENV)/.dev  ## the benchmarks that the README quotes
	$(BIN)/python benchmarks/arena.py
	$(BIN)/python benchmarks/decontamination.py
	$(BIN)/python benchmarks/duplicates.py
	$(BIN)/python benchmarks/endpoint.py
	$(BIN)/python benchmarks/local.py
	$(BIN)/python benchmarks/packing.py
	$(BIN)/python benchmarks/recipes.py
	$(BIN)/python benchmarks/rewardbench.py
	$(BIN)/python benchmarks/servers.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/truth.py

tiny: $(VENV)/.dev  ## train the embedded family anew, with two seeds, a core each
	$(BIN)/python benchmarks/family.py

clean:
	rm -rf $(VENV) quickstart out
