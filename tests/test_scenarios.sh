#!/bin/bash
# The scenarios of traces/scenarios, each on the four kernels that are shipped; and their language's documentation.
# MMUSIM, the program; CONFIGS, the shipped machines; SRC, the tree.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
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

# Packed, on standard input, from a pipe: found by the name or by the first statement, and all the same answers.
page=traces/scenarios/fork.mms
same() { # WHAT COMMAND...
    "${@:2}" 2>&1 | sed '1d; $d' | cmp -s - "$scratch/plain" || fail "$1: $("${@:2}" 2>&1 | head -n 2)"
}
"$MMUSIM" run --config pentium3-i386 $page | sed '1d; $d' >"$scratch/plain"
for tool in gzip xz $(command -v bzip2); do # a bare Debian has no bzip2
    "$tool" -c $page >"$scratch/packed"
    cp "$scratch/packed" "$scratch/packed.mms"
    same "$tool" "$MMUSIM" run --config pentium3-i386 "$scratch/packed"
    same "$tool, by name" "$MMUSIM" run --config pentium3-i386 "$scratch/packed.mms"
    same "$tool, forced" "$MMUSIM" run --config pentium3-i386 --trace-format scenario "$scratch/packed"
    "$MMUSIM" run --config pentium3-i386 - <"$scratch/packed" | sed '1d; $d' | cmp -s - "$scratch/plain" || fail "$tool: standard input"
    # shellcheck disable=SC2002 # a pipe is meant
    cat "$scratch/packed" | "$MMUSIM" run --config pentium3-i386 - | sed '1d; $d' | cmp -s - "$scratch/plain" || fail "$tool: a pipe"
done
"$MMUSIM" run --config pentium3-i386 <(cat $page) | sed '1d; $d' | cmp -s - "$scratch/plain" || fail "a pipe by its name"
echo 'source packed.mms' >"$scratch/names.mms"
"$MMUSIM" run --config pentium3-i386 "$scratch/names.mms" | grep -q ' expectations, 0 failed$' || fail "a packed file that is named"
xz -c $page | head -c 500 >"$scratch/cut.mms"
for words in "$scratch/cut.mms: byte [0-9]*: .*truncated" 'read once, expected one --config' 'names.mms:1:1: found .source packed.mms., expected a reference'; do
    case $words in
    read*) "$MMUSIM" run --config pentium3-i386 --config pentium4-pae - <$page ;;
    names*) "$MMUSIM" run --config pentium3-i386 --trace-format text "$scratch/names.mms" ;;
    *) "$MMUSIM" run --config pentium3-i386 "$scratch/cut.mms" ;;
    esac >"$scratch/out" 2>"$scratch/err"
    [[ $? == 2 && ! -s $scratch/out && $(wc -l <"$scratch/err") == 1 ]] && grep -q "$words" "$scratch/err" ||
        fail "expected '$words', said: $(cat "$scratch/err")"
done

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
