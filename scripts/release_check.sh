#!/usr/bin/env bash
# Before a release: builds wheel and bundle, installs and uses both, and checks the documents and the licences.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/facts.sh
rm -rf dist
bash scripts/wheel.sh
bash scripts/bundle.sh
python3 packaging/check_readme.py "$target/package/$bundle/distillscope" README.md README.zh-CN.md sample_data/README.md docs/*.md
if command -v cargo-deny >/dev/null; then
  cargo deny --offline check licenses bans sources
  # Its database comes from the network.
  if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; else echo "advisories: skipped, their database cannot be reached"; fi
else
  echo "cargo deny: skipped; cargo install cargo-deny"
fi
bash scripts/package_smoke.sh
