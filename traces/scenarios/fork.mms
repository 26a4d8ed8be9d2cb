# fork and copy-on-write.
#
# "fork copies the process." It copies the page tables. The frames stay where they are, and both own them, until one
# writes.

$parent = spawn shell
switch $parent
$area = mmap 0 1M PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS
write $area count 256 stride 4K
poke $area 1234
$frame = pagemap $area pfn
expect page $frame mapcount == 1
expect walk $area writable == 1

$allocated = task rss
$child = fork
expect task $child rss == $allocated

# One frame, two processes. The reverse mapping knows both, and the descriptor counts them.
rmap $frame
expect rmap $frame == 2
expect page $frame mapcount == 2

# Both may read; neither may write any more, the parent as little as the child. Its entries were writable: those that
# the TLB held had to be flushed.
expect walk $area writable == 0
expect why $area is MAPPED_COW
expect read $area faults == 0
switch $child
expect pagemap $area pfn == $frame
expect why $area is MAPPED_COW
expect peek $area == 1234

# The child writes. That is a fault, and the child gets a copy; the parent keeps the frame.
$copies = vmstat fault_cow
expect write $area how is cow
expect vmstat fault_cow == $copies + 1
$copy = pagemap $area pfn
expect $copy != $frame
poke $area 5678

# The contents came along, and are each process's own from now on.
switch $parent
expect peek $area == 1234
expect pagemap $area pfn == $frame

# Now the parent is the only owner of the frame. Its write is a fault once more (the entry is still read-only), but
# nothing is copied: the kernel sees that nobody else has it, and makes the entry writable.
expect write $area how is reuse
expect pagemap $area pfn == $frame
expect page $frame mapcount == 1

# What is mapped shared stays shared, and is not write-protected for the sake of fork.
$shared = mmap 0 64K PROT_READ|PROT_WRITE MAP_SHARED|MAP_ANONYMOUS
write $shared
poke $shared 1
$second = fork
switch $second
poke $shared 2
switch $parent
expect peek $shared == 2

# vfork and threads copy nothing at all: they have the same memory, and the same page directory.
$thread = clone
$root = task $parent root
expect task $thread root == $root
expect task $second root != $root
switch $thread
poke $area 99
switch $parent
expect peek $area == 99

# When the child is gone, so are its frames.
exit $thread
exit $second
exit $child
expect page $copy use is pcp
$frame = pagemap $area pfn
expect rmap $frame == 1
