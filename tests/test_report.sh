#!/bin/bash
# mmusim run: its reports, byte for byte and against each other, and bad input.
#
# Environment: MMUSIM, the program; DATA, tests/data; CONFIGS, the shipped machines. GOLDEN=write rewrites the expected reports.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$DATA/report" || exit 1

# good NAME ARGUMENT...: succeeds, says nothing but its speed on standard error; the report is $scratch/NAME
good() {
    local name=$1
    shift
    "$MMUSIM" run "$@" >"$scratch/$name" 2>"$scratch/error" </dev/null || fail "$name: exit status $?: $(cat "$scratch/error")"
    [[ $(grep -vcE '^mmusim: [0-9]+ references in [0-9.]+ s: [0-9.]+ million/s, [0-9.]+ for each one simulated$' "$scratch/error") == 0 ]] ||
        fail "$name says $(cat "$scratch/error")"
}

# bad NAME PATTERN ARGUMENT...: exit status 2, one line on standard error that matches, nothing on standard output
bad() {
    fails_with 2 run "${@:3}" </dev/null
    grep -qE -- "$2" "$scratch/err" || fail "$1: says $(cat "$scratch/err")"
}

# golden NAME: $scratch/NAME is what it was, and no line is wider than 100 columns. What changes with a release or with a new key of machines
# is masked: the version, the hash of the config.
golden() {
    sed -E 's/mmusim [0-9.]+,/mmusim VERSION,/; s/config [0-9a-f]{16}/config HASH/' "$scratch/$1" >"$scratch/masked"
    [[ ${GOLDEN:-} == write ]] && cp "$scratch/masked" "$1.expected"
    diff "$1.expected" "$scratch/masked" >"$scratch/diff" || fail "$1 is not as expected: $(head -5 "$scratch/diff")"
    awk 'length > 100 { exit 1 }' "$scratch/$1" || fail "$1 is wider than 100 columns"
}

# value FILE PATH: of the first run in a CSV
value() { awk -F, -v path="$2" '$3 == path { print $5; exit }' "$1"; }

# values NAME PATH=VALUE...
values() {
    local name=$1 pair
    shift
    for pair; do
        [[ $(value "$scratch/$name" "${pair%=*}") == "${pair#*=}" ]] ||
            fail "$name: ${pair%=*} is $(value "$scratch/$name" "${pair%=*}"), expected ${pair#*=}"
    done
}

### Reports.

tiny="--config ./tiny.yaml"
# shellcheck disable=SC2086
{
    good tiny.txt $tiny tiny.lackey
    golden tiny.txt
    good again $tiny tiny.lackey
    cmp -s "$scratch/tiny.txt" "$scratch/again" || fail "the same run prints something else"
    good output $tiny --output "$scratch/written" tiny.lackey
    cmp -s "$scratch/tiny.txt" "$scratch/written" || fail "--output writes something else"
    [[ ! -s $scratch/output ]] || fail "--output prints too"
    good machines.txt $tiny --config ./wide.yaml tiny.lackey
    golden machines.txt
    good traces.txt $tiny tiny.lackey data.lackey
    golden traces.txt
    good words.json $tiny --format json tiny.lackey
    grep -A2 '"faults.resolved": {' "$scratch/words.json" | grep -q '"#PF that the pager or the kernel resolved"' || fail "who resolves faults"
    good csv $tiny --format csv tiny.lackey
    good both $tiny --config ./wide.yaml --format=csv tiny.lackey data.lackey
}

# By pencil: 6 fetches and a M line, which is a load and a store.
values csv run.accesses.fetch.user=6 run.accesses.load.user=8 run.accesses.store.user=4 run.crossings.store=1 \
    run.instructions=6 walk_latency.count="$(value "$scratch/csv" figure.walk.started)"

# Everything adds up: the ledger, the kinds, the levels.
awk -F, '
    $3 ~ /^cycles\.(issue$|stalled\.)/ { ledger += $5 }
    $3 == "cycles.elapsed" { elapsed = $5 }
    $3 ~ /^run\.accesses\./ { accesses += $5 }
    $3 ~ /^tlb\.[^.]*\.hits\./ { hits += $5 }
    $3 ~ /^tlb\.[^.]*\.misses\./ { misses += $5 }
    $3 ~ /^level\.[12]\.accesses\./ { lookups += $5 }
    $3 ~ /^reads\./ { reads += $5 }
    $3 == "walk.references" { references = $5 }
    END { exit !(elapsed && ledger == elapsed && accesses == 18 && lookups && hits + misses == lookups && reads == references) }
' "$scratch/csv" || fail "the CSV does not add up"
awk -F, 'NR > 1 { runs[$1 "," $2]++ } NF != 5 { exit 1 } END { for (run in runs) n += runs[run] == runs["tiny,tiny.lackey"]; exit n != 4 }' \
    "$scratch/both" || fail "the CSV of two machines and two traces has not four runs of equal rows"

# A warm-up and what it leaves out are the whole, counter by counter; but for time, since the machine waits at the end of the warm-up, and,
# where accesses overlap, for what depends on time.
elsewhere='^(figure|replay|trace)[.]|^walk_latency[.]max$|^cycles[.](elapsed|ideal|stalled)'
for machine in tiny wide; do
    for n in 1 5 10 17; do
        good whole --config ./$machine.yaml --format csv tiny.lackey
        good head --config ./$machine.yaml --format csv --limit $n tiny.lackey
        good tail --config ./$machine.yaml --format csv --warmup $n tiny.lackey
        paste -d, "$scratch/whole" "$scratch/head" "$scratch/tail" | awk -F, -v elsewhere="$elsewhere" '
            NR > 1 && $3 !~ elsewhere && $5 != $10 + $15 { print $3 ": " $5 " is not " $10 " + " $15; exit 1 }
            $15 + 0 < 0 { print $3 " is " $15; exit 1 }' >"$scratch/diff" ||
            fail "$machine, $n references: $(cat "$scratch/diff")"
        values tail replay.warmup=$n replay.measured=$((18 - n))
        values head replay.warmup=0 replay.measured=$n
    done
    elsewhere="$elsewhere|^cycles[.]charged|^walk[.](merged|wait|pending|active)|^walk_latency|[.]merged[.]"
done

# Nothing to tell: no paging, no look-ups, no walks; no structures at all.
good off --config ./tiny.yaml --set pager.enabled=false tiny.lackey
grep -q '^Page walks: none' "$scratch/off" || fail "without paging there are walks"
grep -q 'translation costs 0 of ' "$scratch/off" || fail "without paging translation costs"
grep -qi 'nan\|inf ' "$scratch/off" && fail "without paging some number is none"

# An override is the same as a file that says so.
good set --config ./tiny.yaml --set window=4 --set walk.walkers=2 --format csv tiny.lackey
good file --config ./wide.yaml --format csv tiny.lackey
cmp -s <(sed 's/^tiny,//' "$scratch/set") <(sed 's/^wide,//' "$scratch/file") || fail "--set differs from a file"

# Every miss has a class, and nothing else changes; without --classify nobody speaks of them.
# User and kernel apart, where there is a kernel: each level's rows add up to the level's own.
for i in {1..40}; do
    printf ' L %x,8\nS %x,8 k\nI %x,4 k\n' $((0x1000 * i)) $((0xc0000000 + 0x1000 * (i % 3))) 0xc1000000
done >"$scratch/kernel.trace"
good kernel.txt --config ./tiny.yaml "$scratch/kernel.trace"
awk '
    /^TLBs by authority/ { on = 1 } /^TLB contents/ { on = 0 }
    on && /level 1 / { n[$3] = $4; sum += $4; if ($4 != $5 + $6) exit 1 }
    END { exit !(n["user"] == 40 + 40 && n["supervisor"] == 80 + 4 && sum == 164) }' "$scratch/kernel.txt" || # first touches look twice
    fail "user and kernel are not apart: $(grep -A8 '^TLBs by' "$scratch/kernel.txt")"
grep -q 'TLBs by authority' "$scratch/off" && fail "no kernel, and its share is printed"

good classes --config ./tiny.yaml --format csv --classify tiny.lackey
class='[.](compulsory|capacity|conflict)([.]|$)'
cmp -s "$scratch/csv" <(awk -F, -v class="$class" '$3 !~ class' "$scratch/classes") || fail "--classify changes something else"
awk -F, -v class="$class" '
    $3 ~ /^tlb[.]/ && $3 ~ class { n += $5 }
    $3 ~ /^figure[.]tlb[.]/ && $3 ~ class { figures += $5 }
    $3 ~ /^figure[.]level[.]/ && $3 ~ class { levels += $5 }
    $3 ~ /^tlb[.][^.]*[.]misses[.]/ { misses += $5 }
    END { exit !(n && n == misses && figures == misses && levels == misses) }
' "$scratch/classes" || fail "the classes do not sum to the misses"
# By pencil: DTLB has two entries. Each page faults at its first touch, and is then found: twice compulsory, the pages 600 to 603 and 7ffff.
values classes figure.tlb.DTLB.compulsory=10 figure.tlb.DTLB.conflict=0 figure.tlb.ITLB.compulsory=4 figure.tlb.ITLB.misses=4
good classes.txt --config ./tiny.yaml --classify tiny.lackey
golden classes.txt
good classes2.txt --config ./tiny.yaml --config ./wide.yaml --classify tiny.lackey
grep -qE '^  L1 TLB misses, compulsory +14 +14$' "$scratch/classes2.txt" || fail "the table has no classes"
grep -qi compulsory "$scratch/tiny.txt" "$scratch/machines.txt" && fail "a report speaks of classes unasked"
good warm --config ./tiny.yaml --format csv --classify --warmup 17 tiny.lackey
grep -q compulsory "$scratch/warm" && fail "classes of a run without misses"

# The seed is the machine's, or --seed's.
good seed --config ./tiny.yaml --format csv --seed 18446744073709551615 tiny.lackey
values csv replay.seed=7 trace.complete=1
values seed replay.seed=18446744073709551615

# Two machines of one name stay apart; a trace can come from standard input, packed.
good twice --config ./tiny.yaml --config ./tiny.yaml --config ./tiny.yaml --format csv tiny.lackey
[[ $(cut -d, -f1 "$scratch/twice" | sort -u | grep -c tiny) == 3 ]] || fail "three machines of one name"
gzip -c tiny.lackey | "$MMUSIM" run --config ./tiny.yaml --format csv - >"$scratch/stdin" 2>/dev/null || fail "standard input: exit status $?"
cmp -s <(cut -d, -f3- "$scratch/csv") <(cut -d, -f3- "$scratch/stdin") || fail "standard input gives something else"

# The binary form of a trace gives the same numbers.
if "$MMUSIM" trace convert tiny.lackey "$scratch/tiny.mmt" 2>/dev/null; then
    good binary --config ./tiny.yaml --format csv "$scratch/tiny.mmt"
    cmp -s <(cut -d, -f3- "$scratch/csv") <(cut -d, -f3- "$scratch/binary") || fail "the binary form gives something else"
else
    fail "cannot convert the trace"
fi

# A limit that the trace does not reach is said, and is no error.
"$MMUSIM" run --config ./tiny.yaml --limit 18446744073709551615 tiny.lackey >"$scratch/limit" 2>"$scratch/error" || fail "--limit: exit status $?"
grep -q 'ended after 18 measured references, before the limit of 18446744073709551615' "$scratch/error" ||
    fail "--limit says $(cat "$scratch/error")"
cmp -s "$scratch/tiny.txt" "$scratch/limit" || fail "a limit behind the end changes the report"

# Help stands on standard output.
"$MMUSIM" run --help >"$scratch/help" 2>"$scratch/error" || fail "--help: exit status $?"
for option in config set warmup limit seed classify format output trace-format; do
    grep -q -- "--$option " "$scratch/help" || fail "--help does not explain --$option"
done
[[ ! -s $scratch/error ]] || fail "--help says $(cat "$scratch/error")"

### Bad input.

t=tiny.lackey
m=./tiny.yaml
bad no-config "expected --config" $t
bad no-trace "expected a trace" --config $m
bad unknown-option "did you mean '--warmup'" --config $m --warmpu 3 $t
bad unknown-format "did you mean 'json'" --config $m --format jsn $t
bad unknown-config "skylake-ps.*skylake-sp" --config skylake-ps $t
bad no-such-config "no-such.yaml" --config ./no-such.yaml $t
bad bad-set "wakers.*did you mean 'walkers'" --config $m --set walk.wakers=2 $t
bad cores "but the trace does not say on which processor it ran; expected cores: 1" --config $m --set cores=4 $t
bad no-such-trace "no-such.lackey: .*[Nn]o such file" --config $m no-such.lackey
bad directory "is a directory" --config $m .
bad no-number "warmup" --config $m --warmup many $t
bad too-large "warmup.*2\^64" --config $m --warmup 18446744073709551616 $t
bad negative "limit" --config $m --limit -1 $t
bad limit-0 "limit" --config $m --limit 0 $t
bad warm-up-all "nothing left to measure: the trace has 18 references and the warm-up takes 18" --config $m --warmup 18 $t
bad warm-up-more "the warm-up takes 18446744073709551615" --config $m --warmup 18446744073709551615 $t
: >"$scratch/empty"
bad empty "empty" --config $m "$scratch/empty"
echo "# nothing" >"$scratch/nothing"
bad no-references "no references" --config $m "$scratch/nothing"
{ cat tiny.lackey && echo " L zzz,4"; } >"$scratch/broken"
bad broken "broken:19:" --config $m "$scratch/broken"
seq 1000 | awk '{ printf " L %x,8\n", $1 * $1 * 7919 % 1000003 * 1024 }' | gzip >"$scratch/whole.gz"
head -c 1000 "$scratch/whole.gz" >"$scratch/cut.gz"
"$MMUSIM" run --config $m "$scratch/cut.gz" >"$scratch/out" 2>"$scratch/error"
[[ $? == 2 && $(wc -l <"$scratch/error") == 1 ]] || fail "truncated: says $(cat "$scratch/error")"
grep -q "incomplete: it ends too early" "$scratch/out" || fail "truncated: $(head -5 "$scratch/out")"
"$MMUSIM" run --config $m --format csv "$scratch/cut.gz" >"$scratch/cut" 2>"$scratch/error"
[[ $? == 2 ]] || fail "truncated: exit status is not 2"
values cut trace.complete=0
echo " L 100000000,8" >"$scratch/wide"
bad wide "reference 1, 8 bytes at 0x100000000, does not fit the 32-bit linear addresses of tiny" \
    --config $m --set pager.mode=i386 --set pager.page=4K "$scratch/wide"

sed 's/^memory:/memory:\n  ram: [{start: 0, size: 64K}]/' tiny.yaml >"$scratch/small.yaml"
seq 100 | awk '{ printf " L %x,8\n", $1 * 4096 }' >"$scratch/many"
bad exhausted "many: reference 12 on tiny: simulated memory is exhausted" --config "$scratch/small.yaml" "$scratch/many"

# The greatest latencies that a machine may have: a wait of one access takes more cycles than 32 bits hold.
seq 600 | awk '{ printf " L %x,8\n", $1 % 300 * 2097152 }' >"$scratch/far"
"$MMUSIM" run --config $m --set window=1024 --set walk.start=1000000000 --set walk.ad-update=1000000000 \
    --set barrier.fault=1000000000 --format csv "$scratch/far" "$scratch/far" >"$scratch/slow" 2>"$scratch/error" ||
    fail "the greatest latencies: $(cat "$scratch/error")"
awk -F, '$3 == "cycles.stalled.wait" && $5 > 2 ^ 32 { n++ } END { exit n != 2 }' "$scratch/slow" ||
    fail "the greatest latencies: $(grep cycles.stalled.wait "$scratch/slow")"

# A machine without a title is named, and nothing more is made up.
grep -v '^title:' tiny.yaml >"$scratch/untitled.yaml"
"$MMUSIM" run --config "$scratch/untitled.yaml" $t 2>/dev/null | head -1 | grep -qx 'machine   [a-z]*' || fail "untitled: a title"

# Output that cannot be written: what was there stays.
bad output-directory "/: |directory" --config $m --output . $t
bad output-nowhere "no-such-folder" --config $m --output no-such-folder/x $t
echo precious >"$scratch/old"
bad keeps-output "broken:19:" --config $m --output "$scratch/old" "$scratch/broken"
[[ $(cat "$scratch/old") == precious ]] || fail "a failed run overwrote its output"
[[ $(find "$scratch" -name 'old*' | wc -l) == 1 ]] || fail "a failed run left something behind"
if [[ -c /dev/full ]]; then
    "$MMUSIM" run --config $m $t >/dev/full 2>"$scratch/error"
    [[ $? == 2 && $(wc -l <"$scratch/error") == 1 ]] || fail "/dev/full: not one error"
    grep -q "standard output: cannot write: No space left on device" "$scratch/error" || fail "/dev/full says $(cat "$scratch/error")"
    # more than a buffer holds: the cause of the first failure is told all the same
    "$MMUSIM" config keys >/dev/full 2>"$scratch/error"
    [[ $? == 2 && $(cat "$scratch/error") == "mmusim: standard output: cannot write: No space left on device" ]] ||
        fail "/dev/full, long: $(cat "$scratch/error")"
    "$MMUSIM" run --help >/dev/full 2>"$scratch/error"
    [[ $? == 2 && $(cat "$scratch/error") == "mmusim: standard output: cannot write: No space left on device" ]] ||
        fail "/dev/full, help: $(cat "$scratch/error")"
fi

# A report does not take the place of what it is made of.
cp $t "$scratch/input.txt"
ln -s input.txt "$scratch/link"
bad output-is-trace "same file as .*input.txt, which is read" --config $m --output "$scratch/link" "$scratch/input.txt"
cp $m "$scratch/input.yaml"
bad output-is-config "same file as .*input.yaml, which is read" --config "$scratch/input.yaml" --output "$scratch/input.yaml" $t
cmp -s $t "$scratch/input.txt" && cmp -s $m "$scratch/input.yaml" || fail "a report took the place of its input"

# What a run that is killed has written goes with it, where the file system has files without names.
mkdir "$scratch/killed"
mkfifo "$scratch/killed/pipe"
"$MMUSIM" run --config $m --output "$scratch/killed/report" "$scratch/killed/pipe" 2>/dev/null &
exec 9>"$scratch/killed/pipe" # opens when the run reads, so when its output is open
kill -TERM $!
wait $! 2>/dev/null
exec 9>&-
if [[ $(stat -f -c %T "$scratch") =~ ^(tmpfs|ext2/ext3|xfs|btrfs)$ && -d /proc/self/fd ]]; then
    [[ $(ls "$scratch/killed") == pipe ]] || fail "a killed run left $(ls "$scratch/killed")"
fi

verdict "run: all well"
