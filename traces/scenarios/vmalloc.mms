# vmalloc and ioremap: when do the page-table entries come to be?
#
# A process gets its pages one by one, at the first access: demand paging. It is tempting to think the same of the
# kernel's own areas. It is not so.

# vmalloc takes its frames and writes the entries before it returns.
$free = totals free
$area = vmalloc 64K
expect swapper $area mapped == 1
expect swapper $area + 60K mapped == 1
walk $area as kernel

# 16 frames, wherever they were free: virtually contiguous is all that is promised.
$frame = vmalloc_to_pfn $area
page $frame
expect page $frame use is vmalloc
vmallocinfo

# So no access to it is ever a fault.
expect read $area as kernel count 16 stride 4K faults == 0

# Behind it lies a guard page, which catches overruns: not mapped, an access is the kernel's death.
expect swapper $area + 64K mapped == 0
expect read $area + 64K as kernel fails OOPS

# The address is neither in the direct map, nor is there a subtraction to its physical address.
expect region $area is vmalloc
expect __pa $area fails REFUSED

# ioremap: the registers of a device, which are no RAM. There are no frames to allocate; the entries are written at the
# call, and say that nothing may be cached.
$device = ioremap 0xfe000000 8K
expect swapper $device == 1
expect swapper $device pa == 0xfe000000
expect swapper $device + 4K pa == 0xfe001000
expect walk $device as kernel pcd == 1
expect read $device as kernel faults == 0

# It is an area of the same part of the address space as vmalloc's.
expect region $device is vmalloc
vmallocinfo

# RAM cannot be ioremapped: the same frame would be cached under one address and not under the other.
$page = alloc_pages GFP_KERNEL
$pa = page $page pa
expect ioremap $pa 4K fails REFUSED

# iounmap clears the entries, but TLBs are flushed later, for many areas at once. Until then the addresses are given to
# nobody else, so nobody can be deceived by what a TLB still holds.
read $device as kernel
iounmap $device
expect swapper $device mapped == 0
$again = ioremap 0xfe000000 8K
expect $again != $device
iounmap $again
vmalloc_purge
expect tlb $device == 0
expect read $device as kernel fails OOPS

vfree $area
expect swapper $area mapped == 0
