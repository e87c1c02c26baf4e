# All of vpn-connect's commands. Each gets what it lacks itself; built things lie in the cache, outside the work tree.
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help up preview shell destroy drill down lab lab-status status diagram test test-fast lint lock toolchain packages

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

up: ## two real OpenStacks on this machine, then `pulumi up` of tokyo-osaka and a demonstration
	@since=$$(date +%s.%N); python3 -m toolchain venv && $(PYTHON) -m lab.demo up --since $$since

preview: packages ## what the next `up` would change
	@$(PYTHON) -m lab.demo preview

shell: packages ## a shell that reaches both clouds, for pulumi and openstack
	@$(PYTHON) -m lab.demo shell

destroy: packages ## remove the stack's resources from both clouds
	@$(PYTHON) -m lab.demo destroy

down: packages ## stop the clouds; nothing of them stays behind
	@$(PYTHON) -m lab down

drill: packages ## lose Tokyo's name service, router and whole site in turn, and measure how clients are answered
	@$(PYTHON) -m lab.drill

lab: packages ## build all, and start the two clouds alone
	@$(PYTHON) -m lab build
	@$(PYTHON) -m lab up

lab-status: packages ## the clouds' services and memory
	@$(PYTHON) -m lab status

status: packages ## do the stack's links carry traffic, and why not?
	@$(PYTHON) -m lab.demo status

diagram: packages ## draw the lab's stack, or STACK=…, as <stack>.svg
	@$(PYTHON) -m health.diagram $(if $(STACK),--stack '$(STACK)',--lab)

# pytest on all that needs no lab, in two processes: the tests with this marker expression
define apart
run="$(PYTHON) -m pytest -q -m '$(1)'"; others="tests/toolchain tests/vyos_provider tests/program"; \
eval "$$run $$others" & eval "$$run $$(printf -- '--ignore=%s ' $$others)"; status=$$?; wait $$! && [ $$status = 0 ]
endef

test: packages ## every test, the end to end run on the lab included
	@if [ "$$(id -u) $$(uname)" = "0 Linux" ]; then $(PYTHON) -m lab build; else python3 -m toolchain build; fi
	@$(call apart,not lab)
	@$(PYTHON) -m pytest -m lab --tb=short

test-fast: packages toolchain ## all tests but the lab's and the most thorough
	@$(call apart,not lab and not thorough)

lint: packages ## ruff and mypy
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy .

lock: ## write requirements.txt from requirements.in
	@tools=$$(mktemp -d) && python3 -m venv $$tools && $$tools/bin/pip install -q pip-tools && \
	$$tools/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --output-file requirements.txt requirements.in; status=$$?; rm -rf $$tools; exit $$status

toolchain: packages ## Pulumi and its OpenStack plugin
	@python3 -m toolchain build

packages:
	@python3 -m toolchain venv
