# `make build` gets libtorch and builds the program, `make test` checks everything.
.PHONY: build test setup bench clean

build: setup
	cargo build --release

test: setup
	cargo fmt --check
	cargo clippy --release --all-targets -- -D warnings
	cargo test --release --lib --bins --tests

setup:
	@bash scripts/setup.sh

bench: setup
	cargo bench

clean:
	cargo clean
