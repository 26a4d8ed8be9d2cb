#!/bin/bash
# mmusim run: two threads and one give the same bytes; processes and processors of a trace; traces that end too early.
#
# Environment: MMUSIM, the program; CONFIGS, the shipped machines; SRC, the source tree.
set -u
export MMUSIM_CONFIG_PATH=$CONFIGS
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

# value PATH FILE...: of the first row of a CSV report with that path; machine: optional, in $machine
value() {
    awk -F, -v path="$1" -v machine="${machine-}" '$3 == path && (machine == "" || $1 == machine) {print $5; exit}' "$2"
}

expect() {
    [[ $2 == "$3" ]] || fail "$1: $2, expected $3"
}

# ---- one thread and two ----
cc1=$SRC/traces/cc1.mmt
for options in "" "--set window=6" "--warmup 12345 --limit 70001" "--classify --limit 50000" \
    "--config zen4 --limit 300000 --format json"; do
    for threads in 1 2; do
        # shellcheck disable=SC2086
        "$MMUSIM" run --config skylake-sp --limit 400000 $options --threads $threads "$cc1" >out$threads 2>err ||
            fail "run $options --threads $threads: exit status is not 0: $(cat err)"
    done
    cmp -s out1 out2 || fail "run $options: two threads print something else than one"
done
for threads in 1 2; do
    "$MMUSIM" run --config haswell --threads $threads - <"$cc1" >out$threads 2>err || fail "standard input: $(cat err)"
done
cmp -s out1 out2 || fail "standard input: two threads print something else than one"

# ---- a trace that ends too early: no report, the same complaint ----
head -c 600000 "$cc1" >short.mmt
for threads in 1 2; do
    "$MMUSIM" run --config haswell --threads $threads short.mmt >out$threads 2>err$threads
    expect "a short trace, $threads threads: exit status" $? 2
    [[ ! -s out$threads ]] || fail "a short trace, $threads threads: it gives a report"
    grep -q "references before that could be replayed" err$threads || fail "a short trace: said '$(cat err$threads)'"
done
cmp -s err1 err2 || fail "a short trace: two threads complain of something else than one"
printf 'I  00001000,4\n L 00002000,8\n L zz,8\n' >bad.txt
for threads in 1 2; do
    "$MMUSIM" run --config haswell --threads $threads bad.txt >out$threads 2>err$threads
    expect "a bad line, $threads threads: exit status" $? 2
    grep -q "^mmusim: bad.txt:3:" err$threads || fail "a bad line: said '$(cat err$threads)'"
done
cmp -s err1 err2 || fail "a bad line: two threads complain of something else than one"

# ---- processes: an address space each ----
alternate() { # ROUNDS PIDS CPUS
    awk -v rounds="$1" -v pids="$2" -v cpus="$3" 'BEGIN {
        for (i = 0; i < rounds; i++) {
            if (pids) printf "# mmusim: process %d\n", 100 + i % pids
            if (cpus) printf "# mmusim: cpu %d\n", 7 * (i % cpus)
            printf "I  00401000,4\n L 00602000,8\n S 00603000,8\n"
        }
    }'
}
alternate 10 1 0 >one.txt
alternate 10 2 0 >two.txt
alternate 10 0 0 >none.txt
for t in one two none; do
    "$MMUSIM" run --config haswell --format csv $t.txt >$t.csv 2>err || fail "$t: $(cat err)"
done
expect "one process is as none" "$(tail -n +2 one.csv | cut -d, -f3- | grep -v trace)" \
    "$(tail -n +2 none.csv | cut -d, -f3- | grep -v trace)"
expect "one process: resolved faults" "$(value run.faults_resolved one.csv)" 3
expect "two processes: resolved faults" "$(value run.faults_resolved two.csv)" 6
expect "one process: loads of control registers" "$(value run.mov_cr one.csv)" 0
expect "two processes: loads of control registers" "$(value run.mov_cr two.csv)" 9
walks() {
    value walk.started.fetch "$1"
}
"$MMUSIM" run --config haswell --set cpu.pcid=false --format csv two.txt >flush.csv 2>err || fail "flush: $(cat err)"
[[ $(walks two.csv) -lt $(walks flush.csv) ]] || fail "PCIDs keep nothing: $(walks two.csv), without $(walks flush.csv)"
expect "without PCIDs every turn walks" "$(walks flush.csv)" $((10 + 2)) # and once more behind each first fault

# ---- processors ----
alternate 12 0 3 >cpus.txt
"$MMUSIM" run --config haswell --format csv cpus.txt >cpus1.csv 2>err || fail "cpus: $(cat err)"
grep -q "all of it was run on one core" err || fail "cpus: said '$(cat err)'"
"$MMUSIM" run --config haswell --set cores=3 --format csv cpus.txt >cpus3.csv 2>err || fail "cores=3: $(cat err)"
for core in 0 1 2; do
    expect "core $core: fetches" "$(machine="haswell core $core" value run.accesses.fetch.user cpus3.csv)" 4
done
expect "all cores: fetches" "$(machine=haswell value run.accesses.fetch.user cpus3.csv)" 12
"$MMUSIM" run --config haswell --set cores=2 --format csv cpus.txt >cpus2.csv 2>err || fail "cores=2: $(cat err)"
grep -q "they share them" err || fail "cores=2: said '$(cat err)'"
expect "two cores: all fetches" "$(machine=haswell value run.accesses.fetch.user cpus2.csv)" 12
"$MMUSIM" run --config haswell --set cores=3 none.txt >out 2>err
expect "cores without processors: exit status" $? 2

((failures == 0)) || echo "$failures failures"
exit $((failures != 0))
