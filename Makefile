# Two commands do it all: `make run` opens the window, `make test` checks everything.
.PHONY: run test setup setup-window bench fuzz faults load wheel bundle release-check clean

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

# Mutated files through every reader; SECONDS in all. What fails stays in target/tmp/fuzz.
SECONDS ?= 600
fuzz: setup
	OMP_NUM_THREADS=1 FUZZ_SECONDS=$(SECONDS) cargo test --profile fuzz --test fuzz -- --ignored --nocapture

# Kills, full disks, missing data, signals; some twenty minutes.
faults: setup
	cargo build --release
	python3 scripts/faults.py

# 100,000 pictures, 2,000 boxes a picture, a million steps.
load: setup
	cargo build --release
	python3 scripts/load.py
	cargo bench --bench load

# For an environment with torch, and for a machine with nothing: docs/install.md. Both land in dist.
wheel:
	@bash scripts/wheel.sh

bundle:
	@bash scripts/bundle.sh

# Both packages, each installed and used as a stranger would, the commands of the documents, the licences.
release-check:
	@bash scripts/release_check.sh

clean:
	cargo clean
