#!/bin/bash
# mmusim config: list, show, check, keys, and what they say to bad input.
#
# Environment: MMUSIM, the program; CONFIGS, the shipped machines.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"

refused() {
    says_no "$1" config "${@:2}"
}

"$MMUSIM" config list >"$scratch/list" || fail "list: exit status $?"
grep -q '^skylake-sp  *Intel Skylake-SP' "$scratch/list" || fail "list: no Skylake-SP"
LC_ALL=C sort -c "$scratch/list" || fail "list: not sorted"

# Each shown machine, saved and shown again, is the same text.
for file in "$CONFIGS"/*.yaml; do
    name=$(basename "$file" .yaml)
    "$MMUSIM" config show "$name" --output "$scratch/saved.yaml" || fail "show $name: exit status $?"
    "$MMUSIM" config show "$scratch/saved.yaml" | cmp - "$scratch/saved.yaml" || fail "show $name: reads back differently"
done

"$MMUSIM" config check "$CONFIGS"/*.yaml >"$scratch/out" || fail "check: exit status $?"
[[ $(grep -c ': ok: ' "$scratch/out") == $(ls "$CONFIGS"/*.yaml | wc -l) ]] || fail "check: $(cat "$scratch/out")"
"$MMUSIM" config show zen4 --set window=3 --set window=12 | grep -qx 'window: 12' || fail "show --set: the last one does not win"
"$MMUSIM" config keys | grep -qx 'tlb.NAME.entries' || fail "keys: no tlb.NAME.entries"
# The caller's own replacement policy is offered where there can be one: in TLBs.
[[ $("$MMUSIM" config keys | grep -B2 'mru3plru4, user$' | grep replacement) == tlb.NAME.replacement ]] || fail "keys: who takes replacement: user"
[[ $("$MMUSIM" config keys | grep -c 'mru3plru4$') == 6 ]] || fail "keys: not six other replacement policies"

printf 'inherit: haswell\ntlb:\n  STLB: {wyas: 4}\n' >"$scratch/bad.yaml"
refused "bad.yaml:3:10: tlb.STLB: unknown key 'wyas'; did you mean 'ways'?" show "$scratch/bad.yaml"
refused "bad.yaml:3:10: tlb.STLB: unknown key 'wyas'; did you mean 'ways'?" check "$scratch/bad.yaml"
refused "$scratch/: a directory; expected a YAML file" check "$scratch/"
refused "no machine is named 'skylke-sp'; did you mean 'skylake-sp'?" show skylke-sp
refused "--set windwo=3: unknown key 'windwo'; did you mean 'window'?" show zen2 --set windwo=3
refused "--set window=18446744073709551615: expected a number from 1 to 1024, got '18446744073709551615'" \
    show zen2 --set window=18446744073709551615
refused "config show: expected one machine, got 0" show
refused "config check: expected at least one machine" check
refused "config list: takes no --set" list --set a=b
refused "did you mean 'show'?" shwo zen2
refused "expected list, show, check or keys"

# A file that fails does not hide the others; a failed write shows, and leaves what was there.
"$MMUSIM" config check "$scratch/bad.yaml" zen2 >"$scratch/out" 2>"$scratch/err"
[[ $? == 2 && $(cat "$scratch/out") == "zen2: ok: "* ]] || fail "check of two: $(cat "$scratch/out")"
"$MMUSIM" config show zen2 >/dev/full 2>"$scratch/err" && fail "show to a full device succeeded"
[[ -s $scratch/err ]] || fail "show to a full device said nothing"
echo before >"$scratch/kept"
"$MMUSIM" config show zen2 --set window=0 --output "$scratch/kept" 2>"$scratch/err"
[[ $(cat "$scratch/kept") == before ]] || fail "a refused machine overwrote the output"

verdict "all of config's texts are as expected"
