#!/bin/bash
# mmusim trace: convert and info, round trips through the program, and bad input.
#
# Environment: MMUSIM, the program; DATA, tests/data.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 1

# refused STATUS MESSAGE ARGUMENT...: this exit status, this and only this line on standard error, nothing on standard output
refused() {
    fails_with "$1" trace "${@:3}" </dev/null
    [[ $(cat err) == "mmusim: $2" ]] || fail "trace ${*:3}: said '$(cat err)', expected '$2'"
}

real=$DATA/trace/true.lackey.gz

# ---- a recording to binary and back: the same lines but for Valgrind's own ----
"$MMUSIM" trace convert --source "a static program" "$real" a.mmt || fail "convert: exit status $?"
gzip -dc "$real" | grep -v '^==' >expected
"$MMUSIM" trace convert --text a.mmt - >text || fail "convert to text: exit status $?"
[[ $(head -1 text) == "# a static program" ]] || fail "the source is not in the text"
sed 1d text | cmp - expected || fail "the round trip changed the trace"
[[ $(stat -c %s a.mmt) -lt $(stat -c %s "$real") ]] || fail "the binary form is larger than gzip's"
"$MMUSIM" trace convert - b.mmt <text || fail "convert from standard input"
cmp <("$MMUSIM" trace convert --text --source x b.mmt -) <("$MMUSIM" trace convert --text --source x a.mmt -) ||
    fail "standard input gives another trace"

# ---- parts ----
"$MMUSIM" trace convert --skip 100 --limit 50 a.mmt part.mmt
"$MMUSIM" trace convert --text --skip 100 --limit 50 "$real" part.txt
cmp <("$MMUSIM" trace convert --text --source x part.mmt -) <("$MMUSIM" trace convert --text --source x part.txt -) ||
    fail "--skip and --limit depend on the form"
"$MMUSIM" trace info part.mmt | grep -q '^references  *50$' || fail "--limit 50 gives not 50 references"
"$MMUSIM" trace info part.mmt | grep -q '^source  *a static program$' || fail "the source is not handed on"

# ---- counts are spelt in the same way everywhere ----
text() {
    "$MMUSIM" trace "$1" --text --source x "${@:2}" -
}
text convert --skip 1024 --limit 2048 a.mmt >part.txt
text convert --skip 1K --limit 0x800 a.mmt | cmp - part.txt || fail "convert --skip 1K --limit 0x800"
text convert --skip 0x400 --limit 2k a.mmt | cmp - part.txt || fail "convert --skip 0x400 --limit 2k"
text cut --records 1K:3K a.mmt | cmp - part.txt || fail "cut --records 1K:3K"
cmp <(text merge --by round-robin:1K a.mmt a.mmt) <(text merge --by round-robin:0x400 a.mmt a.mmt) || fail "merge --by round-robin:1K"
cmp <("$MMUSIM" trace stats --top 1K a.mmt) <("$MMUSIM" trace stats --top 1024 a.mmt) || fail "stats --top 1K"
cmp <("$MMUSIM" run --config haswell --warmup 1K --limit 2K a.mmt 2>/dev/null) <("$MMUSIM" run --config haswell --warmup 1024 --limit 0x800 a.mmt 2>/dev/null) ||
    fail "run --warmup 1K --limit 2K"
refused 2 "--limit: '1KiB' is not a number with an optional suffix K, M, G or T" convert --limit 1KiB a.mmt o.mmt
refused 2 "--skip: '1.5K' is not a number with an optional suffix K, M, G or T" convert --skip 1.5K a.mmt o.mmt
refused 2 "--skip: '16777216T' is larger than 2^64 - 1" convert --skip 16777216T a.mmt o.mmt
for command in "trace record" "trace convert" "trace cut" "trace merge" "trace stats" run; do
    # shellcheck disable=SC2086
    "$MMUSIM" $command --help | grep -q 'K, M, G or T behind those of --' || fail "$command --help does not tell of suffixes"
done

# ---- the binary form through a pipe, and its versions ----
"$MMUSIM" trace convert text - | "$MMUSIM" trace convert --text --source x - piped.txt || fail "the binary form through a pipe"
cmp <("$MMUSIM" trace convert --text --source x a.mmt -) piped.txt || fail "a pipe changed the trace"
for version in 1 2; do
    old=$DATA/trace/version$version.mmt
    cmp <("$MMUSIM" trace convert --text --source x --limit 3000 a.mmt -) <("$MMUSIM" trace convert --text --source x "$old" -) ||
        fail "version $version is not read"
    "$MMUSIM" trace info "$old" | grep -q "^form *binary, version $version$" || fail "version $version is not told"
    "$MMUSIM" trace verify "$old" >/dev/null || fail "version $version is not found whole"
done

# ---- info: counts as grep counts them, the same whatever the form ----
"$MMUSIM" trace info "$real" | grep -v '^trace\|^form\|^source\|^other lines' >by-text
"$MMUSIM" trace info a.mmt | grep -v '^trace\|^form\|^source' >by-binary
cmp by-text by-binary || fail "info depends on the form"
modifies=$(grep -c '^ M' expected)
awk -v n=$(($(grep -c '^ L' expected) + modifies)) '$1 == "loads" && $2 == n { ok = 1 } END { exit !ok }' by-text || fail "loads"
awk -v n=$(($(grep -c '^ S' expected) + modifies)) '$1 == "stores" && $2 == n { ok = 1 } END { exit !ok }' by-text || fail "stores"
awk -v n="$(grep -c '^I' expected)" '$1 == "fetches" && $2 == n { ok = 1 } END { exit !ok }' by-text || fail "fetches"
# Pages, counted another way: no reference of this trace is longer than a page.
pages=$(tr ',' ' ' <expected | awk '{ print $2, $3 }' | while read -r va size; do
    echo $((0x$va >> 12)) $(((0x$va + size - 1) >> 12))
done | tr ' ' '\n' | sort -u | wc -l)
awk -v n="$pages" '$1 == "4K" && $2 == n { ok = 1 } END { exit !ok }' by-text || fail "4K pages are not $pages"
"$MMUSIM" trace info --format json --output a.json a.mmt || fail "--format json"
grep -q "\"pages\": $pages," a.json || fail "JSON has another number of pages"
grep -q "\"checksum\": \"$(awk '$1 == "checksum" { print $2 }' by-text)\"" a.json || fail "JSON has another checksum"

# ---- a footprint of two million pages, all over the place: counted in about the time that they take to read ----
awk 'BEGIN { for (i = 1; i <= 2000000; i++) printf " L %x000,8\n", i * 1610612741 % 2147483647 }' >pages.txt
timeout 60 "$MMUSIM" trace info pages.txt >many || fail "a large footprint: exit status $?"
awk '$1 == "4K" && $2 == 2000000 { ok = 1 } END { exit !ok }' many || fail "a large footprint: $(cat many)"

# ---- words of our own ----
printf 'I 1000,4 k\nL 2000,8 k +\nS ffffffffffffffff,1 i + g7\n M 3000,4 g4294967295\n' >own.txt
"$MMUSIM" trace convert --source x own.txt own.mmt && "$MMUSIM" trace convert --text own.mmt - >own.again
printf '# x\nI  00001000,4 k\n L 00002000,8 k +\n S ffffffffffffffff,1 i + g7\n M 00003000,4 g4294967295\n' | cmp - own.again ||
    fail "own words change"

# ---- the shipped traces: whole, with fetches; four of five million references or more, two beyond 64 MiB ----
large=0 long=0
for trace in "$SRC"/traces/*.mmt; do
    "$MMUSIM" trace info "$trace" >info || fail "$trace: exit status $?"
    awk '$1 == "fetches" && $2 > 0 { ok = 1 } END { exit !ok }' info || fail "$trace: no fetches"
    awk '$1 == "references" && $2 >= 5000000 { ok = 1 } END { exit !ok }' info && long=$((long + 1))
    awk '$1 == "4K" && $2 >= 16384 { ok = 1 } END { exit !ok }' info && large=$((large + 1))
    [[ $(stat -c %s "$trace") -lt 10000000 ]] || fail "$trace: too large"
done
[[ $long -ge 4 ]] || fail "only $long shipped traces have five million references"
[[ $large -ge 2 ]] || fail "only $large shipped traces reach 64 MiB"

# ---- damage ----
head -c 3000 a.mmt >cut.mmt
refused 2 "cut.mmt: byte 184: block 0: the file ends inside it (0 references before it)" info cut.mmt
refused 2 "cut.mmt: byte 184: block 0: the file ends inside it" convert cut.mmt o.mmt
[[ ! -e o.mmt ]] || fail "half a conversion is left"
{ cat text && echo "L 12,9000"; } >bad.txt
lines=$(wc -l <bad.txt)
refused 2 "bad.txt:$lines:6: found '9000', expected a size of 1 to 4096 bytes" convert bad.txt o.mmt
"$MMUSIM" trace convert --salvage bad.txt salvaged.mmt 2>err
[[ $? == 1 ]] || fail "--salvage: exit status is not 1"
grep -q "salvaged.mmt: the [0-9]* references before the damage are kept" err || fail "--salvage does not say what it kept"
cmp <("$MMUSIM" trace convert --text --source x salvaged.mmt -) <("$MMUSIM" trace convert --text --source x a.mmt -) ||
    fail "--salvage lost something"

# ---- bad input ----
: >empty
mkdir folder
refused 2 "empty: the file is empty, expected a trace" info empty
refused 2 "folder: is a directory, expected a trace file" info folder
refused 2 "absent: cannot open: No such file or directory" info absent
refused 2 "no/place: cannot be written: No such file or directory" convert a.mmt no/place
refused 2 "folder: is a directory, expected a place for a file" convert a.mmt folder
refused 2 "trace: expected info, convert, cut, merge, stats, verify or record; 'mmusim trace --help' explains"
refused 2 "unknown trace command 'convrt'; did you mean 'convert'?" convrt a b
refused 2 "trace help: expected one command" help cut merge
refused 2 "trace convert: expected two files, IN and OUT" convert a.mmt
refused 2 "trace info: expected one trace" info
"$MMUSIM" trace convert --skip 18446744073709551615 a.mmt o.mmt 2>err
[[ $? == 2 && $(cat err) == "mmusim: a.mmt: cannot go to reference 18446744073709551615: the trace has "* ]] || fail "--skip 2^64-1"
"$MMUSIM" trace convert --limit 18446744073709551615 a.mmt o.mmt || fail "--limit 2^64-1"
rm -f o.mmt
"$MMUSIM" trace convert --text a.mmt /dev/full 2>err
[[ $? == 2 && $(cat err) == "mmusim: /dev/full: cannot write: No space left on device" ]] || fail "a full disk: $(cat err)"
for part in "" convert info; do
    # shellcheck disable=SC2086
    "$MMUSIM" trace $part --help | grep -q '^Usage: mmusim trace ' || fail "trace $part --help"
    # shellcheck disable=SC2086
    cmp <("$MMUSIM" help trace $part) <("$MMUSIM" trace $part --help) || fail "help trace $part"
    # shellcheck disable=SC2086
    cmp <("$MMUSIM" trace help $part) <("$MMUSIM" trace $part --help) || fail "trace help $part"
done
[[ -z $(find . -name '*.tmp.*') ]] || fail "temporary files are left"

verdict "all is well"
