# exec: what a program's start allocates. The whole program? Its frames?

$pid = spawn shell
switch $pid
$root = task $pid root
$memory = task $pid mm
$free = zone Normal free
on i386,i386_pae exec hello/hello-i386 hello world
on x86_64,x86_64_la57 exec hello/hello-x86_64 hello world

# The program has 12 KiB of code, 8 KiB of data and 16 MiB of bss. All of it has addresses now:
maps
expect task $pid total_vm > 4096

# But only one page has a frame: the top of the stack, where exec has written the arguments. So exec touches the stack,
# and nothing else: it allocates no frame for code, data or bss.
expect task $pid rss == 1
$sp = task $pid start_stack
expect why $sp is MAPPED
status

# On top of the stack stands argc, then the pointers to the arguments; they are real bytes in simulated memory.
expect peek $sp size 4 == 3
on i386,i386_pae $argument = peek $sp + 8 size 4
on x86_64,x86_64_la57 $argument = peek $sp + 16 size 8
# "hell", as a number
expect peek $argument size 4 == 0x6c6c6568

# The task is the same, with the same pid. Its memory is another one, and so is the page directory: they belong to each
# other. The memory of before is gone.
expect task $pid mm != $memory
expect task $pid root != $root

# The first instruction brings the first page of code, from the file.
$code = task $pid start_code
expect why $code is UNTOUCHED_FILE
fetch $code
expect task $pid rss_file >= 1
expect peek $code size 1 == 0x90

# bss has no page in the file. It comes as zeros: on a read the zero page, on a write a frame.
$bss = task $pid end_data
$bss = $bss + 64K
expect why $bss is UNTOUCHED
expect peek $bss == 0
expect write $bss faults == 1
expect task $pid rss_anon == 2

# The break stands behind bss. Moving it allocates addresses once more, not frames.
$brk = brk
expect brk $brk + 1M == $brk + 1M
expect why $brk is UNTOUCHED
expect task $pid rss_anon == 2
