# Demand paging: exec does not allocate all frames, and files come page by page.
#
# What a loader does is mmap: it promises addresses. Here a program of 2 MiB of code and 1 MiB of data is mapped as a
# loader does it.

$pid = spawn program
switch $pid
$file = file program 3M
$text = mmap 0x10000000 2M PROT_READ|PROT_EXEC MAP_PRIVATE $file 0
$data = mmap 0 1M PROT_READ|PROT_WRITE MAP_PRIVATE $file 2M
maps

# 3 MiB are mapped, and no frame is used, neither by the process nor by the page cache.
expect task $pid rss == 0
expect file program cached == 0
expect why $text is UNTOUCHED_FILE

# The first instruction: a major fault, because the page must be read from the file.
expect fetch $text how is file|major
expect task $pid major_faults == 1
file program

# What was read ahead with it is in the page cache now. So the second page is a minor fault, and the kernel maps all the
# cached pages around it at once (fault-around): one fault for up to 16 pages.
expect task $pid rss_file == 1
expect why $text + 4K is UNTOUCHED_FILE_CACHED
expect fetch $text + 4K faults == 1
expect task $pid rss_file == 16
expect fetch $text + 60K faults == 0
vmstat

# The next page behind them is in the cache, too: a minor fault.
expect why $text + 64K is UNTOUCHED_FILE_CACHED
expect fetch $text + 64K faults == 1
expect task $pid major_faults == 1
expect task $pid minor_faults >= 1

# A second process with the same program has no major fault at all, and not one frame more: the page cache's frames are
# mapped by both.
$other = spawn program
switch $other
$again = mmap 0 2M PROT_READ|PROT_EXEC MAP_PRIVATE $file 0
expect fetch $again is done
expect task $other major_faults == 0
$frame = pagemap $again pfn
expect rmap $frame == 2
expect page $frame mapcount == 2
switch $pid

# Data is private. Reading it maps the page cache's frame; writing makes a copy, and the file never hears of it.
read $data
$cached = pagemap $data pfn
expect write $data faults == 1
expect pagemap $data pfn != $cached
expect file program dirty == 0
expect task $pid rss_anon == 1

# A shared mapping writes into the page cache. The first write to each page is a fault, so that the kernel knows which
# pages are dirty; sync writes them back, and the next write faults again.
$shared = mmap 0 64K PROT_READ|PROT_WRITE MAP_SHARED $file 1M
read $shared
expect write $shared faults == 1
expect write $shared faults == 0
expect file program dirty == 1
sync
expect file program dirty == 0
expect write $shared faults == 1

# Behind the end of a file there is nothing to map: SIGBUS, not SIGSEGV.
$beyond = mmap 0 64K PROT_READ MAP_PRIVATE $file 3M
expect read $beyond is BUS_ADRERR
