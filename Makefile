# Two commands do it all: `make run` opens the window, `make test` checks everything.
.PHONY: run test setup setup-window bench clean

run: setup-window
	@cargo run --release --

# OMP_NUM_THREADS: the tests fill the cores by themselves; several threads of libtorch each would wait for each other.
test: setup
	cargo fmt --check
	cargo clippy --release --all-targets -- -D warnings
	OMP_NUM_THREADS=1 cargo test --release --tests

setup:
	@bash scripts/setup.sh

setup-window:
	@bash scripts/setup.sh window

bench: setup
	cargo bench

clean:
	cargo clean
