#!/bin/bash
# The scenarios of traces/scenarios, each on the four kernels that are shipped; and their language's documentation.
# MMUSIM, the program; CONFIGS, the shipped machines; SRC, the tree.
. "${BASH_SOURCE%/*}/cli.sh"
runs=0

cd "$SRC" || exit 2
for scenario in traces/scenarios/*.mms; do
    [[ $(grep -c '^\(on [a-z0-9_,]* \)\?expect ' "$scenario") -ge 5 ]] || fail "$scenario expects hardly anything"
    grep -q "$(basename "$scenario")" traces/scenarios/README.md || fail "README.md does not name $scenario"
    for config in pentium3-i386 pentium4-pae skylake-sp-linux ice-lake-la57; do
        "$MMUSIM" run --config "$config" "$scenario" >"$scratch/out" 2>"$scratch/err" ||
            fail "$config $scenario: exit status $?: $(cat "$scratch/err")"
        [[ ! -s $scratch/err ]] || fail "$config $scenario: said $(cat "$scratch/err")"
        grep -q ' expectations, 0 failed$' "$scratch/out" || fail "$config $scenario: no last line"
        "$MMUSIM" run --config "$config" "$scenario" 2>&1 | cmp -s - "$scratch/out" || fail "$config $scenario: runs differ"
        # Each line of the page is in the transcript, in order.
        diff "$scenario" <(grep -vE '^    |: [0-9]+ statements, ' "$scratch/out" | tail -n +2) >/dev/null ||
            fail "$config $scenario: the transcript lacks lines of the page"
        runs=$((runs + 1))
    done
done

# Several machines and scenarios in one run.
"$MMUSIM" run --config pentium3-i386 --config skylake-sp-linux traces/scenarios/*.mms >"$scratch/out" 2>&1 || fail "together: exit status $?"
[[ $(grep -c ' 0 failed$' "$scratch/out") == $((2 * $(ls traces/scenarios/*.mms | wc -l))) ]] || fail "together: not all ran"

# Other kernels: without page-table isolation, with five levels, with large machines.
while read -r arguments; do
    # shellcheck disable=SC2086 # words
    "$MMUSIM" run $arguments traces/scenarios/*.mms >"$scratch/out" 2>&1 || fail "$arguments: $(grep -m1 ^mmusim "$scratch/out")"
done <<'LIST'
--config skylake-sp-linux --set os.kpti=false
--config pentium4-pae --set os.kpti=false
--config zen4 --set os.arch=x86_64 --set os.ram=256G
LIST

# Lazy synchronisation of vmalloc: the first access in each process is a fault that copies the entry.
printf '%s\n' '$a = spawn a' '$b = spawn b' 'switch $a' '$v = vmalloc 8M' 'read $v as kernel' 'switch $b' \
    'read $v + 64K as kernel' 'expect read $v + 68K as kernel faults == 0' 'expect vmstat fault_vmalloc == 2' >"$scratch/lazy.mms"
"$MMUSIM" run --config pentium3-i386 --set os.vmalloc-sync=lazy "$scratch/lazy.mms" >"$scratch/out" 2>&1 || fail "lazy: $(cat "$scratch/out")"
"$MMUSIM" run --config pentium3-i386 "$scratch/lazy.mms" 2>&1 | grep -q 'it is 0, expected 2' || fail "eager: faults, too"

# The documentation is what the table of commands says.
"$MMUSIM" shell --language >"$scratch/language" || fail "--language: exit status $?"
[[ $(grep -c '^- `' "$scratch/language") -gt 50 ]] || fail "--language: hardly any command"
sed '1,/^The rest of this page is printed by/d' traces/scenarios/README.md | tail -n +2 | diff - "$scratch/language" ||
    fail "README.md: not what mmusim shell --language prints"

verdict "$runs runs of scenarios, as expected"
