# SPDX-License-Identifier: Apache-2.0
# Every target first brings the environment up to date, which takes a fraction of a second when it is.
SCENARIO ?= sidewalk_delivery
ARGS ?=
PYTEST ?=
IN_ENV := . ./env.sh &&

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench train lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo "  variables: SCENARIO=$(SCENARIO)  ARGS=<more options of reflexarc>  PYTEST=<more options of pytest>"

setup: ## virtual environment with locked wheels, ROS 2 workspace, env.sh; only what is out of date
	@sh tools/setup.sh

demo: setup ## run SCENARIO live over ROS 2, with and without the arc, and write the report
	@$(IN_ENV) reflexarc run $(SCENARIO) $(ARGS)

# In three parts: nodes have the machine for themselves; a renderer that is opened in a process in which much else has run
# can abort it; all others share the cores.
test: lint ## lint, then all tests; the last line of each part counts them
	@$(IN_ENV) python -m pytest -m ros $(PYTEST)
	@$(IN_ENV) python -m pytest -m render tests/cli tests/sim $(PYTEST)
	@$(IN_ENV) python -m pytest -m "not ros and not render" -n 2 --dist loadfile --max-worker-restart 0 $(PYTEST)

lint: setup ## format, lint and type checks
	@$(IN_ENV) ruff format --check .
	@$(IN_ENV) ruff check .
	@$(IN_ENV) pyright --threads 2

format: setup ## format the sources and mend what the linter can mend
	@$(IN_ENV) ruff format .
	@$(IN_ENV) ruff check --fix .

bench: ## short runs of every study in benchmarks/, beside their peers
	@sh tools/setup.sh --bench
	@$(IN_ENV) reflexarc bench --all $(ARGS)

train: setup ## learn what models/ holds and can simulate its own data for, into runs/train
	@$(IN_ENV) for recipe in $$(grep -l '^transitions:' models/barriers/*/recipe.yaml); do \
	  reflexarc train barrier $$recipe --out runs/train/$$(basename $$(dirname $$recipe)) || exit 1; done
	@$(IN_ENV) for folder in models/fleet/*/seed_*; do \
	  reflexarc train fleet $$folder/recipe.yaml --out runs/train/$${folder#models/} || exit 1; done
	@$(IN_ENV) for folder in models/reflex/*/; do \
	  reflexarc train reflex $$folder/recipe.yaml --out runs/train/$${folder#models/} || exit 1; done
	@$(IN_ENV) reflexarc train hinf models/go1/hinf/walk/recipe.yaml --out runs/train/go1/hinf/walk
	@$(IN_ENV) reflexarc train hinf models/go1/hinf/full/recipe.yaml --out runs/train/go1/hinf/full
	@$(IN_ENV) reflexarc train fall models/go1/fall/recipe.yaml --out runs/train/go1/fall
	@$(IN_ENV) python -m reflexarc.reach.systems.train_controllers acc dint quad robot toon --out runs/train/density

lock: setup ## resolve the lock files again from pyproject.toml (needs uv and the package index)
	@$(IN_ENV) python tools/lock.py

clean: ## remove everything that setup made
	rm -rf .venv env.sh ros2_ws/build ros2_ws/install ros2_ws/log
