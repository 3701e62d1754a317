# Every target calls into deploy/; options are variables, see deploy/README.md (make up ATRIUM_PORT=9000).
.DEFAULT_GOAL := help
.PHONY: help up down status logs purge backup restore test check bench lock
ATRIUM := ./deploy/dev/atrium.sh

help: ## show this list
	@sed -n 's/^\([a-z]*\): ## /  make \1	/p' Makefile

up: ## install what is missing and start everything (as root; safe to run again)
	@$(ATRIUM) up

down: ## stop everything and keep all state
	@$(ATRIUM) down

status: ## one line per program; succeeds only when all is healthy
	@$(ATRIUM) status

logs: ## follow all logs (LOG=hub: one of them)
	@$(ATRIUM) logs

purge: ## remove state, settings and demo people (asks first; YES=1 does not)
	@$(ATRIUM) purge

backup: ## copy databases, settings and secrets while all runs (BACKUP=/new/directory)
	@$(ATRIUM) backup

restore: ## bring a backup back and start everything (BACKUP=/directory)
	@$(ATRIUM) restore

test: ## run all tests, on real parts (sets itself up)
	@$(ATRIUM) test

check: ## style, types, import contracts and unit tests
	@$(ATRIUM) check

bench: ## run the benchmark scenarios
	@$(ATRIUM) bench

lock: ## write the locks anew from pyproject.toml
	@$(ATRIUM) lock
