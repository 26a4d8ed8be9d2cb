# System calls of memory: what each changes, in promises (VMAs) and in frames. Why is RSS smaller than VSZ?

$pid = spawn shell
switch $pid

# VSZ counts addresses that were promised, RSS the pages that are present. One is mmap's, the other the accesses'.
$area = mmap 0 16M PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS
write $area count 10 stride 4K
status
expect status VmSize > 16384
expect status VmRSS == 40

# Is it the pages that a process "uses"? A page that was only read is the zero page, and counts for nobody.
read $area + 1M count 10 stride 4K
expect status VmRSS == 40

# malloc() of little memory moves the break, malloc() of much is mmap. Neither brings a page.
$brk = brk
expect brk $brk + 1M == $brk + 1M
expect status VmRSS == 40
write $brk count 256 stride 4K
expect status RssAnon == 1064
# free() may move it back; the pages above are gone at once, and an address there means nothing.
expect brk $brk + 4K == $brk + 4K
expect status RssAnon == 44
expect read $brk + 8K is SEGV_MAPERR

# mprotect: a part of the area gets other rights, so the area is three now. Its pages stay, their entries change.
expect maps lines == 3
mprotect $area + 4K 4K PROT_READ
expect maps lines == 5
expect write $area + 4K is SEGV_ACCERR
expect read $area + 4K is done
# The same rights again, and neighbours that are alike become one.
mprotect $area + 4K 4K PROT_READ|PROT_WRITE
expect maps lines == 3
expect write $area + 4K is done

# Was the frame exchanged? No: rights are bits of the entry. And PROT_NONE keeps the frame, too.
$frame = pagemap $area pfn
mprotect $area 4K PROT_NONE
expect read $area is SEGV_ACCERR
expect pagemap $area pfn == $frame
mprotect $area 4K PROT_READ|PROT_WRITE
expect pagemap $area pfn == $frame

# mremap: what lies above the area is free, so it can grow where it stands. What is below it cannot: it moves, if it may.
# Addresses move, not contents: the entries go to other tables, the frames stay where they are.
expect mremap $area 16M 17M == $area
$small = mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS
expect $small + 64K == $area
poke $small 0x1234
$frame = pagemap $small pfn
expect mremap $small 64K 1M fails ENOMEM
$moved = mremap $small 64K 1M MREMAP_MAYMOVE
expect $moved != $small
expect pagemap $moved pfn == $frame
expect peek $moved == 0x1234
expect why $small is UNALLOCATED

# madvise(MADV_DONTNEED) keeps the promise and gives the frames back, now. What was written is lost: the next read finds
# the zero page.
madvise $moved 64K MADV_DONTNEED
expect why $moved is UNTOUCHED
expect peek $moved == 0
# MADV_FREE gives them back when memory is short: until then the contents are there, or not.
write $moved + 128K
madvise $moved + 128K 4K MADV_FREE
expect why $moved + 128K mapped == 1

# mlock brings every page, and counts them. (It is what "cannot be swapped out" means; this model never swaps.)
$secret = mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS
expect pagemap $secret present == 0
mlock $secret 64K
expect pagemap $secret present == 1
expect status VmLck == 64
expect write $secret count 16 stride 4K faults == 0
munlock $secret 64K
expect status VmLck == 0

# msync: a file that is mapped shared is written to by writing to memory. The file on the disk learns of it later, or now.
$file = file letter 64K
$shared = mmap 0 64K PROT_READ|PROT_WRITE MAP_SHARED $file 0
poke $shared 0x41 size 1
expect file letter dirty == 1
msync $shared 4K
expect file letter dirty == 0
# Mapped private, the same write makes a copy, which never reaches the file.
$private = mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE $file 0
expect peek $private size 1 == 0x41
poke $private 0x42 size 1
expect peek $shared size 1 == 0x41
expect file letter dirty == 0

# munmap of a part leaves holes; munmap of what was never mapped is no mistake.
munmap $area + 1M 1M
expect why $area + 1M is UNALLOCATED
expect why $area + 2M is UNTOUCHED
munmap 0x10000 4K
