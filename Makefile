# The two commands of a newcomer are `make run` and `make test`.

CARGO ?= cargo
DATA ?= ./data
SEEDS ?= 2000..4000

.PHONY: run run-postgres test test-fast simulate bench schemas

run: ## Build, load the sample city into $(DATA) and serve it on 127.0.0.1:8080.
	$(CARGO) build --release --locked --package cityos-gateway
	$(CARGO) run --release --locked --quiet --package cityos-gateway -- --data-dir $(DATA) serve --sample

run-postgres: ## The same on a PostgreSQL server of its own in $(DATA)/postgres.
	$(CARGO) build --release --locked --package cityos-gateway
	deploy/with-postgres $(DATA)/postgres \
		$(CARGO) run --release --locked --quiet --package cityos-gateway -- --data-dir $(DATA)/postgres/city serve --sample

# The second run leaves out what the first had on PostgreSQL anyway.
test: ## Every test. Needs the programs of PostgreSQL, and starts servers of its own.
	tests/programs/toxiproxy
	$(CARGO) test --workspace --locked
	CITYOS_TESTS_ON=postgres $(CARGO) test --workspace --locked --test city -- --skip postgres::

test-fast: ## The inner loop: rules, store, read models, with nothing from outside.
	$(CARGO) test --locked --package cityos-domain --package cityos-eventstore --package cityos-projections -- --skip postgres

simulate: ## Other lives than those of the tests: make simulate SEEDS=2000..6000
	CITYOS_SIM_SEEDS=$(SEEDS) $(CARGO) test --locked --package cityos-tests --test simulation -- short_lives --nocapture

bench: ## The table of ratios against the limit.
	$(CARGO) build --release --locked --package cityos-gateway --package cityos-tests
	$(CARGO) run --release --locked --package cityos-tests --bin bench

schemas: ## Rewrite the generated files in schemas/ after a change that readers of old data survive.
	CITYOS_UPDATE_SCHEMAS=1 $(CARGO) test --locked --package cityos-tests schema
