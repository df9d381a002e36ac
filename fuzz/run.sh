#!/usr/bin/env bash
# Fuzzes each target for SECONDS under libFuzzer: `fuzz/run.sh SECONDS [TARGET…]`. It starts from fuzz/corpus; what it finds
# goes to target/fuzz/work, and what is worth keeping is copied to the corpus by hand. A crash is left in target/fuzz.
set -euo pipefail

cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
host=$(rustc -vV | sed -n 's/^host: //p')
# What libFuzzer needs of the compiler, on the stable channel: coverage, without a sanitizer.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Ccodegen-units=1"
cargo build --package fuzz --features libfuzzer --profile fast --target "$host" --target-dir target/fuzz
binary=$(realpath "target/fuzz/$host/fast/fuzz")

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls fuzz/corpus)
for target in "${targets[@]}"; do
  echo "=== $target, $seconds s" >&2
  work=target/fuzz/work/$target
  mkdir -p "$work"
  FUZZ_TARGET=$target "$binary" "$work" "fuzz/corpus/$target" -max_total_time="$seconds" -max_len=65536 -timeout=10 \
    -rss_limit_mb=512 -print_final_stats=1 -artifact_prefix="target/fuzz/$target-" 2>&1 | tail -n 12
done
