#!/bin/bash
# mmusim run of plain traces on machines with a kernel: VMAs are inferred or imported.
# MMUSIM, the program; CONFIGS, the shipped machines; SRC, the tree.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"

run() { "$MMUSIM" run "$@" >"$scratch/out" 2>"$scratch/err"; }

# figure PATH: a number of the CSV report
figure() { awk -F, -v path="$1" '$3 == path { print $5 }' "$scratch/out"; }

# refused MESSAGE ARGUMENT...: exit status 2, one line, nothing printed
refused() {
    local message=$1 status
    shift
    run "$@"
    status=$?
    [[ $status == 2 && ! -s $scratch/out && $(wc -l <"$scratch/err") == 1 && $(cat "$scratch/err") == "mmusim: "*"$message"* ]] ||
        fail "run $*: exit status $status, said $(cat "$scratch/err")"
}

# The shipped traces: every fault is resolved, and walks are about as many as with the pager.
for trace in cc1 gzip32; do
    run --config skylake-sp-linux --format csv "$SRC/traces/$trace.mmt" || fail "$trace: exit status $?"
    [[ $(figure run.faults_pf) == $(figure run.faults_resolved) && $(figure run.faults_pf) -gt 50 ]] ||
        fail "$trace: $(figure run.faults_pf) faults, $(figure run.faults_resolved) resolved"
    walks=$(figure walk.completed.load)
    run --config skylake-sp --format csv "$SRC/traces/$trace.mmt"
    pager=$(figure walk.completed.load)
    ((walks > pager * 9 / 10 && walks < pager * 11 / 10)) || fail "$trace: $walks walks of loads, $pager with the pager"
done

# A 32-bit program whose addresses a 32-bit kernel can give it.
for config in pentium3-i386 pentium4-pae skylake-sp-linux ice-lake-la57; do
    run --config "$config" --format csv "$SRC/traces/ls32.mmt" || fail "ls32, $config: $(cat "$scratch/err")"
    [[ $(figure run.faults_pf) == 61 && $(figure run.faults_resolved) == 61 ]] || fail "ls32, $config: $(figure run.faults_pf) faults"
done
for trace in cc1 gzip32 sort sqlite; do
    run --config pentium3-i386 "$SRC/traces/$trace.mmt" && fail "$trace: ran on i386"
    [[ $(wc -l <"$scratch/err") == 1 ]] || fail "$trace: on i386 said $(cat "$scratch/err")"
done

# Rights are what the trace needs: a stretch that is written, one that is only read, one that is fetched.
printf '%s\n' 'I  08048000,4' ' L 09000000,4' ' S 0a000000,4' ' M 0a001000,8' ' L 0a040000,4' >"$scratch/small.lackey"
for config in pentium3-i386 pentium4-pae skylake-sp-linux; do
    run --config "$config" --format csv "$scratch/small.lackey" || fail "small, $config: $(cat "$scratch/err")"
    [[ $(figure run.faults_pf) == 6 && $(figure run.faults_resolved) == 6 ]] || fail "small, $config: $(figure run.faults_pf) faults"
done

# Two processes have an address space each.
printf '%s\n' '# mmusim: process 1' 'I  08048000,4' ' S 0a000000,4' '# mmusim: process 2' ' S 0a000000,4' \
    '# mmusim: process 1' ' S 0a000000,4' >"$scratch/two.lackey"
run --config pentium3-i386 --format csv "$scratch/two.lackey" || fail "two: $(cat "$scratch/err")"
[[ $(figure run.faults_resolved) == 3 ]] || fail "two: $(figure run.faults_resolved) faults"

# Code that runs again and again, of two processes in turn: the binary form tells what ran, and the spaces are the same.
# Each has pages of its own; some are touched by a read-modify-write alone, or by the end of a reference alone. A turn
# may end amid a loop, before what alone touches a page.
for turn in 1 2 1 2; do
    echo "# mmusim: process $turn"
    for i in {1..60}; do
        code=$((4 + turn)) data=${turn}0433 last=020 switch=
        [[ $i == 30 ]] && last=ffc
        [[ $i == 45 ]] && switch="# mmusim: process $((3 - turn))\n" data=${turn}8999
        printf "I  00${code}01000,4\n L ${turn}0000%02x0,8\nI  00${code}01004,4\n M ${code}8000%02x0,8\nI  00${code}01008,4\n$switch L $data$last,8\n" \
            "$i" "$i"
    done
done >"$scratch/turns.lackey"
"$MMUSIM" trace convert "$scratch/turns.lackey" "$scratch/turns.mmt" >/dev/null || fail "turns: not converted"
for config in pentium3-i386 skylake-sp-linux; do
    for form in lackey mmt; do
        run --config "$config" --format csv "$scratch/turns.$form" || fail "turns.$form, $config: $(cat "$scratch/err")"
        [[ $(figure run.faults_pf) == $(figure run.faults_resolved) ]] || fail "turns.$form, $config: $(figure run.faults_pf) faults"
        sed 's/turns\.[a-z]*/turns/' "$scratch/out" >"$scratch/turns.$form.csv"
    done
    cmp -s "$scratch/turns.lackey.csv" "$scratch/turns.mmt.csv" || fail "turns, $config: the forms differ"
done

# Given maps: their rights hold, and what they lack is inferred.
printf '%s\n' '08048000-08049000 r-xp 00000000 08:01 11 /bin/small' '0a000000-0a002000 r--p 00000000 00:00 0' >"$scratch/maps"
run --config pentium3-i386 --format csv --maps "$scratch/maps" "$scratch/small.lackey" || fail "maps: exit status $?"
grep -q '2 references faulted' "$scratch/err" || fail "maps: writes to r-- did not fault: $(cat "$scratch/err")"

# The trace's own maps were written down at one moment: what its references need beyond them, they get.
printf '%s\n' '# mmusim: process 7' 'I  08048000,4' ' S 08049000,4' ' S 0a000000,4' 'I  0a001000,4' ' L 0a002000,4' ' S 0b000000,4' \
    '# mmusim: maps 7' '# mmusim: map 7 08048000-0804a000 r-xp 00000000 08:01 11 /bin/small' \
    '# mmusim: map 7 0a000000-0a002000 r--p 00000000 00:00 0' \
    '# mmusim: map 7 0a002000-0a003000 ---p 00000000 00:00 0' >"$scratch/own.lackey"
for config in pentium3-i386 skylake-sp-linux; do
    run --config "$config" --format csv "$scratch/own.lackey" || fail "own maps, $config: $(cat "$scratch/err")"
    [[ $(figure run.faults_pf) == 6 && $(figure run.faults_resolved) == 6 ]] || fail "own maps, $config: $(figure run.faults_pf) faults, $(cat "$scratch/err")"
done

# What cannot be.
echo 'I  c0001000,4' >"$scratch/high.lackey"
refused 'high.lackey: the trace touches 0xc0001003, but on pentium3-i386 user space ends at 0xc0000000 (32-bit programs have 4 GiB under a 64-bit kernel, 3 GiB here); expected a machine with a 64-bit kernel, or one without a kernel' --config pentium3-i386 "$scratch/high.lackey"
echo 'I  800000001000,4' >"$scratch/high.lackey"
refused 'but on skylake-sp-linux user space ends at 0x7ffffffff000 (it has addresses of a wider kernel); expected a machine with five-level paging, or one without a kernel' --config skylake-sp-linux "$scratch/high.lackey"
refused 'expected a file' --config pentium3-i386 - <"$scratch/small.lackey"
refused 'not standard input or a pipe' --config pentium3-i386 <(cat "$scratch/small.lackey")
run --config pentium3 --format csv <(cat "$scratch/small.lackey") || fail "a pipe: $(cat "$scratch/err")"
[[ $(figure run.faults_resolved) == 5 ]] || fail "a pipe: $(figure run.faults_resolved) faults"

# Two cores: each processor of the trace has a thread of the process on a core of its own.
printf '%s\n' '# mmusim: process 1' '# mmusim: cpu 0' 'I  08048000,4' ' S 0a000000,4' '# mmusim: cpu 1' ' S 0a000000,4' \
    ' S 0a001000,4' '# mmusim: process 2' ' S 0a001000,4' '# mmusim: cpu 0' ' S 0a001000,4' >"$scratch/cores.lackey"
run --config pentium3-i386 --set cores=2 --format csv "$scratch/cores.lackey" || fail "cores: $(cat "$scratch/err")"
grep -q '^pentium3-i386 core 1,.*run.faults_resolved,faults,2$' "$scratch/out" || fail "cores: $(grep faults_resolved "$scratch/out")"

echo 'nonsense' >"$scratch/bad"
refused 'START-END' --config pentium3-i386 --maps "$scratch/bad" "$scratch/small.lackey"
printf '%s\n' '08048000-0804a000 r-xp 00000000 00:00 0' '08049000-0804b000 r-xp 00000000 00:00 0' >"$scratch/bad"
refused 'overlaps a line before it' --config pentium3-i386 --maps "$scratch/bad" "$scratch/small.lackey"
refused 'cannot read' --config pentium3-i386 --maps "$scratch/none" "$scratch/small.lackey"
refused 'expected --pagemap' --config pentium3 --maps "$scratch/maps" "$scratch/small.lackey"

verdict "traces run on kernels"
