#!/bin/bash
# mmusim shell without a terminal: answers, help of every command, statuses; and every command with arguments that mean
# nothing ends well. MMUSIM, the program; CONFIGS, the shipped machines.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 2

# shell CONFIG: the lines of standard input
shell() { "$MMUSIM" shell --config "$1" >out 2>err; }

# Answers, aligned, without echo or prompt.
printf '%s\n' '$p = spawn init' 'switch $p' '' '# nothing' 'maps' 'expect current == 1' 'quit' 'read 0' | shell pentium3-i386 || fail "exit status $?: $(cat err)"
[[ $(cat out) == 'bffdf000-c0000000 rw-p 00000000 00:00 0          [stack]' ]] || fail "maps: $(cat out)"
echo 'walk $PAGE_OFFSET as kernel' | shell skylake-sp-linux || fail "walk: exit status $?"
for word in 'PML4E  pgd (p4d folded)' 'PDPTE  pud' 'PDE    pmd' 'PTE    pte' 'maps the page'; do
    grep -qF "$word" out || fail "walk: no '$word' in $(cat out)"
done
echo 'walk $PAGE_OFFSET as kernel' | shell pentium3-i386
grep -qF 'PDE    pgd (p4d, pud, pmd folded)' out || fail "walk on i386: $(cat out)"

# A mistake is told and does not end the session; the status is the worst one's.
printf '%s\n' 'nonsense' 'expect 1 == 2' 'page 1 use' | shell pentium3-i386
[[ $? == 2 && $(wc -l <err) == 2 && $(cat err) == *'shell:1:1: unknown command'*'shell:2:1: expectation failed: it is 1, expected 2'* ]] || fail "mistakes: $(cat err)"
grep -q '^use  *reserved' out || fail "mistakes: the session ended"
echo 'expect 1 == 2' | shell pentium3-i386
[[ $? == 1 ]] || fail "a failed expectation: exit status $?"
shell pentium3-i386 </dev/null || fail "no input: exit status $?"
shell none </dev/null && fail "a machine that is none"
"$MMUSIM" shell </dev/null 2>err && fail "no machine"
"$MMUSIM" shell --config pentium3-i386 more </dev/null 2>err && fail "too many words"

# What cannot be told, or compared, is refused before anything is done.
printf '%s\n' 'spawn a pidd' 'expect spawn b cpu == 1' 'expect spawn c ==' 'expect spawn d == 1 1' '$x = spawn e pid 5' 'spawn f | more' \
    'expect tasks == 0' | shell pentium3-i386
[[ $? == 2 && $(wc -l <err) == 6 ]] || fail "before anything is done: $(cat err)"
grep -q 'shell:7' err && fail "something was done: $(cat err)"
printf '%s\n' '$p = spawn x' 'switch $p' 'write 0xbffff000 misses' 'task rss' | shell pentium3-i386
[[ $(cat out) == 'rss  0' && $(cat err) == *"shell:3:18: unknown field or argument 'misses'"* ]] || fail "a field of several: $(cat out err)"

# Files.
printf '%s\n' '$n = 5' 'expect $n == 5' 'expect 1 == 2' >some.mms
printf '%s\n' 'source some.mms' '$n' 'source none.mms' 'source some.mms' | shell pentium3-i386
[[ $? == 2 && $(cat out) == $'some.mms: 3 statements, 2 expectations, 1 failed\n0x5 (5)\nsome.mms: 3 statements, 2 expectations, 1 failed' ]] || fail "source: $(cat out)"
[[ $(wc -l <err) == 3 && $(cat err) == *'some.mms:3:1: expectation failed: it is 1, expected 2 (sourced from shell:1)'*'shell:3:8: none.mms: cannot read: '* ]] || fail "source: $(cat err)"

# Bytes that are no text, lines without end, and what was typed before them.
printf 'expect 1 == 1\nab\0cd\n%2000d\nexpect 1 == 2' 7 | shell pentium3-i386
[[ $? == 2 && $(cat err) == *'shell:2:1: a byte 0 in a line, expected text'*'shell:3:1: a line of more than 1023 bytes'*'shell:4:1: expectation failed'* ]] || fail "bytes: $(cat err)"
printf 'expect 1 == 1\r\n\r\nquit\r\nnonsense\n' | shell pentium3-i386 || fail "CR LF: $(cat err)"
printf '\033[2J x\n' | shell pentium3-i386
grep -q $'\033' err && fail "an escape sequence went to the terminal"

# Nothing ends with blanks but what Linux ends so (maps).
printf '%s\n' '$p = spawn init' 'switch $p' 'read 0xbffff000' 'walk 0xbffff000' 'walk 0x1000' 'walk $PAGE_OFFSET as kernel' 'tlb' 'fork' 'kthread k' 'tasks' 'status' 'page 4096' 'layout' \
    'stats' 'zoneinfo' 'vmallocinfo' 'task' 'region 0' 'why 0' 'registers' 'help' 'help read' | shell pentium3-i386 || fail "questions: $(cat err)"
grep -n ' $' out && fail "blanks at the end of a line"

# A kernel thread on memory that has gone runs on init_mm's, as CR3 says.
printf '%s\n' '$p = spawn init' 'switch $p' '$k = kthread k' 'switch $k' 'exit $p' '$s = pgd swapper' 'expect pgd root == $s' 'expect pgd cr3 == $s' |
    shell pentium3-i386 || fail "a kernel thread's pgd: $(cat out err)"

# Questions change nothing: neither counters nor TLBs nor registers.
for config in pentium3-i386 pentium4-pae skylake-sp-linux ice-lake-la57; do
    printf '%s\n' '$p = spawn init' 'switch $p' '$v = kmalloc 64' '$s = task start_stack' 'write $s - 4K' 'read $v as kernel' 'stats' 'tlb' 'registers' \
        'translate $s - 4K as uaccess' 'walk $s - 4K write as uaccess' 'translate 0x1000 write' 'translate $v as kernel' 'walk $v' 'walk $v as implicit' \
        'why $v' 'why 0x1000' 'maps' 'smaps' 'pagemap $v' 'pgd $v' 'page 4096' 'rmap 4096' 'zoneinfo' 'tlb $v' 'vma 0' 'task' 'layout' 'meminfo' \
        'page 4096 use' 'stats' 'tlb' 'registers' | shell $config || fail "questions, $config: $(cat err)"
    mark=$(grep -n '^use  ' out | tail -1 | cut -d: -f1) from=$(grep -n -m1 '^[a-z0-9._]*  *[0-9]* [a-z]*s$' out | cut -d: -f1)
    tail -n +$((mark + 1)) out >after
    tail -n +"$from" out | head -n "$(wc -l <after)" | cmp - after || fail "questions, $config: something changed"
done

# Why the kernel's addresses are as they are: by region, by who wrote the entry, or why there is none. Idle knows, too.
for config in pentium3-i386 pentium4-pae skylake-sp-linux ice-lake-la57; do
    shell $config <<'LIST' || fail "why, $config: $(cat err)"
expect why $PAGE_OFFSET + 16M mapped == 1
expect why $PAGE_OFFSET + 16M area is not user
expect why $PAGE_OFFSET + 16M text contains "(direct map"
expect why $high_memory text contains "not mapped"
expect why $high_memory mapped == 0
expect why 0x1000 text contains "No process runs"
$v = vmalloc 8K
$io = ioremap 0xfe000000 4K
$k = kmalloc 100
expect why $v text contains "vmalloc() took the frame"
expect why $v + 8K text contains "guard page"
expect why $v + 64K text contains "nobody has taken"
expect why $io text contains "device"
expect why $io pa == 0xfe000000
expect why $k text contains "slabs"
expect why $k pa == __pa $k
vfree $v
expect why $v text contains "freed"
expect why $FIXADDR_START text contains "fixed index"
on i386,i386_pae $p = alloc_pages GFP_HIGHUSER
on i386,i386_pae $m = kmap $p
on i386,i386_pae expect why $m area is PKMAP
on i386,i386_pae expect why $m text contains "kmap()"
on i386,i386_pae expect why $m + 4K text contains "no page is kmapped"
on x86_64,x86_64_la57 expect why $TASK_SIZE text contains "user space ends one page before"
on x86_64,x86_64_la57 expect why 0x100000000000000 is NON_CANONICAL
on x86_64 expect why 0x800000000000 is NON_CANONICAL
expect why 0x1000 is UNALLOCATED
LIST
done
printf '%s\n' 'expect pgd $PAGE_OFFSET same == 1' '$p = spawn x' 'switch $p' '$a = mmap 0 4K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS' 'write $a' \
    '$f = pagemap $a pfn' 'expect kpagecount $f == 1' 'expect kpageflags $f names contains ANON' 'fork' 'expect kpagecount $f == 2' \
    'drop_caches' '$d = file x 64K' '$m = mmap 0 4K PROT_READ MAP_SHARED $d 0' 'read $m' '$c = pagemap $m pfn' 'munmap $m 4K' \
    'expect page $c use is cache' 'expect kpagecount $c == 0' | shell pentium3-i386 || fail "frames: $(cat err)"
echo 'expect why 0x1000 pa == 0' | shell pentium3-i386
[[ $? == 2 && $(cat err) == "mmusim: shell:1:19: this answer has no 'pa', only: why, area, mapped, in_tlb, text" ]] || fail "a field that this answer lacks: $(cat err)"

# Without a kernel: accesses under the demand pager, and the hardware's answers.
printf '%s\n' 'expect read 0x5000 faults == 1' 'expect translate 0x5000 where is L1' 'expect tlb 0x5000 > 0' ' M 6000,8' 'expect stats run.faults_pf == 2' 'registers' |
    shell skylake-sp || fail "without a kernel: exit status $?: $(cat err)"
echo 'maps' | shell skylake-sp && fail "maps without a kernel"

# Help: all commands, each explained.
echo 'help' | shell pentium3-i386 || fail "help: exit status $?"
mv out list
"$MMUSIM" shell --language | sed -n 's/^- `\([a-z_]*\).*/\1/p' >commands
[[ $(wc -l <commands) -gt 90 ]] || fail "$(wc -l <commands) commands"
while read -r command; do
    grep -qE "^  $command( |\$)" list || fail "help does not list $command"
done <commands
sed 's/^/help /' commands | shell pentium3-i386 || fail "help COMMAND: exit status $?"
[[ $(grep -c '^[a-z_]' out) == $(wc -l <commands) && $(grep -c '^    ' out) -ge $(wc -l <commands) ]] || fail "help COMMAND: $(cat out)"
echo 'help nothing' | shell pentium3-i386 && fail "help nothing"
for word in expect on source; do
    echo "help $word" | shell pentium3-i386 && grep -q "^$word " out && grep -q '^    [A-Z]' out || fail "help $word"
done

# What a question prints are the fields that the table names, all of them.
fields() { "$MMUSIM" shell --language | sed -n "s/^- \`$1[ \`].* Gives \(.*\)/\1/p" | grep -o '`[A-Za-z0-9_]*`' | tr -d '`' | sort; }
while read -r command arguments; do
    printf '%s\n' '$p = spawn init' 'switch $p' 'write $TASK_SIZE - 4K' "$command $arguments" | shell "${machine:=skylake-sp-linux}" || fail "$command: $(cat err)"
    diff <(tail -n +9 out | awk '{ print $1 }' | sort) <(fields "$command") >diffs || fail "$command gives other fields than its help says: $(cat diffs)"
done <<'LIST'
task
registers
totals
zone Normal
page 4096
kpageflags 4096
kpagecount 4096
vma 0
pgd 0x1000
pagemap 0x1000
why $PAGE_OFFSET
region 0x1000
swapper $PAGE_OFFSET
gfp_zone GFP_KERNEL
file x 4K
current
LIST

# Every command with arguments that mean nothing, before and after a process runs.
for config in pentium3-i386 pentium4-pae skylake-sp-linux; do
    for arguments in '' '0' '0 0' '1 1 1 1' '4096 4096' '0xbffff000 4K' '0xffffffff 0xffffffff' '0xffffffffffffffff 0xffffffffffffffff' \
        'GFP_KERNEL 11' 'GFP_DMA|__GFP_HIGHMEM' 'x x x x' '"" ""' '0 64K PROT_READ MAP_SHARED' '0 4K PROT_NONE MAP_PRIVATE 9 0' '0x1000 4K 8K MREMAP_MAYMOVE'; do
        { sed "s/\$/ $arguments/" commands; echo '$p = spawn x'; echo 'switch $p'; sed "s/\$/ $arguments/" commands; } | shell "$config"
        [[ $? -le 2 ]] || fail "$config '$arguments': crashed: $(tail -3 err)"
    done
done

# Statements at random, of the commands and of what might mean something to them. MMUSIM_SEED and MMUSIM_ROUNDS dig deeper.
seed=${MMUSIM_SEED:-1} rounds=${MMUSIM_ROUNDS:-2}
prepare=('$p = spawn a' 'switch $p' '$a = mmap 0 1M PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS' 'write $a count 256 stride 4K' '$d = file data 256K'
    '$c = mmap 0 256K PROT_READ|PROT_WRITE MAP_SHARED $d 0' '$v = vmalloc 64K' '$f = alloc_pages GFP_HIGHUSER' '$q = fork')
for ((round = 0; round < rounds; round++)); do
    for config in pentium3-i386 pentium4-pae skylake-sp-linux ice-lake-la57; do
        {
            printf '%s\n' "${prepare[@]}"
            awk -v seed=$((seed + round)) 'BEGIN { srand(seed)
                n = split("0 1 3 4K 64K $a $a+4K $a+64K $c $v $v+4K $f $p $q 2 3 4 $TASK_SIZE-4K $PAGE_OFFSET 0x20000000 0xfe000000 5000 PROT_READ PROT_READ|PROT_WRITE" \
                    " PROT_NONE MAP_PRIVATE|MAP_ANONYMOUS MAP_SHARED MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS MREMAP_MAYMOVE MADV_DONTNEED MADV_FREE GFP_KERNEL GFP_HIGHUSER" \
                    " read write fetch as kernel uaccess implicit user pid size count stride DMA Normal HighMem UC WB data x", word, " ") }
                { command[NR] = $0 }
                END { for (i = 0; i < 600; i++) {
                    line = command[int(rand() * NR) + 1]
                    if (rand() < .2) line = "$" substr("acfvq", int(rand() * 5) + 1, 1) " = " line
                    else if (rand() < .1) line = "expect " line
                    for (k = int(rand() * 5); k > 0; k--) line = line " " word[int(rand() * n) + 1]
                    if (rand() < .1) line = line (rand() < .5 ? " == 1" : " fails ENOMEM")
                    print line } }' commands
        } >random
        shell "$config" <random
        [[ $? -le 2 ]] || fail "seed $((seed + round)), $config: crashed: $(tail -3 err)"
        grep -v '^mmusim: ' err && fail "seed $((seed + round)), $config: said more than one line"
    done
done

# At a terminal, where libedit is built in: a prompt, and the tabulator completes.
if script -qec true /dev/null >/dev/null 2>&1 && strings "$MMUSIM" 2>/dev/null | grep -q el_gets; then
    printf 'buddy\t\nquit\n' | TERM=dumb timeout 20 script -qec "'$MMUSIM' shell --config pentium3-i386" /dev/null >out 2>err
    grep -q 'Node 0, zone  HighMem' out || fail "terminal: $(cat out)"
    # Flags, names, fields, files: what is typed is completed, so the statements work.
    echo 'expect 1 == 1' >only-this.mms
    printf '$frame = alloc_pages GFP_KERN\t\npage $fra\t refc\t\nmmap 0 4K PROT_READ|PROT_EX\t MAP_PR\t\nsource only-t\t\n$high_m\t\nquit\n' |
        TERM=dumb timeout 20 script -qec "'$MMUSIM' shell --config pentium3-i386" /dev/null >out 2>err
    for words in '^\$frame = 0x' '^refcount  1' 'mmap: no task runs on this CPU' '0xf6bfe000 (4139769856)'; do
        grep -q "$words" out || fail "completion: no '$words' in $(cat out)"
    done
    grep -q 'cannot read' out && fail "completion of files: $(cat out)"
    # ^C gives up the line and nothing else. It is sent when a prompt stands there.
    mkfifo keys # libedit itself loses the names of functions that are added to it
    ASAN_OPTIONS=detect_leaks=0 TERM=dumb timeout 20 script -qfec "'$MMUSIM' shell --config pentium3-i386" /dev/null <keys >out 2>err &
    exec 3>keys
    printf 'spawn kept\n' >&3
    for ((i = 0; i < 100; i++)); do
        tr -d '\r\n' <out | grep -q 'pid  1mmusim> ' && break
        sleep 0.1
    done
    printf 'exit 1\003tasks\nquit\n' >&3
    exec 3>&-
    wait $! || fail "^C: exit status $?"
    grep -q '1 .* process  kept' out || fail "^C ends more than the line: $(cat out)"
fi

verdict "the shell answers; $(wc -l <commands) commands; MMUSIM_SEED=$seed"
