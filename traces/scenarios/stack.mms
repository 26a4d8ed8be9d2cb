# The stack is not fixed: it grows when it is touched.

$pid = spawn shell
switch $pid
$top = task start_stack
$vma = vma $top - 4K start
expect vma $vma name is [stack]
maps

# A fresh stack is small, far below its limit of 8 MiB.
expect $top - $vma < 256K

# An access below it extends it: one fault, and the VMA begins lower.
expect why $vma - 8K is STACK_GAP
expect write $vma - 8K faults == 1
expect vma $top - 4K start == $vma - 8K
expect vmstat fault_stack == 1

# Not all pages between are present: only what was touched.
expect why $vma - 4K is UNTOUCHED

# It does not grow without end.
expect write $top - 9M is SEGV_MAPERR
expect write $top - 4M is done
expect vma $top - 4K start == $top - 4M

# And it grows only into free space, with a gap of 1 MiB before whatever lies below (an overrun must not land there
# unseen).
$below = mmap $top - 6M 4K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED
expect write $below + 8K is SEGV_MAPERR
expect write $below + 2M is done

# Any mapping can be made so.
$other = mmap 0x20000000 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS|MAP_GROWSDOWN|MAP_FIXED
expect write $other - 4K is done
expect vma $other start == $other - 4K
