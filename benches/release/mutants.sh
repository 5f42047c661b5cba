#!/bin/sh
# mutants.sh [SET...]     Release tier, by hand: which changes of the code does no test notice? Needs cargo-mutants 27.
#
# Each set is some files, and the tests that are theirs; without arguments all sets are run, which takes hours. Only those tests are
# built and run for each mutant (-C goes to both; what stands behind -- would be run only, and every other test target built).
# Mutants that no test can tell from the original are listed, each with its reason, in .cargo/mutants.toml.
# Results: target/mutants/SET/mutants.out/{missed,timeout}.txt. A timeout is a mutant that loops, and counts as caught.
set -eu
cd "$(dirname "$0")/../.."
unset CARGO_TARGET_DIR

run() { # SET PACKAGE TEST-TARGET FILE...
    set_name=$1 package=$2 target=$3
    shift 3
    for file; do set -- "$@" -f "$file"; shift; done
    mkdir -p "target/mutants/$set_name"
    # 2: some were missed, 3: some timed out; both are results.
    cargo mutants -p "$package" "$@" -j1 --copy-target=false --timeout 60 -o "target/mutants/$set_name" \
        -C=--lib -C=--test="$target" || case $? in 2 | 3) ;; *) exit 1 ;; esac
}

[ $# -gt 0 ] || set -- range_set plan checkpoint replies transfer
for name; do
    case $name in
    range_set) run range_set segfetch plan segfetch/src/range_set.rs ;;
    plan) run plan segfetch plan 'segfetch/src/plan/*.rs' ;;
    checkpoint) run checkpoint segfetch crash 'segfetch/src/checkpoint/*.rs' ;;
    replies) run replies ftp-proto it 'ftp-proto/src/wire/re*.rs' ;;
    transfer) run transfer ftp-proto it ftp-proto/src/conn/transfer.rs ;;
    # One file of the engine alone, for example plan/split.rs.
    plan/* | checkpoint/*)
        case $name in plan/*) target=plan ;; *) target=crash ;; esac
        run "$name" segfetch "$target" "segfetch/src/$name" ;;
    *) echo "no such set: $name" >&2; exit 1 ;;
    esac
done
