# Tuneloop's commands: `make help` lists them. Each makes the environment it needs first.
PYTHON ?= python3
BIN := .venv/bin
CODE := shared/tuneloop functions trainer infra local ops tests bench docs
export PYTHONPATH := shared:functions:.
# Node 20 works for all that is run here, and `make deploy` says what it thinks of it.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.DEFAULT_GOAL := help
.PHONY: help setup demo local test test-unit test-grants test-faults check format bill mutants stories bench-data layer bootstrap deploy provider-key smoke destroy stop start restore synth docs recording lock clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed .venv/.editable node_modules/.installed ## Make the environment, .venv and node_modules; the others do it too.
	@:

demo: setup ## Run the whole loop on this machine: make demo [DATA=train.jsonl] [TEST=test.jsonl] [PROVIDER=bedrock].
	@$(BIN)/python -m local.demo $(if $(DATA),--data "$(DATA)") $(if $(TEST),--test "$(TEST)") $(if $(PROVIDER),--provider "$(PROVIDER)")

local: setup ## Leave the stack up until Ctrl-C; prints its URL and a key, also in build/local.json.
	@$(BIN)/python -m local

test: setup ## Run the tests, all but those of test-grants and test-faults: make test [ARGS="-k name"].
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-unit: setup ## Run the unit tests, in half a minute.
	@$(BIN)/python -m pytest tests/unit -n 2 --dist loadfile $(ARGS)

test-grants: setup ## Take each grant of each function away in turn: somebody must notice; takes minutes.
	@$(BIN)/python -m pytest tests/grants -m grants $(ARGS)

test-faults: setup ## Break every call of the loop in every way: nothing may be lost or done twice; takes minutes.
	@$(BIN)/python -m pytest tests/faults -m "faults or not faults" -n 2 $(ARGS); status=$$?; cat build/faults.json; exit $$status

check: setup ## Format, lint, types, import rules, generated documents, known vulnerabilities: all quiet when they are fine.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary $(CODE)
	@mkdir -p build
	@$(BIN)/lint-imports --no-logo > build/lint-imports.log || { cat build/lint-imports.log; exit 1; }
	@$(BIN)/python -m docs.build --check
	@$(BIN)/python -m ops audit

format: setup ## Format the code and fix what the linter can fix.
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

layer: setup ## Build the functions' code for AWS in build/layer: make layer [ARCH=x86_64].
	@$(BIN)/python -m ops layer $(if $(ARCH),--architecture="$(ARCH)")

bootstrap: setup ## Make what the CDK needs in the AWS account and region that you are signed in to, once.
	@$(BIN)/python -m ops bootstrap

deploy: setup ## Deploy a stage to the AWS account that you are signed in to: make deploy STAGE=prod [YES=1].
	@$(BIN)/python -m ops deploy --stage="$(STAGE)" $(if $(YES),--yes)

provider-key: setup ## Store the provider's API key for a stage, typed or piped in: make provider-key STAGE=prod.
	@$(BIN)/python -m ops provider-key --stage="$(STAGE)"

smoke: setup ## Run the loop on a stage, for a price stated first: make smoke STAGE=prod [CAP=1.00] [TIMEOUT=120] [YES=1].
	@$(BIN)/python -m ops smoke --stage="$(STAGE)" $(if $(CAP),--cap="$(CAP)") $(if $(TIMEOUT),--timeout="$(TIMEOUT)") \
		$(if $(UNPRICED),--unpriced) $(if $(YES),--yes)

destroy: setup ## Take a throw-away stage down with all its data: make destroy STAGE=try [CONFIRM=try] [KEY=1].
	@$(BIN)/python -m ops destroy --stage="$(STAGE)" $(if $(CONFIRM),--confirm="$(CONFIRM)") $(if $(KEY),--with-key)

stop: setup ## Halt a stage, its API too, until make start: make stop STAGE=prod.
	@$(BIN)/python -m ops stop --stage="$(STAGE)"

start: setup ## Let a stage go on that make stop halted: make start STAGE=prod.
	@$(BIN)/python -m ops start --stage="$(STAGE)"

restore: setup ## Make a stopped stage's table what a restored one holds: make restore STAGE=prod FROM=table [CONFIRM=prod].
	@$(BIN)/python -m ops restore --stage="$(STAGE)" --from="$(FROM)" $(if $(CONFIRM),--confirm="$(CONFIRM)")

bill: setup ## Print what a prod stage costs a month on AWS, idle and at three loads; also in build/bench/bill.json.
	@$(BIN)/python -m bench.bill $(ARGS)

mutants: setup ## Break twenty things in a copy, one at a time: the tests must notice: make mutants [ARGS="words of a fault"].
	@$(BIN)/python -m bench.mutants $(ARGS)

stories: setup ## Print how many files six stories run through: make stories [ARGS=--files].
	@$(BIN)/python -m bench.stories $(ARGS)

bench-data: setup ## Measure validating, exporting and listing training data; also in build/bench/data.json.
	@$(BIN)/python -m bench.data $(ARGS)

synth: setup ## Write the CloudFormation templates of both stages to build/cdk.out.
	@$(call synth,local)
	@$(call synth,prod)

docs: setup ## Write what is generated from the code: docs/openapi.json and the README's table.
	@$(BIN)/python -m docs.build

recording: setup ## Run the demo and draw what it shows as docs/demo.svg.
	@$(BIN)/python -m docs.record_demo

lock: setup ## Pin the newest allowed versions, with hashes, in requirements/ and package-lock.json.
	@$(BIN)/python -m pip install --quiet uv
	@$(call compile,requirements/dev.txt) requirements/dev.in --all-extras --group dev
	@$(call compile,requirements/layer.txt) --constraint requirements/dev.txt
	@npm update --package-lock-only --silent

clean: ## Remove what was built and cached; the environment stays.
	@rm -rf build .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis shared/*.egg-info
	@find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

# The app itself writes the template; the CDK's command line would only talk about feature flags beside it.
synth = CDK_OUTDIR=build/cdk.out/$(1) CDK_CONTEXT_JSON='{"stage": "$(1)"}' $(BIN)/python -m infra.app

# The layer takes the versions that the tests ran with. Hashes of all platforms and no address of an index, so that
# the files are the same wherever they are made.
compile = $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" --output-file $(1)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Tuneloop needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv .venv

.venv/.installed: requirements/dev.txt | $(BIN)/python
	@echo "Installing the Python packages of requirements/dev.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.venv/.editable: pyproject.toml | .venv/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

node_modules/.installed: package-lock.json .npmrc
	@echo "Installing the CDK command line of package-lock.json"
	@npm ci --silent
	@touch $@
