# What is done often, by name. `make test` needs nothing but Rust and apt.
# Cargo's own settings, CARGO_TARGET_DIR among them, are left as they are.

.DEFAULT_GOAL := help
.PHONY: help deps test lint fmt bench docs crds check-crds check-quickstart deny clean-parts

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 20

deps: ## install the packages that the tests need (apt; root or sudo)
	@tests/tools/deps

test: deps ## all tests, on a real PostgreSQL, mail server and API server; ARGS go to nextest
	@tests/tools/run-tests $(ARGS)

lint: ## formatting and clippy, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fmt: ## format the sources
	cargo fmt

crds: ## write crds/ anew from the Rust types
	cargo run --locked --quiet -- crd --out-dir crds

docs: ## write the generated pages of docs/ anew
	TENANTRY_WRITE_DOCS=1 cargo test --locked --quiet --test reasons
	TENANTRY_WRITE_DOCS=1 cargo test --locked --quiet --test http -- the_document_in_the_tree the_page_lists

bench: ## measure passes, large Assigns, checks, views and the outbox, on SQLite and a throw-away PostgreSQL; ARGS go to cargo bench
	@tests/tools/run-bench $(ARGS)

check-crds: ## fail when crds/ is not what the Rust types say
	@tests/tools/check-crds

check-quickstart: ## the first command of the README, on a clean copy, up to an active account
	@tests/tools/check-quickstart

deny: ## licences, bans and sources of all dependencies; advisories where they can be had
	@tests/tools/check-deny

clean-parts: ## end the parts that test runs of this user have left, and their folders
	@tests/tools/clean-parts
