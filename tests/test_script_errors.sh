#!/bin/bash
# Scenarios that cannot be: one line with file, line and column, exit status 2, nothing printed; and expectations that
# fail: exit status 1, both values. MMUSIM, the program; CONFIGS, the shipped machines.
. "$(dirname "${BASH_SOURCE[0]}")/cli.sh"
cd "$scratch" || exit 2
cases=0
config=pentium3-i386

# check STATUS MESSAGE, after a run
check() {
    local got=$3
    cases=$((cases + 1))
    [[ $got == "$1" ]] || fail "$(tail -1 s.mms): exit status $got: $(cat err)"
    local said
    said=$(cat err)
    [[ $2 == *'*' ]] && said=${said:0:$((${#2} + 7))}'*' # its begin is enough
    [[ $(wc -l <err) == 1 && $said == "mmusim: $2" ]] || fail "$(tail -1 s.mms): said $(cat err)"
}

# refused MESSAGE LINE...: a scenario of these lines
refused() {
    local message=$1
    shift
    printf '%s\n' "$@" >s.mms
    "$MMUSIM" run --config "$config" s.mms >out 2>err
    check 2 "$message" $?
    [[ ! -s out ]] || fail "$(tail -1 s.mms): printed $(head -3 out)"
}

# differs MESSAGE LINE...: likewise, an expectation that fails
differs() {
    local message=$1
    shift
    printf '%s\n' "$@" >s.mms
    "$MMUSIM" run --config "$config" s.mms >out 2>err
    check 1 "$message" $?
    grep -q ' 1 failed$' out || fail "$(tail -1 s.mms): no count of failures"
}

spawn=('$p = spawn shell' 'switch $p')
map='$v = mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS'

# Words and numbers.
refused "s.mms:1:1: unknown command 'aloc_pages'; did you mean 'alloc_pages'?" 'aloc_pages GFP_KERNEL'
refused "s.mms:1:1: unknown command 'xyzzy'; 'help' lists the commands" 'xyzzy 1'
refused "s.mms:2:5: '4' is too much, expected the end of the line" '# a comment' '123 4'
refused "s.mms:1:12: expected gfp, but the line ends: alloc_pages GFP [ORDER]" 'alloc_pages'
refused "s.mms:1:13: unknown GFP flag 'GFP_KERNL', did you mean GFP_KERNEL?" 'alloc_pages GFP_KERNL'
refused "s.mms:1:26: '1' is too much, expected alloc_pages GFP [ORDER]" 'alloc_pages GFP_KERNEL 0 1'
refused "s.mms:1:9: '12x' is not a number with an optional suffix K, M, G or T, expected a number or \$NAME for size" 'kmalloc 12x'
refused "s.mms:1:9: '18446744073709551616' is larger than 2^64 - 1, expected a number or \$NAME for size" 'kmalloc 18446744073709551616'
refused "s.mms:1:9: '99999999999999999G' is larger than 2^64 - 1, expected a number or \$NAME for size" 'kmalloc 99999999999999999G'
refused "s.mms:1:11: the difference is less than 0" 'kmalloc 1 - 2'
refused "s.mms:1:28: the sum is larger than 2^64 - 1" 'kmalloc 0xffffffffffffffff + 1'
refused "s.mms:1:13: the line ends, expected a number or \$NAME for size" 'kmalloc 1 + '
refused "s.mms:1:6: 0x100000000 does not fit this machine's 32-bit addresses" 'read 4G'
refused "s.mms:1:6: 0x5ffe0 is no page frame of this machine, expected a number below 0x5ffe0" 'page 0x5ffe0'
refused "s.mms:1:6: unknown zone 'Hihgmem'; did you mean 'HighMem'?" 'zone Hihgmem'
refused "s.mms:1:11: unknown field 'refcnt'; did you mean 'refcount'?" 'page 4096 refcnt'
refused "s.mms:1:14: unknown field 'pidd'; did you mean 'pid'?" '$p = spawn a pidd'
refused "s.mms:1:6: expected a command or a number, but the line ends" '$x = '
refused "s.mms:1:8: expected a command or a number, but the line ends" 'expect # nothing'
refused "s.mms:1:8: 'help' begins a statement and gives no value" 'expect help'
refused "s.mms:1:6: a quote that does not end, expected '\"' behind the text" 'file "a'
refused "s.mms:1:1: REFUSED: fix_to_virt: no such index of the fixmap*" 'fix_to_virt 99999'
refused "s.mms:1:18: size is 0, expected at least 1" 'read 0x1000 size 0'
refused "s.mms:1:1: read: size 5000, expected 1 to 4096 bytes; 'count' and 'stride' make a range" 'read 0x1000 size 5000'
refused "s.mms:1:1: read: the last access reaches beyond the 32-bit address space" 'read 0xfffff000 as kernel count 3 stride 4096'
for command in fetch 'translate 0x1000 fetch' 'walk 0x1000 fetch'; do
    [[ $command == fetch ]] && command='fetch 0x1000'
    refused "s.mms:1:1: ${command%% *}: a fetch is never implicit" "$command as implicit"
    refused "s.mms:1:1: ${command%% *}: a fetch is never a uaccess" "$command as uaccess"
done
refused "s.mms:1:1: read: no process runs on this CPU, expected 'switch PID' before a user's access, or 'as kernel'" 'read 0x1000'
refused "s.mms:3:1: read: task 1 is a kernel thread and has no user mode, expected 'as kernel'" '$k = kthread worker' 'switch $k' 'read 0x1000'
refused "s.mms:1:2: no process runs on this CPU, expected 'switch PID' before a user's access, or 'as kernel'" ' L 1000,4'
refused "s.mms:1:18: unknown field or argument 'writ'; did you mean 'write'?" 'translate 0x1000 writ'
refused "s.mms:1:23: unknown field or argument 'XX', expected one of: va, WB, WC, UC-, UC, WT" 'ioremap 0xfe000000 4K XX'
refused "s.mms:1:6: unknown zone 'dma'; did you mean 'DMA'?" 'zone dma'
refused "s.mms:1:20: 'size' stands twice" 'read 0x1000 size 8 size 4'
refused "s.mms:1:16: unknown as 'kernal'; did you mean 'kernel'?" 'read 0x1000 as kernal'
refused "s.mms:1:1: REFUSED: set_memory_ro: 0x1, 1 pages: *" 'set_memory_ro 1 1'
refused "s.mms:1:1: stats: no counter begins with 'tlb.nothing'; 'stats' prints those that are not 0" 'stats tlb.nothing'
refused "s.mms:1:1: cpu: this machine has 1 CPU, numbered from 0" 'cpu 7'
refused "s.mms:1:4: unknown architecture 'i368'; did you mean 'i386'?" 'on i368 maps'
refused "s.mms:1:8: expected a statement behind the architecture" 'on i386'

# Names.
refused "s.mms:1:14: unknown name '\$page'; '\$page = ...' gives it a value" '__free_pages $page'
refused "s.mms:2:14: unknown name '\$pgae'; did you mean '\$page'?" '$page = alloc_pages GFP_KERNEL' '__free_pages $pgae'
refused "s.mms:1:6: \$a would stand for itself, expected a value" '$a = $a'
refused "s.mms:1:6: \$a would stand for itself, expected a value" '$a = $a + 1'
refused "s.mms:1:6: unknown name '\$b'; '\$b = ...' gives it a value" '$a = $b' '$b = $a'
refused "s.mms:1:1: expected a name of 1 to 47 letters, digits or _ behind '\$'" '$ = 1'
refused "s.mms:1:1: unknown name '\$a'; '\$a = ...' gives it a value" '$a 1'
refused "s.mms:1:4: expected one '=' behind \$a; 'expect' compares" '$a == 1'
refused "s.mms:1:1: \$PAGE_OFFSET is a constant of the kernel, 0xc0000000" '$PAGE_OFFSET = 1'
refused "s.mms:1:1: unknown name '\$PAGE_OFSET'; did you mean '\$PAGE_OFFSET'?" '$PAGE_OFSET + 4K'
refused "s.mms:2:9: \$w is the word 'reserved', expected a number" '$w = page 1 use' 'kmalloc $w'
refused "s.mms:1:6: drain gives no value to name" '$a = drain'

# Lines of traces.
refused "s.mms:1:4: expected ADDRESS,SIZE with a hexadecimal address" 'I  xyz'
refused "s.mms:1:9: expected a size of 1 to 4096 bytes" ' L 1000,0'
refused "s.mms:1:11: 'q', expected k, i, + or gN behind the size" ' L 1000,4 q'
refused "s.mms:1:4: 0x123456789 does not fit this machine's 32-bit addresses" 'I  123456789,4'

# What the kernel refuses.
refused "s.mms:3:1: BUG: __free_pages: pfn 0x36bfe, order 0: the page is free already*" '$page = alloc_pages GFP_HIGHUSER_MOVABLE' '__free_pages $page' '__free_pages $page'
refused "s.mms:1:1: fork: no task runs on this CPU, expected 'switch PID' before it" 'fork'
refused "s.mms:1:1: maps: there is no task 7, or no longer; 'tasks' lists them" 'maps 7'
refused "s.mms:4:1: switch: there is no task 1, or no longer; 'tasks' lists them" "${spawn[@]}" 'exit' 'switch $p'
refused "s.mms:4:1: munmap: there is no task 1, or no longer; 'tasks' lists them" "${spawn[@]}" 'exit' 'munmap 0x1000 4K pid $p'
refused "s.mms:3:10: unknown protection 'PROT_RAED'; did you mean 'PROT_READ'?" "${spawn[@]}" 'mmap 0 1 PROT_RAED MAP_PRIVATE'
refused "s.mms:3:31: unknown flag of mmap 'MAP_ANONYMUS'; did you mean 'MAP_ANONYMOUS'?" "${spawn[@]}" 'mmap 0 1 PROT_READ MAP_SHARED|MAP_ANONYMUS'
refused "s.mms:3:1: SEGV_MAPERR: SIGSEGV: no VMA at this address, 0x1000 (error code 0x4: a user's read, no entry) (if it is meant: expect ... fails SEGV_MAPERR)" "${spawn[@]}" 'read 0x1000'
refused "s.mms:3:2: SEGV_MAPERR: SIGSEGV: no VMA at this address, 0x1000 (error code 0x6: a user's write, no entry) (if it is meant: expect ... fails SEGV_MAPERR)" "${spawn[@]}" ' S 1000,4'
echo ' L 1000,8' >user.lk
refused "s.mms:1:1: trace: no process runs on this CPU, expected 'switch PID' before a user's access, or 'as kernel'" 'trace user.lk'
refused "s.mms:3:1: trace: none: *" "${spawn[@]}" 'trace none'
refused "s.mms:3:1: trace: s.mms is a scenario, expected a trace" "${spawn[@]}" 'trace s.mms'
refused "s.mms:3:1: import_maps: none: No such file or directory" "${spawn[@]}" 'import_maps none'
printf '%s\n' '08048000-0804a000 r-xp 00000000 00:00 0' '08049000-0804b000 r-xp 00000000 00:00 0' >overlap
refused "s.mms:3:1: import_maps: overlap:2:1: overlaps a line before it" "${spawn[@]}" 'import_maps overlap'
printf 'ELF? No.' >program
refused "s.mms:3:1: ENOEXEC: *" "${spawn[@]}" 'exec program'
head -c 100 "$MMUSIM" >program
refused "s.mms:3:1: ENOEXEC: *" "${spawn[@]}" 'exec program'

# expect: what it says, and what it needs.
differs "s.mms:1:1: expectation failed: it is 3840 (0xf00), expected 3841 (0xf01)" 'expect zone DMA managed == 3841'
differs "s.mms:1:1: expectation failed: it is 3840 (0xf00), expected > 4096 (0x1000)" 'expect zone DMA managed > 4K'
differs "s.mms:1:1: expectation failed: it is reserved, expected free" 'expect page 1 use is free'
differs "s.mms:3:1: expectation failed: it is done, expected SEGV_MAPERR" "${spawn[@]}" 'expect read $p + 0xbffff000 is SEGV_MAPERR'
differs "s.mms:1:1: expectation failed: it is done, expected fails EXHAUSTED" 'expect alloc_pages GFP_KERNEL fails EXHAUSTED'
differs "s.mms:1:1: expectation failed: it is a text without it, expected contains Highmem" 'expect zoneinfo contains Highmem'
differs "s.mms:1:1: expectation failed: it is a text that has it, expected lacks HighMem" 'expect zoneinfo lacks HighMem'
differs "s.mms:1:1: expectation failed: it is 2, expected 1" 'expect 2 == 1'
refused "s.mms:1:24: expected ==, !=, <, <=, >, >=, is, is not, fails, contains or lacks, but the line ends" 'expect zone DMA managed'
refused "s.mms:1:28: expected a command, a word or a number, but the line ends" 'expect zone DMA managed == '
refused "s.mms:1:33: '2' is too much, expected the end of the line" 'expect zone DMA managed == 3840 2'
refused "s.mms:1:15: it is 'reserved', which is no number; expected 'is' and a word" 'expect page 1 == 1'

# Both sides may be numbers, names, words, commands.
held() {
    cases=$((cases + 1))
    printf '%s\n' "$@" >s.mms
    "$MMUSIM" run --config "$config" s.mms >out 2>err || fail "$(tail -1 s.mms): exit status $?: $(cat err)"
}
refused "s.mms:1:10: 'KiB', expected ==, !=, <, <=, >, >=, is, is not, fails, contains or lacks" 'expect 4 KiB == 4096'
held 'expect 5 is 5' 'expect 0x10 is 16' 'expect 16 is not 17' 'expect 4KiB == 4K' 'expect 1 + 1 is 2' 'expect 3 >= 2' 'expect 1GiB > 1MiB' 'expect 4096 is 4K'
held '$use = page 1 use' 'expect $use is reserved' 'expect page 1 use is $use' 'expect $use is not free' 'expect $use == $use' 'expect $use contains serv'
held 'expect zone DMA managed is 0xf00' 'expect zone DMA managed <= totals managed' 'expect page 1 use == page 2 use' 'expect page 1 pfn is 1' 'expect registers mode is i386' 'expect vmstat switches == vmstat switches_mm'
held "${spawn[@]}" 'expect read 0x1000 is not done' 'expect read 0x1000 error_code == 4' 'expect write 0x1000 error_code is 6' 'expect read 0x1000 address is 4096' 'expect drain is done'
differs "s.mms:1:1: expectation failed: it is 5, expected 6" 'expect 5 is 6'
differs "s.mms:1:1: expectation failed: it is 5, expected is not 5" 'expect 5 is not 5'
differs "s.mms:1:1: expectation failed: it is reserved, expected != reserved" 'expect page 1 use != page 2 use'
differs "s.mms:1:1: expectation failed: it is 3840 (0xf00), expected > 393184 (0x5ffe0)" 'expect zone DMA managed > totals max_pfn'
differs "s.mms:3:1: expectation failed: it is SEGV_MAPERR, SIGSEGV: no VMA at this address, 0x1000 (error code 0x4: a user's read, no entry), expected 1" "${spawn[@]}" 'expect read 0x1000 faults == 1'
refused "s.mms:1:15: it is 'reserved', which is no number; expected 'is' and a word" 'expect page 1 < free'
refused "s.mms:1:28: 'toatls' is neither a number nor a command" 'expect zone DMA managed == toatls'
refused "s.mms:1:10: 'fails' is for commands, and this is a number" 'expect 5 fails ENOMEM'
refused "s.mms:1:14: drain gives no value to compare, expected 'fails' and an outcome" 'expect drain == 1'
refused "s.mms:1:13: drain gives no value to compare with" 'expect 1 == drain'
refused "s.mms:1:37: unknown outcome 'EXHUASTED'; did you mean 'EXHAUSTED'?" 'expect alloc_pages GFP_KERNEL fails EXHUASTED'

# Other files.
echo 'expect 1 == 1' >good.mms
held 'source good.mms' 'source "good.mms" # twice, but not in itself'
tail -1 out | grep -q '4 statements, 2 expectations, 0 failed$' || fail "source: $(tail -1 out)"
mkdir -p deep && echo 'source below.mms' >deep/a.mms && printf 'nonsense' >deep/below.mms
refused "deep/below.mms:1:1: unknown command 'nonsense'; 'help' lists the commands (sourced from deep/a.mms:1, from s.mms:2)" '1' 'source deep/a.mms'
refused "s.mms:2:8: s.mms is being read already, at line 2 of it" '1' 'source s.mms'
echo 'source ../s.mms' >deep/b.mms
refused "deep/b.mms:1:8: deep/../s.mms is being read already, at line 3 of it (sourced from s.mms:3)" '1' '' 'source deep/b.mms'
refused "s.mms:1:8: none.mms: cannot read: No such file or directory" 'source none.mms'
refused "s.mms:1:8: deep: cannot read: Is a directory" 'source deep'
refused "s.mms:1:8: /dev/zero: cannot read: no regular file" 'source /dev/zero'
refused "s.mms:1:7: expected a file, but the line ends" 'source'
refused "s.mms:1:17: 'b' is too much, expected the end of the line" 'source good.mms b'
refused "s.mms:1:1: expected 'quit' alone, and at a prompt" 'quit now'
refused "s.mms:1:8: 'source' begins a statement and gives no value" 'expect source'
for i in $(seq 20); do echo "source $((i + 1)).mms" >$i.mms; done
refused "15.mms:1:8: 16.mms: 16 files have named each other, expected no more (sourced from 14.mms:1,*" 'source 1.mms'

# Several failures are all told, and count.
printf '%s\n' 'expect 1 == 2' 'expect 1 == 1' 'expect 3 < 3' >s.mms
"$MMUSIM" run --config "$config" s.mms >out 2>err
[[ $? == 1 && $(wc -l <err) == 2 && $(tail -1 out) == "s.mms: 3 statements, 3 expectations, 2 failed" ]] || fail "three: $(cat out err)"

# Files that are none, options that do not fit.
: >s.mms
"$MMUSIM" run --config "$config" s.mms >out 2>err
check 2 "s.mms: no statement in it, expected a scenario" $?
"$MMUSIM" run --config "$config" none.mms >out 2>err
check 2 "none.mms: cannot open: No such file or directory" $?
head -c 300000 /dev/zero | tr '\0' x >s.mms
"$MMUSIM" run --config "$config" s.mms >out 2>err
check 2 "s.mms:1:1: a line of more than 1023 bytes" $?
head -c 300 /dev/zero >s.mms
"$MMUSIM" run --config "$config" s.mms >out 2>err
check 2 "s.mms:1:1: a byte 0 in a line, expected text" $?
ln -sf /dev/zero s.mms
timeout 20 "$MMUSIM" run --config "$config" s.mms >out 2>err
check 2 "s.mms:1:1: more than 16 MiB without an end of a line, expected text" $?
timeout 20 "$MMUSIM" shell --config "$config" </dev/zero >out 2>err
check 2 "shell:1:1: more than 16 MiB without an end of a line, expected text" $?
rm s.mms && mkdir s.mms
"$MMUSIM" run --config "$config" s.mms >out 2>err
check 2 "s.mms: cannot open: Is a directory" $?
rmdir s.mms
echo 'drain' >s.mms
"$MMUSIM" run --config "$config" --warmup 5 s.mms >out 2>err
check 2 "run: --warmup is for traces, and s.mms is a scenario" $?
echo 'I  1000,4' >t.lackey
"$MMUSIM" run --config "$config" s.mms t.lackey >out 2>err
check 2 "run: s.mms is a scenario and t.lackey a trace; expected runs of their own" $?
config=pentium3 refused "s.mms:1:1: drain: the machine has no kernel, expected a config with os" 'drain'

# Ends of lines of other systems, none at the end of the file, a mark at its begin.
printf '\xef\xbb\xbf# a page\r\n\r\n$p = spawn "a"\r\nexpect $p == 1\r\nexpect task $p comm is a' >s.mms
"$MMUSIM" run --config "$config" s.mms >out 2>err || fail "CR LF: $(cat err)"
[[ $(tail -1 out) == "s.mms: 3 statements, 2 expectations, 0 failed" && $(grep -c $'\r' out) == 0 ]] || fail "CR LF: $(cat -A out)"

# Too long for what they are.
name=$(printf 'n%.0s' {1..60})
refused "s.mms:1:1: expected a name of 1 to 47 letters, digits or _ behind '\$'" "\$$name = 1"
refused "s.mms:1:6: name of 262 bytes, expected at most 255" "file \"$(printf 'f%.0s' {1..260})\""
refused "s.mms:1:9: a number of 70 digits, expected less than 64" "kmalloc $(printf '0%.0s' {1..69})1"
refused "s.mms:1:9: there are no negative numbers, expected a number or \$NAME for size" 'kmalloc -5'
refused "s.mms:1:1: REFUSED: alloc_pages: order 4294967295, *" 'alloc_pages GFP_KERNEL 4294967296'
refused "s.mms:2:13: 0x100000000 is no GFP mask, expected less than 2^32" '$g = 4G' 'alloc_pages $g'

# Lines of any bytes end well.
for seed in 1 2 3 4 5 6 7 8; do
    head -c 4000 "$MMUSIM" | tail -c +$((seed * 300)) >s.mms
    "$MMUSIM" run --config "$config" s.mms >out 2>err
    [[ $? == 2 && $(wc -l <err) == 1 ]] || fail "bytes $seed: $(cat err)"
done

verdict "$cases mistakes are told as they should be"
