# The two to know: `make demo` shows what it does, `make test` checks it. Both make .venv first if need be.
BIN := .venv/bin
OUT := demo-output
# What `make test` runs with either Qt binding: plugin and docks in a real window, and the list of files, which uses Qt most.
BOTH := $(addprefix tests/_napari/test_,manifest.py walk.py workbench.py acquisitions_dock.py file_tree.py writer_and_samples.py)

.DEFAULT_GOAL := help
.PHONY: help demo test env lint format unit core pyside report schema pins clean

help: ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{printf "%-12s %s\n", $$1, $$2}'

demo: env ## measure a sample kymograph, then open it in napari (without a display: a screenshot)
	@$(BIN)/napari-bloodflow demo --out $(OUT)
	@bash scripts/demo_window.sh $(OUT)

test: lint ## all checks and all tests, GUI tests in virtual displays, two tests at a time
	@$(BIN)/pytest -n 2 --dist worksteal $(ARGS)
	@$(if $(ARGS),,echo "Again with PySide6: $(BOTH)" && bash scripts/check_pyside.sh -n 2 --dist worksteal $(BOTH))

env: ## make .venv from the pinned requirements, or bring it up to date
	@bash scripts/bootstrap.sh

lint: env ## style, types and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

format: env ## put the style right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

unit: env ## tests only, and only quick ones without a window: make unit ARGS="-k roi"
	@$(BIN)/pytest -m "not gui and not slow" --no-xvfb $(ARGS)

core: env ## the wheel on its own, without napari and Qt, in .venv-core
	@bash scripts/check_core.sh

pyside: env ## all tests of the window with PySide6 in place of PyQt6, in .venv-pyside: make pyside ARGS="-k walk"
	@bash scripts/check_pyside.sh $(ARGS)

report: env ## run all benchmarks and write docs/accuracy_and_speed.md anew; takes an hour
	@$(BIN)/python scripts/make_report.py

schema: env ## write docs/schema anew from the models
	@$(BIN)/python scripts/make_schema.py

pins: ## write requirements/*.txt anew; UPGRADE=1 takes newer versions
	@UPGRADE=$(UPGRADE) bash scripts/pins.sh

clean: ## remove what the other targets made
	@find src -name '*.nb[ci]' -delete
	rm -rf $(OUT) .venv .venv-core .venv-pyside .uv .mypy_cache .pytest_cache .ruff_cache .hypothesis
