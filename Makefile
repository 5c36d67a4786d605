# Two commands do it all: `make run` opens the window, `make test` checks everything.
.PHONY: run test setup setup-window setup-test bench clean

run: setup-window
	@cargo run --release --

test: setup-test
	cargo fmt --check
	cargo clippy --release --all-targets -- -D warnings
	cargo test --release --lib --bins --tests

setup:
	@bash scripts/setup.sh

setup-window:
	@bash scripts/setup.sh window

setup-test:
	@bash scripts/setup.sh test

bench: setup
	cargo bench

clean:
	cargo clean
