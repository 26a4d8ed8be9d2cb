#!/bin/bash
# Memory calls and accesses that a running kernel answered, made again: results, faults and pages are the same.
# MMUSIM, the program; CONFIGS, the shipped machines; SRC, the tree.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
runs=0

cp "$SRC/tests/data/calls/maps.txt" "$scratch"
for recording in "$SRC"/tests/data/calls/*.mms.xz; do
    scenario=$scratch/$(basename "$recording" .xz)
    xzcat "$recording" >"$scenario"
    (($(grep -c '^expect ' "$scenario") > 500)) || fail "$recording expects hardly anything"
    for kernel in "os.ram=4G" "os.ram=512M --set os.kpti=false"; do
        # shellcheck disable=SC2086 # words
        "$MMUSIM" run --config skylake-sp-linux --set $kernel "$scenario" >"$scratch/out" 2>"$scratch/err" ||
            fail "$kernel $(basename "$recording"): exit status $?: $(head -3 "$scratch/err")"
        runs=$((runs + 1))
    done
done
((runs == 16)) || fail "$runs runs, expected 16"

verdict "$runs recordings of calls: same answers"
