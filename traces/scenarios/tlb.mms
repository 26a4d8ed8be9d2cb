# Page tables and TLB: what a translation costs, who remembers it, and when it must be forgotten.

$pid = spawn shell
switch $pid
$area = mmap 0x20000000 8M PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED

# The tables are memory, too. The first page of an area needs a table at each level below the root, its neighbour none.
$none = task page_table_bytes
write $area
$tables = task page_table_bytes
expect $tables >= $none + 4K
write $area + 4K
expect task page_table_bytes == $tables

# The processor finds them from CR3, which has the physical address of the root. Each level is an index into a table, and
# each entry a plain number in memory:
walk $area
$at = walk $area at
expect phys $at size 4 != 0
expect walk $area levels >= 2

# An access walks, and the TLB remembers: the next one costs nothing.
read $area
expect read $area where is L1
expect read $area cycles == 0
tlb $area

# A TLB is small. Pages of 4 KiB in turn, one access each: 16 of them are remembered, 2048 (8 MiB) by no first level.
write $area count 2048 stride 4K
read $area count 16 stride 4K
$misses = stats level.1.misses
read $area count 16 stride 4K
expect stats level.1.misses == $misses
read $area count 2048 stride 4K
expect stats level.1.misses >= $misses + 1900

# Reading does not need what writing needs: the entry is marked dirty by the first write, and that is a walk once more.
$clean = mmap 0 4K PROT_READ|PROT_WRITE MAP_SHARED|MAP_ANONYMOUS
read $clean
expect walk $clean dirty == 0
write $clean
expect walk $clean dirty == 1

# The kernel takes a page away: the entry is cleared, and the processor must forget it, because nobody else will tell it.
read $area
expect tlb $area >= 1
munmap $area 4K
expect tlb $area == 0
expect read $area is SEGV_MAPERR

# The same for rights that were taken away. (What was forbidden and is allowed now may stay: an access that the TLB
# forbids is a fault, and the kernel finds that the tables allow it. That is a spurious fault.)
write $area + 8K
mprotect $area + 8K 4K PROT_READ
expect write $area + 8K is SEGV_ACCERR

# Another process has other translations for the same addresses. Without PCIDs the load of CR3 throws all of the user's
# entries away, and each switch is paid for by misses. With PCIDs an entry belongs to one, and may survive the switch.
read $area + 4K
$other = fork
switch $other
expect translate $area + 4K where is walk
switch $pid
on i386,i386_pae expect tlb $area + 4K == 0
expect read $area + 4K is done

# A thread has the same memory and the same page directory: CR3 is not loaded, nothing is forgotten.
$thread = clone
$loads = vmstat switches_mm
switch $thread
expect vmstat switches_mm == $loads
expect read $area + 4K where is not walk

# A kernel thread needs no user's addresses. It borrows the tables of whoever ran before it, so it costs nothing, and when
# the same process comes back, its entries are still there.
$worker = kthread worker
switch $worker
switch $thread
expect vmstat switches_mm == $loads
expect read $area + 4K where is L1
