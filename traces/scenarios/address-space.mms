# The address space of a process: unallocated, allocated, present pages.
#
# "A process has 3 GiB (or 128 TiB) of memory." It has addresses. Most of them mean nothing, some are promised, and few
# have a frame. /proc/PID/maps lists the promises.

$pid = spawn shell
switch $pid
maps

# Which addresses are missing from maps? All those that nobody asked for. An access there is SIGSEGV; the kernel looks
# into its list of VMAs (areas), finds none, and gives up.
expect why 0x10000 is UNALLOCATED
expect read 0x10000 is SEGV_MAPERR

# The kernel's own part is missing from maps, too. It is there, in every process, but not the process's to touch.
on i386,i386_pae expect maps lacks "c0000000-"
on x86_64,x86_64_la57 expect maps lacks "ffff8880"
expect why $PAGE_OFFSET is KERNEL
expect read $PAGE_OFFSET is SEGV_MAPERR
expect read $PAGE_OFFSET as kernel is done

# mmap allocates addresses, not memory: a VMA, and nothing else.
$free = totals free
$area = mmap 0 1M PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS
vma $area
expect maps lines == 2
expect task $pid rss == 0
expect why $area is UNTOUCHED
expect walk $area outcome is PF

# The first access brings the page. A read needs no memory even then: all pages that were only read are one and the same
# frame, the zero page.
expect read $area faults == 1
expect why $area is MAPPED_ZERO
$zero = translate $area
expect read $area + 4K faults == 1
expect translate $area + 4K == $zero
expect task $pid rss == 0

# A write needs a frame of its own.
expect write $area faults == 1
expect why $area is MAPPED
expect translate $area != $zero
expect task $pid rss == 1
why $area + 8K
pagemap $area

# Present is not yet "in the TLB", and neither in the processor's caches: that is a third state, the hardware's own.
expect tlb $area >= 1
expect why $area in_tlb == 1

# mprotect can take all rights away. The promise remains, and so does the frame; an access is SIGSEGV, of another kind.
mprotect $area 64K PROT_NONE
expect why $area is PROT_NONE
expect read $area is SEGV_ACCERR
expect task $pid rss == 1
mprotect $area 64K PROT_READ
expect read $area is done
expect write $area is SEGV_ACCERR
mprotect $area 64K PROT_READ|PROT_WRITE

# madvise gives the frame back, and keeps the promise.
madvise $area 1M MADV_DONTNEED
expect why $area is UNTOUCHED
expect task $pid rss == 0

# munmap ends the promise.
munmap $area 1M
expect why $area is UNALLOCATED
expect read $area is SEGV_MAPERR

# An address that is allocated twice? Two mmaps of nothing in particular never overlap; MAP_FIXED replaces what is there.
$one = mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS
expect mmap $one 64K PROT_READ MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE fails EEXIST
expect mmap $one 64K PROT_READ MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED == $one
expect vma $one prot is r--p
