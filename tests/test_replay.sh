#!/bin/bash
# mmusim run: several threads and one give the same bytes; processes and processors of a trace; traces that end too early; page
# tables of a kernel and of a process.
#
# Environment: MMUSIM, the program; DATA, tests/data; CONFIGS, the shipped machines; SRC, the source tree.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 1

# value PATH FILE...: of the first row of a CSV report with that path; machine: optional, in $machine
value() {
    awk -F, -v path="$1" -v machine="${machine-}" '$3 == path && (machine == "" || $1 == machine) {print $5; exit}' "$2"
}

expect() {
    [[ $2 == "$3" ]] || fail "$1: $2, expected $3"
}

# ---- one thread and several ----
cc1=$SRC/traces/cc1.mmt
for options in "" "--set window=6" "--warmup 12345 --limit 70001" "--classify --limit 50000" \
    "--config zen4 --limit 300000 --format json"; do
    for threads in 1 2 3 4; do
        # shellcheck disable=SC2086
        "$MMUSIM" run --config skylake-sp --limit 400000 $options --threads $threads "$cc1" >out$threads 2>err ||
            fail "run $options --threads $threads: exit status is not 0: $(cat err)"
        cmp -s out1 out$threads || fail "run $options: $threads threads print something else than one"
    done
done
for threads in 1 2 3; do
    "$MMUSIM" run --config haswell --threads $threads - <"$cc1" >out$threads 2>err || fail "standard input: $(cat err)"
    cmp -s out1 out$threads || fail "standard input: $threads threads print something else than one"
done

# ---- a trace that ends too early: the part before is reported, as if it were all, and marked ----
head -c 600000 "$cc1" >short.mmt
"$MMUSIM" trace convert --text --limit 200000 "$cc1" whole.txt || fail "convert --text"
gzip -1c whole.txt | head -c 200000 >short.gz
xz -0c whole.txt | head -c 70000 >short.xz
for trace in short.mmt short.gz short.xz; do
    for threads in 1 2 3 4; do
        "$MMUSIM" run --config haswell --threads $threads --format json $trace >out$threads 2>err$threads
        expect "$trace, $threads threads: exit status" $? 2
        cmp -s out1 out$threads || fail "$trace: $threads threads report something else than one"
        cmp -s err1 err$threads || fail "$trace: $threads threads complain of something else than one"
    done
    n=$(sed -n 's/^mmusim: .*(the report is of the \([0-9]*\) references before that)$/\1/p' err1)
    [[ ${n:-0} -gt 90000 ]] || fail "$trace: said '$(cat err1)'"
    grep -q '"complete": false' out1 || fail "$trace: its report does not say that it is incomplete"
    [[ $trace == short.mmt ]] && all=$cc1 || all=whole.txt
    "$MMUSIM" run --config haswell --limit "$n" --format json "$all" >all 2>err || fail "$all: $(cat err)"
    grep -q '"complete": true' all || fail "$all: it is reported as incomplete"
    diff <(grep -v '"path"\|"complete"\|"source"' all) <(grep -v '"path"\|"complete"\|"source"' out1) >differs ||
        fail "$trace: not the report of its first $n references: $(head -5 differs)"
done
"$MMUSIM" run --config haswell --output report.txt short.gz 2>err
expect "--output of a short trace: exit status" $? 2
grep -q "incomplete: it ends too early" report.txt || fail "--output of a short trace: '$(cat report.txt)'"
"$MMUSIM" run --config haswell short.gz "$cc1" --limit 200000 >out 2>err
expect "a short trace and a whole one: exit status" $? 2
grep -q "references measured, behind a warm-up of 0, incomplete: short.gz" out || fail "a short trace and a whole one: '$(cat out)'"
grep -q "measured, behind a warm-up of 0: .*cc1.mmt" out || fail "a short trace and a whole one: '$(cat out)'"
"$MMUSIM" run --config haswell --warmup 190000 short.gz >out 2>err
expect "a trace that ends in the warm-up: exit status" $? 2
[[ ! -s out ]] || fail "a trace that ends in the warm-up gives a report"
grep -q "references before that could be replayed" err || fail "a trace that ends in the warm-up: said '$(cat err)'"

# ---- a checksum says of what it is: recorded traces can have none for all ----
sum_of() {
    "$MMUSIM" run --config haswell --format json "$1" 2>/dev/null | sed -n 's/.*"\(format\|checksum_of\)": "\(.*\)".*/\2/p' | tr '\n' ' '
}
printf '2 401000\n0 7ffe1000\n' >t.din
expect "checksum of a din trace" "$(sum_of t.din)" "din references replayed "
if [[ -n $(command -v qemu-x86_64) ]]; then
    "$MMUSIM" trace record --max 1000 -o recorded.mmt -- /bin/true 2>err || fail "record: $(cat err)"
    expect "checksum of a recording" "$(sum_of recorded.mmt)" "binary the packed blocks, from the header "
fi
printf 'I  00001000,4\n L 00002000,8\n L zz,8\n' >bad.txt
# and a binary trace with a damaged block
cp "$cc1" damaged.mmt
printf 'XX' | dd of=damaged.mmt bs=1 seek=700000 conv=notrunc status=none
for trace in bad.txt damaged.mmt; do
    for threads in 1 2 3 4; do
        "$MMUSIM" run --config haswell --threads $threads $trace >out$threads 2>err$threads
        expect "$trace, $threads threads: exit status" $? 2
        grep -q "^mmusim: bad.txt:3:\|^mmusim: damaged.mmt: byte [0-9]*: block [1-9][0-9]*: its checksum is wrong" err$threads ||
            fail "$trace: said '$(cat err$threads)'"
        cmp -s err1 err$threads || fail "$trace: $threads threads complain of something else than one"
    done
done

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

# ---- all of it, in every form: text, binary, page runs ----
awk 'BEGIN {
    srand(7)
    for (i = 0; i < 30000; i++) {
        r = rand()
        if (r < 0.002) printf "# mmusim: process %d\n", int(rand() * 4)
        else if (r < 0.004) printf "# mmusim: cpu %d\n", int(rand() * 3)
        else if (r < 0.005) printf "# mmusim: event syscall %d\n", i
        if (rand() < 0.02) code = int(rand() * 30)
        if (rand() < 0.1) data = int(rand() * 80)
        k = rand()
        if (k < 0.6) printf "I  %x,4\n", 4194304 + code * 4096 + int(rand() * 4090)
        else printf " %s %x,8\n", (k < 0.8 ? "L" : k < 0.95 ? "S" : "M"), 268435456 + data * 4096 + int(rand() * 4092)
    }
}' >forms.txt
"$MMUSIM" trace convert forms.txt forms.mmt 2>err || fail "convert: $(cat err)"
"$MMUSIM" trace convert --page-runs forms.txt runs.mmt 2>err || fail "convert --page-runs: $(cat err)"
for options in "" "--set window=3" "--set cores=3" "--set cores=2 --warmup 10011 --limit 9000" "--config zen3"; do
    for file in forms.txt forms.mmt runs.mmt; do
        for threads in 1 2 4; do
            # shellcheck disable=SC2086
            "$MMUSIM" run --config skylake-sp --threads $threads $options --format csv $file >out 2>err ||
                fail "$file $options: $(cat err)"
            cut -d, -f1,3- out | grep -v ,trace >now
            [[ $file$threads != forms.txt1 ]] || cp now first
            cmp -s first now || fail "$file $options --threads $threads: it gives something else than text, one thread"
        done
    done
    [[ $(wc -l <first) -gt 100 ]] || fail "forms $options: no report"
done

# ---- a kernel's page tables, in an image ----
kernel=$DATA/kernel/amd64-1g
zcat "$kernel/vectors.txt.gz" | awk '$2 == "->" && / U / && $3 ~ /^0x/ {printf " L %s,1\n", substr($1, 3)}' >mapped.txt
large=$(zcat "$kernel/vectors.txt.gz" | awk '$2 == "->" && / U / && / size=2M / {n++} END {print n}')
"$MMUSIM" run --config haswell --image "$kernel/pagetables.elf.xz" --registers "$kernel/registers.txt" --format csv mapped.txt >image.csv 2>err ||
    fail "--image: $(cat err)"
expect "--image: #PF" "$(value run.faults_pf image.csv)" 0
expect "--image: references to large pages" $(($(value tlb.DTLB-2M.hits.load image.csv) + $(value walk.completed_page.2m image.csv))) "$large"
(
    cat mapped.txt
    echo " L 00000000,4"
) >more.txt
"$MMUSIM" run --config haswell --image "$kernel/pagetables.elf.xz" --registers "$kernel/registers.txt" --format csv more.txt >image.csv 2>err ||
    fail "--image: $(cat err)"
expect "--image: #PF of a page that is not mapped" "$(value run.faults_pf image.csv)" 1
grep -q ": 1 references faulted" err || fail "--image: said '$(cat err)'"
for name in i386-512m pae-1536m; do
    zcat "$DATA/kernel/$name/vectors.txt.gz" | awk '$2 == "->" && / U / && $3 ~ /^0x/ {printf " L %s,1\n", substr($1, 3)}' >mapped32.txt
    "$MMUSIM" run --config haswell --image "$DATA/kernel/$name/pagetables.elf.xz" --registers "$DATA/kernel/$name/registers.txt" --format csv mapped32.txt >image.csv 2>err ||
        fail "--image $name: $(cat err)"
    expect "--image $name: #PF" "$(value run.faults_pf image.csv)" 0
done

# QEMU's note of a processor's registers, in one program header more
little() { # BYTES NUMBER...
    local number
    for number in "${@:2}"; do
        for ((i = 0; i < $1; i++)); do printf '%b' "\\x$(printf %02x $((number >> 8 * i & 255)))"; done
    done
}
xzcat "$kernel/pagetables.elf.xz" >core
headers=$(od -An -tu2 -j56 -N2 core)
end=$(stat -c %s core)
{
    little 4 5 440 0 # name, what follows it, type
    printf 'QEMU\0\0\0\0'
    little 4 1 440 # version, size
    head -c $((18 * 8 + 10 * 24)) /dev/zero
    little 8 0x80050033 0 0x7f5f670a9000 0x62ca000 0x6f0 # CR0 to CR4
    little 8 0
} >note
cat note >>core
{
    little 4 4 0 # PT_NOTE
    little 8 "$end" 0 0 "$(stat -c %s note)" 0 4
} | dd of=core bs=1 seek=$((64 + headers * 56)) conv=notrunc status=none
little 2 $((headers + 1)) | dd of=core bs=1 seek=56 conv=notrunc status=none
"$MMUSIM" run --config haswell --image core --format csv mapped.txt >core.csv 2>err || fail "a core with registers: $(cat err)"
"$MMUSIM" run --config haswell --image core --registers "$kernel/registers.txt" --format csv mapped.txt >image.csv 2>err || fail "a core: $(cat err)"
cmp -s core.csv image.csv || fail "a core with registers: it gives something else than with the registers in a file"

# refused MESSAGE ARGUMENT...: exit status 2, this and only this line
refused() {
    "$MMUSIM" run --config haswell "${@:2}" mapped.txt >out 2>err
    expect "$*: exit status" $? 2
    [[ $(cat err) == "mmusim: $1" ]] || fail "${*:2}: said '$(cat err)', expected '$1'"
    [[ ! -s out ]] || fail "${*:2}: wrote a report"
}
refused "$kernel/pagetables.elf.xz: tells no registers; expected --registers FILE with it" --image "$kernel/pagetables.elf.xz"
refused "run: --registers: expected --image FILE with it" --registers registers
refused "run: --pagemap: expected --maps FILE with it, for the rights" --pagemap x
echo "CR4 = 0x6f0" >registers
refused "registers: no line CR3 = VALUE, the physical address where translation begins" --image "$kernel/pagetables.elf.xz" --registers registers
echo "CR3 = zebra" >registers
refused "registers:1:7: CR3: found 'zebra', expected a hexadecimal number below 2^64" --image "$kernel/pagetables.elf.xz" --registers registers
printf 'EAX=00000000\nCR0=80050033 CR3=0000000000001000 CR4=1fffffffffffffffff\n' >registers
refused "registers:2:39: CR4: found '1fffffffffffffffff', expected a hexadecimal number below 2^64" --image "$kernel/pagetables.elf.xz" --registers registers
printf 'CR3 = 0x1000\nCR4 = 0x6b0\nEFER = 0xd01\nCR0 = 0x50033\n' >registers
refused "registers:4:7: CR0 0x50033: CR0.PG is 0, paging mode x86_64 needs 1" --image "$kernel/pagetables.elf.xz" --registers registers
printf 'CR3 = 0x1000\n\tCR4 = 0x10\nPKRU = 4\n' >registers
refused "registers:3:8: PKRU 0x4: protection keys need CR4.PKE = 1 and 4-level or 5-level paging" --image "$kernel/pagetables.elf.xz" --registers registers

# ---- what a process had: pagemap and maps ----
cat >maps <<END
00400000-00402000 r-xp 00000000 00:02 11    /bin/probe
00600000-00c00000 rw-p 00000000 00:00 0
7fff00000000-7fff00002000 rw-p 00000000 00:00 0  [stack]
END
present=$((1 << 63))
entry() { # FRAME
    printf '0x%016x' $((present | $1))
}
{
    echo "# region vaddr raw ... pfn kpageflags kpagecount"
    echo "text 0x00400000 $(entry 0x1234) p1 0x1234 0x86c 1"
    echo "text 0x00401000 0x0 p0 0x0 0x0 0"
    echo "thp 0x00800000 $(entry 0x4400) p1 0x4400 0x411800 1" # one page of a large frame
    echo "stack 0x7fff00001000 $(entry 0x77) p1 0x77 0x5828 1"
    echo "gone 0x90000000 $(entry 0x78) p1 0x78 0x5828 1"
} >pagemap.txt
cat >touch.txt <<END
I  00400010,4
I  00401000,4
 S 00400020,4
 L 00812345,8
 S 009ff000,8
 S 7fff00001ff8,8
END
"$MMUSIM" run --config haswell --pagemap pagemap.txt --maps maps --format csv touch.txt >map.csv 2>err || fail "--pagemap: $(cat err)"
expect "--pagemap: #PF" "$(value run.faults_pf map.csv)" 2 # the absent page, and the store into the text
expect "--pagemap: walks to 2M" "$(value walk.completed_page.2m map.csv)" 1
grep -q "pagemap.txt: 1 pages lie in no line of the maps and were left out" err || fail "--pagemap: said '$(cat err)'"
# the binary form: a word for each page, all 512 of the large one
word() { # PAGE FRAME COUNT
    for ((i = 0; i < $3; i++)); do printf '%016x' $((present | ($2 + i))) | sed 's/\(..\)/\1\n/g' | tac | tr -d '\n'; done |
        sed 's/../\\x&/g' >bytes
    printf '%b' "$(cat bytes)" | dd of=pagemap.bin bs=8 seek=$(($1)) conv=notrunc status=none
}
truncate -s $((0x7fff00002 * 8)) pagemap.bin
word 0x400 0x1234 1
word 0x800 0x4400 512
word 0x7fff00001 0x77 1
"$MMUSIM" run --config haswell --pagemap pagemap.bin --maps maps --format csv touch.txt >bin.csv 2>err || fail "--pagemap: $(cat err)"
expect "text and binary pagemap" "$(cut -d, -f3- bin.csv)" "$(cut -d, -f3- map.csv)"
sed -n 's/^[a-z]* 0x\([0-9a-f]*\) 0x\([0-9a-f]*\) p[01] 0x\([0-9a-f]*\) 0x\([0-9a-f]*\) .*/\1 \2 \3 \4/p' pagemap.txt >bare.txt
"$MMUSIM" run --config haswell --pagemap bare.txt --maps maps --format csv touch.txt >bin.csv 2>err || fail "--pagemap: $(cat err)"
expect "text pagemap without 0x" "$(cut -d, -f3- bin.csv)" "$(cut -d, -f3- map.csv)"
echo "00400000 0xzz" >nonsense
refused "nonsense:1: found '0xzz', expected a hexadecimal number below 2^64" --pagemap nonsense --maps maps
echo "text 00400000" >nonsense
refused "nonsense:1: expected a page's address and its entry, in hexadecimal" --pagemap nonsense --maps maps
word 0x7fff00000 0 1 # present, its frame is not told
"$MMUSIM" run --config haswell --pagemap pagemap.bin --maps maps --format csv touch.txt >bin.csv 2>err || fail "--pagemap: $(cat err)"
grep -q "the kernel hid the frame numbers of 1 pages" err || fail "--pagemap: said '$(cat err)'"
echo nonsense >nonsense
refused "nonsense:1: found 'nonsense', expected START-END RIGHTS ... as in /proc/PID/maps" --pagemap pagemap.txt --maps nonsense
truncate -s 4096 pagemap.bin
"$MMUSIM" run --config haswell --pagemap pagemap.bin --maps maps touch.txt >out 2>err
expect "a short pagemap: exit status" $? 2
grep -q "pagemap.bin: byte 8192: the end of the file, expected the entry of page 0x400000" err || fail "a short pagemap: said '$(cat err)'"

# ---- a reference that a machine cannot make is told alike of page runs, of executions and of references ----
printf 'I  00400064,3\n L 00500000,8\n L 7f0000147008,8\n L 7f0000147010,8\n' >wide.txt
"$MMUSIM" trace convert wide.txt wide.mmt
"$MMUSIM" trace convert --page-runs wide.txt wideruns.mmt
for in in wide.txt wide.mmt wideruns.mmt; do
    for threads in 1 3; do
        "$MMUSIM" run --config pentium3 --threads $threads $in >out 2>err
        expect "$in, $threads threads: exit status" $? 2
        [[ $(cat err) == "mmusim: $in: reference 3, 8 bytes at 0x7f0000147008, does not fit the 32-bit linear addresses of pentium3" ]] ||
            fail "$in, $threads threads: said '$(cat err)'"
    done
done

# ---- what the trace says behind --limit does not count, however much of it was read at once ----
{
    for i in {1..10}; do printf 'I  %x,4\n' $((0x400000 + 4096 * i)); done
    printf '# mmusim: cpu 0\n L 00500000,8\n# mmusim: cpu 1\n L 00500000,8\n'
} >late.txt
"$MMUSIM" trace convert late.txt late.mmt
"$MMUSIM" trace convert --page-runs late.txt lateruns.mmt
for in in late.txt late.mmt lateruns.mmt; do
    "$MMUSIM" run --config haswell --set cores=2 --limit 10 $in >out 2>err
    expect "$in, too short for a processor: exit status" $? 2
    grep -q 'does not say on which processor it ran' err || fail "$in: said '$(cat err)'"
    "$MMUSIM" run --config haswell --set cores=2 --limit 12 $in >out 2>err || fail "$in: $(cat err)"
done

verdict "all replays are as expected"
