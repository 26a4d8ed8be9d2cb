#!/bin/bash
# mmusim-vectors: what it says of vectors that disagree, and of input that is no vector. That the shipped ones agree is the ctest "vectors".
set -u
vectors=$(dirname "$MMUSIM")/mmusim-vectors
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

# expect NAME STATUS PATTERN ARGUMENT...: runs with standard input from $scratch/in; the pattern must match what it prints
expect() {
    local name=$1 status=$2 pattern=$3
    shift 3
    "$vectors" "$@" <"$scratch/in" >"$scratch/out" 2>"$scratch/err"
    local got=$?
    if [[ $got != "$status" ]] || ! cat "$scratch/out" "$scratch/err" | grep -Eq -- "$pattern"; then
        echo "$name: status $got, expected $status; expected to match: $pattern"
        sed 's/^/    /' "$scratch/out" "$scratch/err"
        failures=1
    fi
    if [[ $status == 2 ]] && [[ $(grep -c . "$scratch/err") -gt 2 ]]; then
        echo "$name: more than one line for bad input"
        failures=1
    fi
}

good='id=a mode=4l maxpa=40 cr0=80000011 cr3=1000 cr4=20 efer=500 va=5008 acc=r cpl=3 L4=1000:2007:2027 L3=2000:3007:3027 L2=3000:4007:4027 L1=4028:9007:9027 res=ok pa=9008 ps=1000'
# line FROM TO: the good line with one thing changed
line() { printf '%s\n' "${good/"$1"/"$2"}" >"$scratch/in"; }

line '' ''
expect 'a vector' 0 '^1 of 1 agree$' -
line 'pa=9008' 'pa=a008'
expect 'another address' 1 '^-:1: a: pa: got 9008, expected a008 \(cold\)$' -
expect 'the count of it' 1 '^0 of 1 agree$' -
line 'L1=4028:9007:9027' 'L1=4028:9007:9007'
expect 'another flag' 1 'a: L1: got 9027, expected 9007 \(cold\)' -
line 'res=ok' 'res=pf ec=5'
expect 'another outcome' 1 'a: res: got ok, expected pf \(warm\)' -
line 'L1=4028:9007' 'L1=4028:9006'
expect 'not present' 1 'a: res: got pf, expected ok' -
line 'mode=4l' 'mode=pae pdpt=0,7,0,0'
expect 'a refused load' 1 'a: load: got gp, expected ok' -

line 'maxpa' 'maxpb'
expect 'unknown key' 2 '^-:1:14: unknown key "maxpb"$' -
line 'cr0=80000011' 'cr0=8000001g'
expect 'a bad digit' 2 '^-:1:' -
line 'cr0=80000011' 'cr0=ffffffffffffffff0'
expect 'too large' 2 '^-:1:27: cr0: the number does not fit in 64 bits$' -
line 'cr0=80000011' 'cr0='
expect 'no number' 2 'cr0: expected a hexadecimal number' -
line ' cr3' '  cr3'
expect 'two spaces' 2 'expected key=value \(one space between two of them\)' -
line 'maxpa=40' 'maxpa=64'
expect 'out of range' 2 'maxpa: expected 32 to 52' -
line 'acc=r' 'acc=rw'
expect 'a bad word' 2 'acc: expected one of r, w, x, ir' -
line 'cpl=3' 'cpl=3 cpl=3'
expect 'given twice' 2 'cpl: given twice' -
line ' cpl=3' ''
expect 'missing' 2 'cpl is missing' -
line ' pa=9008' ''
expect 'missing with ok' 2 'pa is missing \(res=ok\)' -
line 'L4=1000:2007:2027' 'L4=1000:2007'
expect 'half an entry' 2 "L4: expected ':' and another number" -
line 'L4=1000' 'L4=1004'
expect 'a crooked entry' 2 'L4: 1004 is no 8-byte address below' -
line 'L4=1000' 'L4=ffffffffffffffff'
expect 'an entry outside' 2 'L4: ffffffffffffffff is no 8-byte address below' -
line 'va=5008' 'va=5ffe'
expect 'a crossing access' 2 'va: the access crosses a page' -
printf '\n' >"$scratch/in"
expect 'an empty line' 2 '^-:1:1: expected key=value' -
printf '# nothing else\n' >"$scratch/in"
expect 'no vector' 2 '^-: holds no vector$' -
: >"$scratch/in"
expect 'an empty file' 2 '^-: holds no vector$' -
head -c 70000 /dev/zero | tr '\0' a >"$scratch/in"
expect 'a long line' 2 'longer than 65536 bytes' -
expect 'a directory' 2 'Is a directory' "$scratch"
expect 'no file' 2 'No such file or directory' "$scratch/absent"
expect 'an unknown option' 2 'unknown option "--fast"' --fast
expect 'no argument' 2 '^usage: '

for _ in {1..200}; do printf '%s\n' "$good"; done | gzip -9 >"$scratch/many.gz"
expect 'compressed' 0 '^200 of 200 agree$' "$scratch/many.gz"
head -c 120 "$scratch/many.gz" >"$scratch/cut.gz"
expect 'cut short' 2 'truncated gzip input' "$scratch/cut.gz"
exit $failures
