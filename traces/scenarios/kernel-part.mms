# The kernel's part of every address space: how swapper_pg_dir is attached to each process, what a switch changes.

$one = spawn one
$two = spawn two
switch $one

# Each process has a page directory of its own, and CR3 points to it. It is not swapper_pg_dir.
pgd $PAGE_OFFSET
$root = task $one root
expect pgd swapper != $root
expect task $two root != $root

# But for the kernel's addresses its top level says what swapper_pg_dir says: the entries were copied when the page
# directory was made. Tables below it are one and the same. (PAE with page-table isolation copies one level more.)
on i386,x86_64,x86_64_la57 expect pgd $PAGE_OFFSET same == 1
on i386,x86_64,x86_64_la57 expect pgd $VMALLOC_START same == 1

# So the kernel's data has one address in every process, and a switch changes nothing about it: not even for what was
# allocated after the page directories were made.
$object = kmalloc 64
$pa = translate $object as kernel
$area = vmalloc 64K
$frame = translate $area as kernel
switch $two
expect translate $object as kernel == $pa
expect translate $area as kernel == $frame
expect read $area as kernel faults == 0

# (vmalloc wrote its entries into every page directory at the call. Kernels up to 5.7 on i386 wrote swapper_pg_dir alone;
# the first access in each process was a fault, which copied the entry. That is --set os.vmalloc-sync=lazy.)
expect vmstat fault_vmalloc == 0
switch $one

# The user's part is each process's own: one address, two frames.
mmap 0x10000000 4K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED
write 0x10000000
$mine = translate 0x10000000
switch $two
expect why 0x10000000 is UNALLOCATED
mmap 0x10000000 4K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED
write 0x10000000
expect translate 0x10000000 != $mine

# What does a switch change? CR3, and with it what the user's addresses mean.
$cr3 = registers CR3
switch $one
expect registers CR3 != $cr3
expect translate 0x10000000 == $mine

# A user's access to the kernel's part (above 0xC0000000) is a fault, though the translation exists: the pages are the
# supervisor's. For the process it is SIGSEGV, as if nothing were there.
on i386 expect walk $object == $pa
expect walk $object user == 0
# With page-table isolation (os.kpti) the translation is not even in the tables that a user runs on: each process has two
# page directories then, and the kernel loads its own on the way in. Compare:
walk $object
walk $object as kernel
expect walk $object as kernel == $pa
expect read $object is SEGV_MAPERR
expect read $object as kernel is done

# The page directory belongs to the memory (mm), not to the task. A thread has none of its own ...
$mm = task $one mm
$thread = clone
expect task $thread mm == $mm
expect task $thread root == $root
$cr3 = registers CR3
$loads = vmstat switches_mm
switch $thread
expect registers CR3 == $cr3
expect vmstat switches_mm == $loads

# ... and a kernel thread has no memory at all. It runs on the page directory of whoever ran before it, because any will
# do for the kernel's part: nothing is loaded.
$worker = kthread kworker
switch $worker
expect task $worker mm == 0
expect registers CR3 == $cr3
expect task $worker root == $root
expect read $area as kernel is done
tasks

vfree $area
kfree $object
