# What a person does with this checkout. Each target says what it does in `make help`.

.DEFAULT_GOAL := help
.PHONY: help run test prove bench compose-test reset sql

help: ## list these targets
	@sed -n 's/^\([a-z-]*\): .*## /  make \1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '%-14s %s\n' "$$target" "$$text"; done

run: ## install what is missing, build, and start everything on this machine
	@infra/scripts/run.sh

test: ## all checks and all tests, from nothing to a summary
	@infra/scripts/test.sh

prove: ## the long proofs: the exhaustive search, the full fault campaign, the attacks on the services, the benchmark, ten minutes of load, the Helm chart, the containers
	@infra/scripts/prove.sh model chaos attack schemathesis samples stripe-mock helm bench soak compose

bench: ## payments per second on this machine, beside the database's own limit
	@infra/scripts/prove.sh bench

compose-test: ## the containers of infra/compose.yml on a real Docker engine, tested from outside
	@infra/scripts/compose-test.sh

sql: ## prepare the checked queries' data in .sqlx after a change to SQL
	@infra/scripts/sql.sh

reset: ## remove the payments and keys that `make run` keeps in .pawl
	@infra/scripts/run.sh reset
