#!/bin/bash
# mmusim trace cut, merge, stats, verify; marks and maps through the program; inputs that end too early.
#
# Environment: MMUSIM, the program; DATA, tests/data; SRC, the source tree.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 1

# refused STATUS MESSAGE ARGUMENT...: this exit status, this and only this line on standard error, nothing on standard output
refused() {
    fails_with "$1" trace "${@:3}" </dev/null
    [[ $(cat err) == "mmusim: $2" ]] || fail "trace ${*:3}: said '$(cat err)', expected '$2'"
}

text() {
    "$MMUSIM" trace "$1" --text --source x "${@:2}" -
}

# ---- marks and maps: text, binary, text ----
cat >marks.txt <<END
# x
# mmusim: maps 10
# mmusim: map 10 00001000-00003000 r-xp 00000000 fe:01 12    /bin/some thing
# mmusim: map 10 00003000-00004000 rw-p 00000000 00:00 0
# mmusim: maps 20
# mmusim: map 20 7fffffffe000-7ffffffff000 rw-p 00000000 00:00 0          [stack]
# mmusim: process 10
# mmusim: thread 11
# mmusim: cpu 0
# mmusim: time 0
I  00001000,4
 L 00002000,8
# mmusim: event syscall 9 0x0 4096
 S 00002000,8 +
# mmusim: time 1000
# mmusim: cpu 1
 M 00003000,4
# mmusim: process 20
# mmusim: time 2500
I  00001004,2
 L 7ffffffff000,16 g12
# mmusim: event exit
END
"$MMUSIM" trace convert --source x marks.txt marks.mmt || fail "marks to binary"
text convert marks.mmt | cmp - marks.txt || fail "marks are changed by the binary form"
text convert marks.txt | cmp - marks.txt || fail "marks are changed by the text form"
"$MMUSIM" trace convert --source x marks.txt - | "$MMUSIM" trace convert --source x --text - - | cmp - marks.txt ||
    fail "marks are changed by a pipe"
# Maps go before the references, wherever they stood: who stops early has them all the same.
{ grep -v '^# mmusim: map' marks.txt && grep '^# mmusim: map' marks.txt; } >behind.txt
"$MMUSIM" trace convert --source x behind.txt behind.mmt || fail "maps behind the references"
text convert behind.mmt | cmp - marks.txt || fail "maps behind the references stay there"
# Nor does it matter where they stand for who cannot look ahead: in a pipe, in a packed file, in text.
{ grep -v '^# mmusim: map' marks.txt && yes 'I  1000,4' | head -n 300000 && grep '^# mmusim: map' marks.txt; } >late.txt
"$MMUSIM" trace convert --source x late.txt late.mmt && gzip -k late.txt late.mmt
for command in "cut --records 0:2" "convert --limit 2"; do
    for in in late.txt late.txt.gz late.mmt late.mmt.gz; do
        # shellcheck disable=SC2086
        [[ $(text $command $in | grep '^# mmusim: map ') == "$(grep '^# mmusim: map ' marks.txt)" ]] || fail "$command $in loses maps"
        # shellcheck disable=SC2086
        [[ $(text $command - <$in | grep -c '^# mmusim: map ') == 3 ]] || fail "$command of $in as input loses maps"
        # shellcheck disable=SC2086
        [[ $(cat $in | text $command - | grep -c '^# mmusim: map ') == 3 ]] || fail "$command of $in in a pipe loses maps"
    done
done
# Damage behind the part is told, and the part is whole. Text of other tools is not read for maps that it cannot have.
head -c -100 late.txt.gz >short.txt.gz
text cut --records 0:2 short.txt.gz >got 2>err || fail "cut of a part before damage: $(cat err)"
[[ $(grep -c '^[I ]' got) == 2 && $(wc -l <err) == 1 ]] && grep -q 'truncated gzip input; maps behind it are not known$' err || fail "cut of a part before damage: $(cat err)"
{ printf 'I  1000,4\n%.0s' {1..20000} && echo 'I  bad,'; } | "$MMUSIM" trace cut --records 0:2 - few.mmt 2>err || fail "cut reads on for nothing: $(cat err)"
for in in marks.txt marks.mmt behind.mmt; do
    [[ $(text cut --records 0:2 $in | grep -c '^# mmusim: map ') == 3 ]] || fail "cut --records 0:2 $in loses maps"
    [[ $(text convert --limit 2 $in | grep -c '^# mmusim: map ') == 3 ]] || fail "convert --limit 2 $in loses maps"
done
"$MMUSIM" trace info marks.mmt >info
for line in 'processes *2: 10 20' 'threads *1: 11' 'cpus *2: 0 1' 'times *3: 0.000000000 s to 0.000002500 s' 'events *2' '  syscall *1' '  exit *1' \
    'maps *2 processes' 'references *7'; do
    grep -q "^$line\$" info || fail "info does not say '$line'"
done
awk '$1 == "4K" && $2 == 5 { ok = 1 } END { exit !ok }' info || fail "pages of two processes are one"
"$MMUSIM" trace info --format json marks.mmt >info.json
tr -d ' \n' <info.json | grep -q '"processes":\[10,20\],"threads":\[11\],"cpus":\[0,1\],"times":3,"events":2,' || fail "info as JSON"
"$MMUSIM" trace info --format csv marks.mmt >info.csv
grep -q '^marks.processes\[1\],20$' info.csv || fail "info as CSV"
"$MMUSIM" trace verify marks.mmt marks.txt >verified || fail "verify: exit status $?"
grep -q '^marks.mmt: good: binary, 7 references, 10 marks, maps of 2, checksum ' verified || fail "verify binary: $(cat verified)"
grep -q '^marks.txt: good: text, 7 references, 10 marks, maps of 2, 1 other lines, checksum ' verified || fail "verify text"

# ---- cut ----
cut_gives() {
    local expected=$1
    shift
    text cut "$@" marks.mmt | grep -v '^# mmusim: map\|^# x' >got
    printf '%b' "$expected" | cmp -s - got || fail "cut $*: $(cat got)"
    text cut "$@" marks.txt | grep -v '^# mmusim: map\|^# x' | cmp -s - got || fail "cut $* of text is another"
}
head='# mmusim: process 10\n# mmusim: thread 11\n# mmusim: cpu 0\n# mmusim: time 0\n'
cut_gives "$head L 00002000,8\n# mmusim: event syscall 9 0x0 4096\n S 00002000,8 +\n" --records 1:3
cut_gives "# mmusim: process 10\n# mmusim: thread 11\n# mmusim: cpu 1\n# mmusim: time 1000\n M 00003000,4\n" --time 1us:2us
cut_gives "# mmusim: process 10\n# mmusim: thread 11\n# mmusim: cpu 1\n# mmusim: time 1000\n S 00003000,4 +\n" --records 4:6 --pid 10
cut_gives "# mmusim: process 20\n# mmusim: thread 11\n# mmusim: cpu 1\n# mmusim: time 2500\nI  00001004,2\n L 7ffffffff000,16 g12\n# mmusim: event exit\n" --pid 20
cut_gives "${head}I  00001000,4\n L 00002000,8\n# mmusim: event syscall 9 0x0 4096\n S 00002000,8 +\n" --cpu 0
cut_gives "$head# mmusim: event syscall 9 0x0 4096\n# mmusim: cpu 1\n# mmusim: time 1000\n M 00003000,4\n# mmusim: process 20\n# mmusim: time 2500\n L 7ffffffff000,16 g12\n# mmusim: event exit\n" --address 0x3000:
cut_gives "${head}I  00001000,4\n# mmusim: event syscall 9 0x0 4096\n" --address :0x1001 --thread 11 --cpu 0 --cpu 7
text cut --pid 10 marks.mmt | grep -q '^# mmusim: map 20 ' || fail "cut drops maps"
printf '# mmusim: time 18446744073709551615\n L ffffffffffffffff,1\n L 1000,1\n' >top.txt # an open range has no end
cmp <(text cut --address 0xfffffffffffffff0: --time 1: top.txt | grep '^ ') <(echo " L ffffffffffffffff,1") || fail "cut loses the last address"
refused 2 "top.txt: no reference of it is what the options ask for" cut --address 0x1001:0xffffffffffffffff top.txt o.mmt
refused 2 "marks.mmt: no reference of it is what the options ask for" cut --pid 30 marks.mmt o.mmt
refused 2 "$DATA/trace/true.lackey.gz: --cpu: the trace does not tell it of any reference" cut --cpu 0 "$DATA/trace/true.lackey.gz" o.mmt
refused 2 "$DATA/trace/true.lackey.gz: --time: the trace tells no times" cut --time 0:1s "$DATA/trace/true.lackey.gz" o.mmt
refused 2 "--records: '5:5' is empty: it ends where it begins, or before" cut --records 5:5 marks.mmt o.mmt
refused 2 "--records: '5' is no range: expected A:B, A: or :B" cut --records 5 marks.mmt o.mmt
refused 2 "--time: '1x:2' is not a time: a number, and ns (the default), us, ms or s" cut --time 1x:2 marks.mmt o.mmt
refused 2 "--pid: 'x' is not a number" cut --pid x marks.mmt o.mmt
refused 2 "marks.mmt: cannot go to reference 99: the trace has 7" cut --records 99: marks.mmt o.mmt
[[ ! -e o.mmt ]] || fail "a refused cut leaves a file"

# ---- merge ----
printf '# mmusim: time 0\nI  00001000,1\nI  00001001,1\n# mmusim: time 50\nI  00001002,1\n' >a.txt
printf '# mmusim: time 10\n# mmusim: thread 5\nI  00002000,1\n# mmusim: event e\n# mmusim: time 60\nI  00002001,1\n' >b.txt
merge_gives() {
    local expected=$1
    shift
    text merge "$@" | grep -v '^# x' >got
    printf '%b' "$expected" | cmp -s - got || fail "merge $*: $(cat got)"
}
merge_gives '# mmusim: process 1\n# mmusim: time 0\nI  00001000,1\nI  00001001,1\n# mmusim: process 2\n# mmusim: thread 5\n# mmusim: time 10\nI  00002000,1\n# mmusim: event e\n# mmusim: process 1\n# mmusim: thread 0\n# mmusim: time 50\nI  00001002,1\n# mmusim: process 2\n# mmusim: thread 5\n# mmusim: time 60\nI  00002001,1\n' \
    --by time a.txt b.txt
merge_gives '# mmusim: cpu 0\nI  00001000,1\n# mmusim: thread 5\n# mmusim: cpu 1\nI  00002000,1\n# mmusim: thread 0\n# mmusim: cpu 0\nI  00001001,1\n# mmusim: thread 5\n# mmusim: cpu 1\n# mmusim: event e\nI  00002001,1\n# mmusim: thread 0\n# mmusim: cpu 0\nI  00001002,1\n' \
    --by round-robin:1 --as cpus a.txt b.txt
merge_gives '# mmusim: thread 1\nI  00001000,1\nI  00001001,1\nI  00001002,1\n# mmusim: thread 2\nI  00002000,1\n# mmusim: event e\nI  00002001,1\n' \
    --as threads a.txt b.txt
# Maps stand before all references, under the numbers of OUT; those that an input tells too late, behind them.
printf '# mmusim: maps 7\n# mmusim: map 7 1000-2000 r-xp 0 0:0 0\n# mmusim: maps 8\n# mmusim: map 8 5000-6000 r-xp 0 0:0 0\n# mmusim: process 8\nI  00005000,1\n' >with.txt
printf '# mmusim: maps 8\n# mmusim: map 8 7000-8000 r-xp 0 0:0 0\nI  00007000,1\n' >none.txt
map='# mmusim: map'
merge_gives "${map}s 1\n$map 1 5000-6000 r-xp 0 0:0 0\n${map}s 2\n$map 2 7000-8000 r-xp 0 0:0 0\n# mmusim: process 1\nI  00005000,1\n# mmusim: process 2\nI  00007000,1\n" \
    with.txt none.txt
merge_gives "${map}s 7\n$map 7 1000-2000 r-xp 0 0:0 0\n${map}s 8\n$map 8 5000-6000 r-xp 0 0:0 0\n${map}s 8\n$map 8 7000-8000 r-xp 0 0:0 0\n# mmusim: process 8\n# mmusim: thread 1\nI  00005000,1\n# mmusim: process 0\n# mmusim: thread 2\nI  00007000,1\n" \
    --as threads with.txt none.txt
{
    for i in {1..5000}; do echo 'I  00001000,1'; done
    printf '# mmusim: maps 9\n# mmusim: map 9 1000-2000 r-xp 0 0:0 0\n'
} >late.txt
text merge with.txt late.txt >got
[[ $(tail -n 2 got) == "${map}s 2
$map 2 1000-2000 r-xp 0 0:0 0" ]] || fail "maps that come late: $(tail -n 2 got)"
# What was merged can be cut apart again.
traces=("$SRC/traces/cc1.mmt" "$SRC/traces/gzip32.mmt" "$SRC/traces/ls32.mmt" "$DATA/trace/true.lackey.gz")
"$MMUSIM" trace merge --by round-robin:12345 "${traces[@]}" all.mmt || fail "merge: exit status $?"
for i in 1 2 3; do
    "$MMUSIM" trace cut --pid $i all.mmt one.mmt
    cmp <("$MMUSIM" trace info one.mmt | grep '^checksum') <("$MMUSIM" trace info "${traces[i - 1]}" | grep '^checksum') ||
        fail "process $i is not trace $i"
done
refused 2 "$DATA/trace/true.lackey.gz: --by time: reference 0 stands before any time" merge --by time a.txt "$DATA/trace/true.lackey.gz" o.mmt
refused 2 "marks.mmt: it has several processes, 10 and 20 among them; 'mmusim trace cut --pid' takes one" merge a.txt marks.mmt o.mmt
refused 2 "trace merge: expected two traces or more, IN, and OUT" merge a.txt o.mmt
refused 2 "unknown value of --by: 'tim'; did you mean 'time'?" merge --by tim a.txt b.txt o.mmt
refused 2 "--by: '0' is no turn: expected 1 reference or more" merge --by round-robin:0 a.txt b.txt o.mmt
refused 2 "absent: cannot open: No such file or directory" merge a.txt absent o.mmt
[[ ! -e o.mmt ]] || fail "a refused merge leaves a file"

# ---- stats: reuse distances against brute force, pages and strides as awk counts them ----
"$MMUSIM" trace convert --limit 30000 "$DATA/trace/true.lackey.gz" some.mmt
text convert some.mmt | grep -v '^#' | tr ',' ' ' | awk '
    function hex(s,   i, v) { v = 0; for (i = 1; i <= length(s); i++) v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1; return v }
    { va = hex($2); printf "%s %.0f %d\n", $1, va, $3; if ($1 == "M") printf "S %.0f %d\n", va, $3 }' >references
awk '
    function bin(d,   low) { if (d < 2) return d; for (low = 2; low * 2 <= d; low *= 2); return low "-" 2 * low - 1 }
    function touch(p,   d, i, before) {
        d = -1; before = stack[0]
        for (i = 0; i < n; i++) { if (stack[i] == p) { d = i; break } }
        for (i = d < 0 ? n++ : d; i > 0; i--) stack[i] = stack[i - 1]
        stack[0] = p; touches++
        if (d < 0) first++; else bins[bin(d)]++
    }
    { a = int($2 / 4096); b = int(($2 + $3 - 1) / 4096); touch(a); if (b != a) touch(b) }
    END { for (b in bins) print "reuse.distances[" b "].touches," bins[b]; print "reuse.first_touches," first; print "reuse.touches," touches }' references |
    sort >expected
"$MMUSIM" trace stats --format csv some.mmt >stats.csv || fail "stats: exit status $?"
grep '^reuse.*touches,' stats.csv | grep -v ',0$' | sort | cmp - expected || fail "reuse distances"
[[ $(wc -l <expected) -gt 6 ]] || fail "the reuse distances of this trace show nothing"
awk '$1 == "L" { if (n++ && $2 - last >= 8 && $2 - last < 16) up++; if (n > 1 && $2 - last <= -64 && $2 - last > -128) down++; last = $2 }
     END { print "strides[+8-15].loads," up + 0; print "strides[-64-127].loads," down + 0 }' <(sed 's/^M/L/' references) >expected
grep -e '^strides\[+8-15\].loads' -e '^strides\[-64-127\].loads' stats.csv | sort | cmp - expected || fail "strides"
awk '{ for (p = int($2 / 4096); p <= int(($2 + $3 - 1) / 4096); p++) n[p]++ }
     END { for (p in n) if (n[p] > most) most = n[p]; print "hottest_pages[0].touches," most }' references >expected
grep '^hottest_pages\[0\].touches' stats.csv | cmp - expected || fail "the hottest page"
# Sums: every touch is in a bin, every stride too.
"$MMUSIM" trace stats --format csv "$SRC/traces/cc1.mmt" >stats.csv
awk -F, '/^reuse.distances.*touches,/ { sum += $2 } /^reuse.first_touches/ { sum += $2 } /^reuse.touches/ { all = $2 } END { exit sum != all }' stats.csv ||
    fail "reuse distances do not add up"
awk -F, '/^strides.*loads,/ { sum += $2 } /^kinds.loads/ { all = $2 } END { exit sum != all - 1 }' stats.csv || fail "strides do not add up"
# Regions: of the trace's own maps, and of a file.
"$MMUSIM" trace stats marks.mmt >regions
grep -q '0x1000-0x3000 */bin/some thing *10 *r-xp *2 *2 *3 ' regions || fail "regions of the trace's maps"
grep -q '^ *- *(no region) *- *- *- *2 *2 ' regions || fail "what no region holds"
printf '00001000-00003000 r-xp 00000000 fe:01 12    /bin/x\n00003000-7ffffffff000 rw-p 00000000 00:00 0\n7ffffffff000-800000000000 ---p 0 0 0' >maps
"$MMUSIM" trace stats --maps maps marks.mmt >regions || fail "stats --maps"
grep -q '0x1000-0x3000 */bin/x *- *r-xp *2 *3 *4 ' regions || fail "regions of a file"
printf 'hello\n' >bad.maps
refused 2 "bad.maps:1: 'hello' is no line of /proc/PID/maps, expected START-END RIGHTS OFFSET DEVICE INODE NAME" stats --maps bad.maps marks.mmt
refused 2 "trace stats: expected one trace" stats
"$MMUSIM" trace convert --limit 50000 --text "$SRC/traces/cc1.mmt" all.txt || fail "convert --text"
xz -0c all.txt | head -c 15000 >short.xz
"$MMUSIM" trace stats --format csv short.xz >stats.csv 2>err
[[ $? == 2 && $(wc -l <err) == 1 ]] || fail "stats of a short trace: said '$(cat err)'"
n=$(sed -n 's/^mmusim: .*(\([0-9]*\) references before it)$/\1/p' err)
[[ ${n:-0} -gt 5000 ]] || fail "stats of a short trace: said '$(cat err)'"
"$MMUSIM" trace convert --limit "$n" all.txt part.txt && "$MMUSIM" trace stats --format csv part.txt >part.csv
diff <(grep -v '^file,' stats.csv) <(grep -v '^file,' part.csv) >differs
[[ $(grep -c '^[<>]' differs) == 2 ]] || fail "stats of a short trace: not those of its $n references: $(head -5 differs)"
grep -qx '< complete,false' differs || fail "stats of a short trace: it is not marked"
refused 2 "--top: 0 is out of range, expected 1 to 1000000" stats --top 0 marks.mmt

# ---- verify: damage is named, all files are looked at ----
cp some.mmt broken.mmt
printf '\xff' | dd of=broken.mmt bs=1 seek=1000 conv=notrunc status=none
"$MMUSIM" trace verify broken.mmt some.mmt >out 2>err
[[ $? == 2 ]] || fail "verify: exit status is not 2"
grep -q '^mmusim: broken.mmt: byte [0-9]*: block 0: its checksum is wrong: the file is damaged (0 references before it)$' err ||
    fail "verify says $(cat err)"
grep -q '^some.mmt: good: ' out || fail "verify stops at the first broken trace"
refused 2 "trace verify: expected a trace or more" verify
# Times: they may go back between threads, not on one; where no thread is told, between processors.
good='# mmusim: process 1\n# mmusim: thread 2\n# mmusim: time 50\n S 1000,4\n# mmusim: thread 3\n# mmusim: time 20\n S 1000,4\n# mmusim: time 20\n'
printf "$good# mmusim: process 2\n# mmusim: time 10\n S 1000,4\n# mmusim: thread 2\n# mmusim: time 5\n" >times.txt
"$MMUSIM" trace verify times.txt >out || fail "times of several threads: $(cat out)"
printf "$good S 1000,4\n# mmusim: thread 2\n# mmusim: time 49\n S 1000,4\n# mmusim: time 0\n" >times.txt
"$MMUSIM" trace convert times.txt times.mmt
for file in times.txt times.mmt; do
    refused 2 "$file: reference 3: the time goes back from 50 to 49 ns on thread 2 of process 1" verify $file
done
printf '# mmusim: cpu 0\n# mmusim: time 9\n S 1000,4\n# mmusim: cpu 1\n# mmusim: time 3\n S 1000,4\n' >times.txt
"$MMUSIM" trace verify times.txt >out || fail "times of several processors: $(cat out)"
printf '# mmusim: time 2\n' >>times.txt
refused 2 "times.txt: reference 2: the time goes back from 3 to 2 ns on processor 1 of process 0" verify times.txt
printf 'address,type,tid,time\n0x1000,R,1,1000\n0x1000,R,2,990\n0x1000,R,1,1005\n0x1000,R,2,1002\n0x1000,R,1,1004\n' >times.csv
refused 2 "times.csv: reference 4: the time goes back from 5 to 4 ns on thread 1 of process 0" verify times.csv
for i in {1..3000}; do printf '# mmusim: thread %d\n# mmusim: time %d\n' "$i" "$((5000 - i))"; done >times.txt # many threads
printf ' S 1000,4\n' >>times.txt
"$MMUSIM" trace verify times.txt >out || fail "times of many threads: $(cat out)"
printf '# mmusim: thread 7\n# mmusim: time 4992\n' >>times.txt
refused 2 "times.txt: reference 1: the time goes back from 4993 to 4992 ns on thread 7 of process 0" verify times.txt
# Damage in the middle: both damaged blocks are named, and what is around them is salvaged.
"$MMUSIM" trace convert --limit 2000000 "$SRC/traces/cc1.mmt" big.mmt
cp big.mmt broken.mmt
for at in 60000 150000; do printf '\xff\xff\xff\xff' | dd of=broken.mmt bs=1 seek=$at conv=notrunc status=none; done
"$MMUSIM" trace verify broken.mmt 2>err
[[ $? == 2 ]] || fail "verify of damage in the middle"
[[ $(grep -c 'block [0-9]*: its checksum is wrong' err) == 2 && $(grep -c ' are lost; reading goes on behind them$' err) == 2 ]] ||
    fail "verify of damage in the middle: $(cat err)"
lost=$(awk '/are lost; reading/ { n += $6 - $4 + 1 } END { print n }' err)
"$MMUSIM" trace convert --salvage broken.mmt kept.mmt 2>err
[[ $? == 1 ]] || fail "--salvage of damage in the middle"
grep -q "^mmusim: kept.mmt: $((2000000 - lost)) references are kept; $lost that lay between them are lost\$" err ||
    fail "--salvage of damage in the middle: $(cat err)"
"$MMUSIM" trace verify kept.mmt | grep -q "binary, $((2000000 - lost)) references" || fail "what was salvaged around damage"

# ---- page runs: stored beside the references, which stay what they are ----
"$MMUSIM" trace convert --page-runs some.mmt runs.mmt || fail "convert --page-runs: exit status $?"
"$MMUSIM" trace verify runs.mmt some.mmt >out || fail "verify of page runs: $(cat out)"
grep -q '^runs.mmt: good: .* heads of page runs, ' out || fail "verify does not see page runs"
cmp <(text convert runs.mmt) <(text convert some.mmt) || fail "page runs change the references"
"$MMUSIM" trace info runs.mmt | grep -q '^page runs  *[0-9]* heads, a reference in [1-9]' || fail "info does not tell of page runs"
"$MMUSIM" trace convert runs.mmt plain.mmt && cmp plain.mmt some.mmt || fail "without page runs the file is another"
"$MMUSIM" trace convert --page-runs marks.mmt runs.mmt && text convert runs.mmt | cmp - marks.txt || fail "page runs change marks"
refused 2 "--page-runs: only the binary form stores page runs" convert --page-runs --text some.mmt o.txt
refused 2 "--level: only the binary form is packed" convert --level 9 --text some.mmt o.txt

# ---- a writer that is killed: all complete blocks can be read, and kept ----
"$MMUSIM" trace convert --level 1 <(for _ in 1 2 3; do "$MMUSIM" trace convert --text "$SRC/traces/sqlite.mmt" - 2>/dev/null; done) killed.mmt &
writer=$!
while [[ $(stat -c %s killed.mmt.tmp.$writer 2>/dev/null || echo 0) -lt 300000 ]] && kill -0 $writer 2>/dev/null; do
    sleep 0.01
done
kill -9 $writer
wait $writer 2>/dev/null
[[ ! -e killed.mmt ]] || fail "a killed writer leaves the file in its place"
"$MMUSIM" trace verify killed.mmt.tmp.$writer 2>err
[[ $? == 2 ]] || fail "verify of an unfinished file"
grep -q 'the trace was never finished: [0-9]* references in [0-9]* complete blocks\|block [0-9]*: the file ends inside it' err || fail "unfinished: $(cat err)"
"$MMUSIM" trace convert --salvage killed.mmt.tmp.$writer kept.mmt 2>err
[[ $? == 1 ]] || fail "--salvage of an unfinished file: $(cat err)"
"$MMUSIM" trace verify kept.mmt >out || fail "what was salvaged is not good"
kept=$(awk '{ print $4 }' out)
[[ $kept -gt 262144 ]] || fail "only $kept references were kept"
cmp <(text convert kept.mmt) <(text convert --limit "$kept" "$SRC/traces/sqlite.mmt") || fail "what was salvaged is not what was written"

# ---- an input that ends too early: what was read is reported, and the exit status is not 0 ----
gzip -c "$SRC/traces/ls32.mmt" | head -c -4 >cut.mmt.gz # all of the trace, not all of its packing
"$MMUSIM" trace verify cut.mmt.gz >out 2>err && fail "a packed trace without its last bytes is good"
grep -q '^mmusim: cut.mmt.gz: byte [0-9]*: after decompression: truncated gzip input' err || fail "cut.mmt.gz: said '$(cat err)'"
"$MMUSIM" trace convert --text "$SRC/traces/gzip32.mmt" - | head -200000 | gzip -1 >long.txt.gz
head -c $(($(stat -c %s long.txt.gz) / 2)) long.txt.gz >cut.txt.gz
"$MMUSIM" trace info cut.txt.gz >out 2>err
[[ $? == 2 ]] || fail "a cut input: exit status is not 2"
grep -q '^incomplete ' out || fail "a cut input is reported as complete"
n=$(awk '$1 == "references" { print $2 }' out)
[[ $n -gt 1000 ]] || fail "a cut input: $n references"
grep -q "after decompression: .*runcated.* ($n references before it)\$" err || fail "a cut input: $(cat err)"
refused 2 "$(sed 's/^mmusim: //; s/ ([0-9]* references before it)$//' err)" convert cut.txt.gz o.mmt
"$MMUSIM" trace convert --salvage cut.txt.gz o.mmt 2>/dev/null
[[ $? == 1 ]] || fail "--salvage of a cut input"
"$MMUSIM" trace info o.mmt | grep -q "^references *$n\$" || fail "--salvage of a cut input keeps another number"

for part in cut merge stats verify; do
    "$MMUSIM" trace $part --help | grep -q '^Examples:' || fail "trace $part --help"
done
[[ -z $(find . -name '*.tmp.*' ! -name 'killed.*') ]] || fail "temporary files are left"

verdict "all is well"
