#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET...]]     Release tier, by hand: every fuzz target of all crates for SECONDS (600) each, one after the other.
#
# Needs cargo-fuzz (cargo install cargo-fuzz) and any toolchain. Each run begins from the committed corpus and grows a copy of it, so the
# tree stays as it is. A crash, a hang (20 s) or more than 2 GiB of memory stops that target; its input stays in */fuzz/artifacts/TARGET/,
# and the rest goes on. Exit 0 if nothing was found, 1 if anything was, 2 if a target does not build or there is no such target.
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-600}
wanted=" ${*:2} "
export RUSTC_BOOTSTRAP=1 # the sanitizers' flags, on stable
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ran=0 found=0

for crate in ftp-proto mms-proto segfetch; do
  for source in "$crate"/fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    [[ $wanted == "  " || $wanted == *" $target "* ]] || continue
    (cd "$crate" && cargo fuzz build "$target") || exit 2
    cp -r "$crate/fuzz/corpus/$target" "$scratch/$target"
    log=$scratch/$target.log
    (cd "$crate" && cargo fuzz run "$target" "$scratch/$target" -- \
      -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1) > "$log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    ran=$((ran + 1))
    if ((status == 0)); then
      printf '%-16s clean   %12s runs in %s s\n' "$target" "$runs" "$seconds"
    else
      found=1
      file=$(sed -n 's/.*Test unit written to //p' "$log")
      printf '%-16s FOUND   %12s runs; smaller: (cd %s && cargo fuzz tmin %s %s)\n' "$target" "${runs:-?}" "$crate" "$target" "${file:-FILE}"
      if [ -n "$file" ]; then grep -aE -A 1 'panicked at|ERROR: ' "$log"; else tail -n 5 "$log"; fi | sed 's/^/    /'
    fi
  done
done
((ran > 0)) || { echo "no target named$wanted" >&2; exit 2; }
exit $found
