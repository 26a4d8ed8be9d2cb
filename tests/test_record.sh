#!/bin/bash
# mmusim trace record: programs of both widths, threads, children, crashes and signals under QEMU; windows; bad input.
#
# Environment: MMUSIM, the program; SRC, the project. Needs qemu-user and a C compiler; without them it is skipped.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 1

for tool in qemu-x86_64 qemu-i386 cc; do
    command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
flags="-O1 -static -nostdlib -fno-pie -no-pie -fno-stack-protector -fcf-protection=none -fno-builtin -fno-sanitize=all"
# shellcheck disable=SC2086
for width in 64 32; do
    cc -m$width $flags "$SRC/tests/record_program.c" -o program$width || { echo "SKIP: no compiler for -m$width" && exit 77; }
done

# field WORD: of the last info
field() {
    awk -v word="$1" '$1 == word { print $2; exit }' info
}

# recorded STATUS FILE ARGUMENT...: records the program of ours; its output and exit status are its own, nothing is said
recorded() {
    local status=$1 file=$2
    shift 2
    "$MMUSIM" trace record -o "$file" "$@" >out 2>err </dev/null
    local got=$?
    [[ $got == "$status" ]] || fail "record $*: exit status $got, expected $status; $(cat err)"
    [[ $(cat out) == "the program's own output" ]] || fail "record $*: the program's output is '$(cat out)'"
    [[ ! -s err ]] || fail "record $*: said '$(cat err)'"
    "$MMUSIM" trace info "$file" >info || fail "record $*: the trace cannot be read"
    [[ ! -e $(compgen -G "$file.*") ]] || fail "record $*: left $(ls -d "$file".*)"
    "$MMUSIM" trace record --text -o text "$@" >out 2>err </dev/null
    [[ $? == "$status" ]] || fail "record --text $*: $(cat err)"
    "$MMUSIM" trace verify "$file" >verified || fail "record $*: $(cat verified)"
}

# refused MESSAGE ARGUMENT...: exit status 2, this line, no output of the program and no trace
refused() {
    local message=$1
    shift
    rm -f t.mmt
    "$MMUSIM" trace record "$@" >out 2>err </dev/null
    [[ $? == 2 ]] || fail "record $*: exit status is not 2"
    [[ $(cat err) == "mmusim: "$message ]] || fail "record $*: said '$(cat err)', expected '$message'"
    [[ ! -s out ]] || fail "record $*: the program ran"
    [[ ! -e t.mmt ]] || fail "record $*: left a trace"
}

# ---- both widths: what the program is known to do ----
for width in 64 32; do
    recorded 7 $width.mmt -- "./program$width"
    [[ $(field fetches) -gt 1000 && $(field loads) -gt 300 && $(field stores) -gt 300 ]] || fail "$width: $(cat info)"
    checksum=$(field checksum)
    # 68 stores of a byte, 61 bytes apart; 74 words read, changed and written, 7 words apart
    bytes=$((16#$(nm program$width | awk '$3 == "bytes" { print $1 }')))
    words=$((16#$(nm program$width | awk '$3 == "words" { print $1 }')))
    for ((i = 0; i < 4096; i += 61)); do printf ' S %08x,1\n' $((bytes + i)); done >expected
    for ((i = 0; i < 512; i += 7)); do printf ' M %08x,%d\n' $((words + i * width / 8)) $((width / 8)); done >>expected
    grep '^ ' text | awk -v n="$(wc -l <expected)" -v first="$(head -1 expected)" '$0 == first { on = 1 } on && k++ < n' |
        cmp - expected || fail "$width: the arrays are walked in another way"
    floats=$(nm program$width | awk '$3 == "floats" { print substr($1, length($1) - 7) }')
    grep -A1 "^ L $floats,16" text | tail -1 | grep -q '^I ' || fail "$width: 16 bytes are not one load"
    grep -q "^ S $floats,16" text || fail "$width: 16 bytes are not one store"
    tens=$(nm program$width | awk '$3 == "tens" { print substr($1, length($1) - 7) }')
    grep -q "^ L $tens,10" text && grep -q "^ S $tens,10" text || fail "$width: 10 bytes are not one access"
    shared=$(nm program$width | awk '$3 == "shared" { print substr($1, length($1) - 7) }')
    [[ $(grep -c "^ M $shared,4" text) == 32 ]] || fail "$width: locked instructions are $(grep -c "$shared" text)"
    grep -q '^# mmusim: event exit$' text || fail "$width: no mark of the end"
    # The maps: the program's segments and its stack, with addresses of the program.
    grep -q "^# mmusim: map [0-9]* .* r-xp .*/program$width\$" text || fail "$width: no code in the maps: $(grep 'map ' text)"
    grep -q "^# mmusim: map [0-9]* .* rw-p .*\[stack\]\$" text || fail "$width: no stack in the maps: $(grep 'map ' text)"
    ! grep '^# mmusim: map ' text | grep -q qemu || fail "$width: QEMU is in the maps"
    mapfile -t ranges < <(awk '/^# mmusim: map / { sub("-", " ", $5); print $5 }' text)
    while read -r page; do
        covered=
        for range in "${ranges[@]}"; do
            [[ $((16#${page}000)) -ge $((16#${range% *})) && $((16#${page}000)) -lt $((16#${range#* })) ]] && covered=1
        done
        [[ $covered ]] || fail "$width: page ${page}000 is not in the maps"
    done < <(grep '^[ I]' text | awk '{ sub("...,.*", "", $2); print $2 }' | sort -u)
    # The binary form, which is written by executions of code, has what the text has.
    cmp <("$MMUSIM" trace convert --text $width.mmt - | grep '^[ I]') <(grep '^[ I]' text) || fail "$width: the forms differ"
    # The same program does the same again.
    recorded 7 again.mmt -- "./program$width"
    [[ $(field checksum) == "$checksum" ]] || fail "$width: two recordings differ"
done

# ---- an instruction that goes on in the next page is fetched once, whole, whatever stands before it ----
cat >crossing.S <<'EOF'
.globl _start
.p2align 12
_start: .fill 4080, 1, 0x90
        jmp 1f
1:      .fill 11, 1, 0x90
across: mov $0x11223344, %eax
#ifdef __x86_64__
        mov $60, %eax
        xor %edi, %edi
        syscall
#else
        mov $1, %eax
        xor %ebx, %ebx
        int $0x80
#endif
EOF
for width in 64 32; do
    cc -m$width -static -nostdlib -no-pie crossing.S -o crossing || fail "crossing.S, $width"
    across=$(nm crossing | awk '$3 == "across" { print substr($1, length($1) - 7) }')
    "$MMUSIM" trace record --text -o text -- ./crossing 2>err || fail "crossing, $width: $(cat err)"
    [[ $(grep "^I  $across," text) == "I  $across,5" && $(grep -c '^I' text) == 4096 ]] || fail "crossing, $width: $(grep -A2 "^I  $across" text), $(grep -c '^I' text) fetches"
done

# ---- a program of the system, with its own libraries ----
if "$MMUSIM" trace record -o ls.mmt -- ls / >out 2>err; then
    ls / | cmp - out || fail "ls prints something else"
    "$MMUSIM" trace record --text -o text -- ls / >out 2>err || fail "ls: $(cat err)"
    grep -q '^# mmusim: map .* r-xp .*/libc.so' text || fail "ls: no libc in the maps"
    grep -q '^# mmusim: map .*\[heap\]$' text || fail "ls: no heap in the maps"
    grep -q '^# mmusim: event mmap 0x' text || fail "ls: no mark of a mmap"
else
    fail "ls: exit status $?: $(cat err)"
fi

# ---- threads, children ----
recorded 7 t.mmt -- ./program64 threads
[[ $(grep '^# mmusim: thread' text | sort -u | wc -l) == 2 && $(grep '^# mmusim: process' text | sort -u | wc -l) == 1 ]] ||
    fail "threads: $(grep '^# mmusim: [tp]' text)"
shared=$(nm program64 | awk '$3 == "shared" { print substr($1, length($1) - 7) }')
[[ $(grep -c "^ M $shared,4" text) == 64 ]] || fail "threads: $(grep -c "^ M $shared,4" text) locked instructions, expected 64"
for width in 64 32; do
    recorded 7 f.mmt -- ./program$width fork
    [[ $(grep '^# mmusim: process' text | sort -u | wc -l) == 2 ]] || fail "fork $width: $(grep '^# mmusim: [tp]' text)"
    shared=$(nm program$width | awk '$3 == "shared" { print substr($1, length($1) - 7) }')
    [[ $(grep -c "^ M $shared,4" text) == 64 ]] || fail "fork $width: $(grep -c "^ M $shared,4" text) locked instructions"
    child=$(awk '/^# mmusim: event fork/ { print $5 }' text)
    grep -q "^# mmusim: process $child\$" text || fail "fork $width: the child $child is not there"
done

# ---- a program that becomes another one, of either width, by a script, and one that is none for us ----
cat >script <<EOF
#!/bin/sh
$scratch/program32
$scratch/no-such-program 2>/dev/null
$scratch/plain-text 2>/dev/null
./inner
exec $scratch/program64 x
EOF
printf '#!%s/program32 argument\n' "$scratch" >inner
echo >plain-text
chmod +x script inner plain-text
"$MMUSIM" trace record --text -o text -- ./script >out 2>err
[[ $? == 7 && ! -s err ]] || fail "exec: $(cat err)"
[[ $(uniq -c out | awk '{ print $1 }') == 3 ]] || fail "exec: the programs' output is '$(cat out)'"
for width in 64 32; do
    shared=$(nm program$width | awk '$3 == "shared" { print substr($1, length($1) - 7) }')
    [[ $(grep -c "^ M $shared,4" text) == $((32 * (1 + (width == 32)))) ]] || fail "exec: $(grep -c "^ M $shared,4" text) of program$width"
    grep -q "^# mmusim: map [0-9]* .* r-xp .*/program$width\$" text || fail "exec: program$width is not in the maps"
done
[[ $(grep '^# mmusim: process' text | sort -u | wc -l) -ge 6 ]] || fail "exec: $(grep '^# mmusim: process' text)"

# ---- the end of a program: a crash, a signal to it, signals to us ----
"$MMUSIM" trace record -o c.mmt -- ./program64 crash >out 2>err
[[ $? == 139 && ! -s err ]] || fail "crash: exit status is not 139, or something is said: $(cat err)"
"$MMUSIM" trace info c.mmt >info || fail "crash: $(cat err)"
[[ $(field references) -gt 2000 ]] || fail "crash: $(field references) references"
for signal in KILL TERM; do
    "$MMUSIM" trace record -o k.mmt -- ./program64 long >out 2>err &
    for ((i = 0; i < 100; i++)); do [[ -s out ]] && break || sleep 0.1; done
    sleep 0.3
    if [[ $signal == KILL ]]; then
        read -r child rest <"/proc/$!/task/$!/children" # QEMU
        kill -KILL "$child" && expected=137
    else
        kill -TERM $! && expected=143
    fi
    wait $!
    status=$?
    [[ $status == "${expected:-}" ]] || fail "SIG$signal: exit status $status, expected $expected: $(cat err)"
    "$MMUSIM" trace info k.mmt >info || fail "SIG$signal: no trace: $(cat err)"
    [[ $(field references) -gt 100000 ]] || fail "SIG$signal: $(field references) references"
done

# ---- windows ----
recorded 7 w.mmt --max 1K -- ./program64
[[ $(field references) == 1024 ]] || fail "--max 1K: $(field references)"
recorded 7 w.mmt --max 1000 -- ./program64
[[ $(field references) == 1000 ]] || fail "--max 1000: $(field references)"
recorded 7 s.mmt --skip 0x1f4 --max 500 -- ./program64
cmp <("$MMUSIM" trace convert --text --skip 500 w.mmt - | grep '^[ I]') <(grep '^[ I]' text) || fail "--skip is no part of the whole"
grep -q '^# mmusim: process' text || fail "a window does not say whose it is"
# A window behind the program's end: the program runs as ever, and what is there is no trace.
recorded 7 w.mmt -- ./program64
made=$(field references)
for skip in "$made" 100000000; do
    rm -f t.mmt
    "$MMUSIM" trace record -o t.mmt --skip "$skip" -- ./program64 >out 2>err
    [[ $? == 2 && ! -e $(compgen -G "t.mmt*") ]] || fail "--skip $skip of $made: $(ls t.mmt*)"
    [[ $(cat err) == "mmusim: t.mmt: not written: the program made $made references, and --skip leaves out $skip" ]] ||
        fail "--skip $skip of $made: said '$(cat err)'"
    [[ $(cat out) == "the program's own output" ]] || fail "--skip $skip: the program's output is '$(cat out)'"
done
recorded 7 s.mmt --skip $((made - 1)) -- ./program64
[[ $(field references) == 1 ]] || fail "the last reference: $(field references)"

# ---- behind a window: threads, locks and all, the program goes on as ever ----
cat >locks.c <<'EOF'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long sum;
static void *work(void *unused)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&mutex);
        sum++;
        pthread_mutex_unlock(&mutex);
        __atomic_fetch_add(&sum, 1, __ATOMIC_RELAXED);
        free(malloc(100 + (size_t)i % 1000));
    }
    return unused;
}
int main(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, work, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    puts("the program's own output");
    return 7;
}
EOF
cc -O1 -pthread locks.c -o locks || fail "locks.c"
for i in {1..20}; do
    "$MMUSIM" trace record -o w.mmt --max $((i * 50000)) -- ./locks >out 2>err
    [[ $? == 7 && $(cat out) == "the program's own output" && ! -s err ]] || fail "--max $((i * 50000)) of threads: $(cat err)"
    "$MMUSIM" trace info w.mmt | grep -q "^references *$((i * 50000))\$" || fail "--max $((i * 50000)) of threads: $("$MMUSIM" trace info w.mmt)"
done

# ---- scripts ----
printf '#! %s/program64\n' "$scratch" >script && chmod +x script
recorded 7 t.mmt -- ./script
grep -q '/program64' text || fail "a script's interpreter is not in the maps"
rm t.mmt

# ---- bad input: nothing runs ----
refused "no-such-program-here: no such program in \$PATH" -o t.mmt -- no-such-program-here
refused "./nothing: No such file or directory" -o t.mmt -- ./nothing
refused "./: is a directory, expected a program" -o t.mmt -- ./
refused "--max: 0 is out of range, expected 1 to 18446744073709551615" --max 0 -o t.mmt -- true
echo text >plain
refused "./plain: is not executable" -o t.mmt -- ./plain
chmod +x plain
refused "./plain: is neither an ELF program nor a script that begins with #!" -o t.mmt -- ./plain
printf '#!/no/such/interpreter\n' >script
refused "./script: the script's interpreter /no/such/interpreter is no executable file" -o t.mmt -- ./script
printf '#!%s/script\n' "$scratch" >script
refused "./script: scripts name each other as interpreters" -o t.mmt -- ./script
{ head -c 18 program64 && printf '\xb7\0' && tail -c +21 program64; } >arm && chmod +x arm
refused "./arm: is a program for 64-bit ARM, expected x86-64 or i386" -o t.mmt -- ./arm
head -c 30 program64 >short && chmod +x short
refused "./short: is a damaged program: it ends in its first header" -o t.mmt -- ./short
refused "no/folder/t.mmt: cannot be written: No such file or directory" -o no/folder/t.mmt -- ./program64
refused ".: is a directory, expected a place for a file" -o . -- ./program64
refused "trace record: the trace needs a file, standard output is the program's" -o - -- ./program64
refused "trace record: expected a program, as in: mmusim trace record -- ls -l" -o t.mmt --
refused "--max: 'x' is not a number" -o t.mmt --max x -- ./program64
refused "unknown option '--maks'; did you mean '--max'?" -o t.mmt --maks 5 -- ./program64
mkdir few && ln -s "$(command -v rm)" "$(command -v cat)" few
PATH=$scratch/few refused "qemu-x86_64 is not installed (Debian: apt-get install qemu-user)" -o t.mmt -- ./program64
PATH=$scratch/few refused "valgrind is not installed (Debian: apt-get install valgrind)" -o t.mmt --tool lackey -- ./program64

# ---- a full disk: the program goes on, the trace does not ----
if [[ -c /dev/full ]]; then
    "$MMUSIM" trace record -o /dev/full -- ./program64 >out 2>err
    [[ $? == 2 && $(wc -l <err) == 1 ]] || fail "a full disk: $(cat err)"
fi

# ---- a limit on files ----
(ulimit -f 1000 && refused "cannot make memory to share with QEMU: File too large" -o t.mmt -- ./program64 && exit $failures) ||
    fail "a limit on the size of files"

"$MMUSIM" trace record --help | grep -q -- '--tool qemu|lackey' || fail "--help"
verdict "all passed"
