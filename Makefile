# Two commands do it all: `make run` opens the window, `make test` checks everything.
.PHONY: run test setup setup-window bench clean

run: setup-window
	@cargo run --release --

test: setup
	cargo fmt --check
	cargo clippy --release --all-targets -- -D warnings
	cargo test --release --lib --bins --tests

setup:
	@bash scripts/setup.sh

setup-window:
	@bash scripts/setup.sh window

bench: setup
	cargo bench

clean:
	cargo clean
