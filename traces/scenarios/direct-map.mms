# The direct map: is a kmalloc'ed address translated at all?
#
# virt_to_phys() of such an address is a subtraction. So it is often said that the MMU has nothing to do there: no page
# tables, no TLB. Let us see.

$object = kmalloc 256

# The subtraction. It is how the kernel computes, and it is right.
$pa = virt_to_phys $object
expect $object - $PAGE_OFFSET == $pa

# But the processor knows nothing of it. Nothing has been accessed here yet, so no TLB entry holds the address, and the
# answer must come from the page tables:
expect translate $object as kernel where is walk
walk $object as kernel

# The tables say the same as the subtraction, because the kernel wrote them so when it booted.
expect translate $object as kernel == $pa

# The first access walks, and fills the TLB. The second one finds the entry there.
expect read $object as kernel where is walk
expect read $object as kernel where is L1
tlb $object

# Were these accesses page faults? No. The direct map is complete since the boot: it is never faulted in.
$before = stats run.faults_pf
expect read $object as kernel faults == 0
expect write $PAGE_OFFSET + 1M as kernel count 64 stride 64K faults == 0
expect stats run.faults_pf == $before

# Is it so for memory that nobody has allocated? Yes: an allocation does not touch these tables.
$page = __get_free_page GFP_KERNEL
$entry = walk $page as kernel entry
free_page $page
expect walk $page as kernel entry == $entry
expect read $page as kernel is done

# Physically contiguous means contiguous here, too: 64 KiB of kmalloc are 16 frames in a row.
$block = kmalloc 64K
$first = translate $block as kernel
expect translate $block + 60K as kernel == $first + 60K

# What do its large pages save? 512 accesses, each to another 4-KiB page of the same 2 MiB, miss at most a few times.
# No page of 4 KiB could do that: each would be a walk.
expect walk $PAGE_OFFSET + 32M as kernel page >= 2M
$misses = stats level.1.misses
read $PAGE_OFFSET + 32M as kernel count 512 stride 4K
expect stats level.1.misses <= $misses + 1

# The proof: vmalloc's memory has pages of 4 KiB. There 512 pages are 512 misses.
$area = vmalloc 2M
expect walk $area as kernel page == 4K
$misses = stats level.1.misses
read $area as kernel count 512 stride 4K
expect stats level.1.misses >= $misses + 512

# The rights matter as well. It is a supervisor's page: a user's access faults, however it is translated.
expect walk $object user == 0
$pid = spawn shell
switch $pid
expect read $object is SEGV_MAPERR

vfree $area
kfree $block
kfree $object
