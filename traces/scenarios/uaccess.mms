# copy_from_user: how the kernel touches the memory of a process.
#
# A system call gets a pointer: read(fd, buf, 4096). The kernel runs in the same address space as the process, so it could
# use the pointer as it stands. What if it points to nothing? What if nobody has touched the page yet? What if it points
# into the kernel?

$pid = spawn shell
switch $pid
$buf = mmap 0 64K PROT_READ|PROT_WRITE MAP_PRIVATE|MAP_ANONYMOUS

# "as uaccess" is copy_from_user() or copy_to_user(). The page of the buffer is not there yet, and the fault that the
# kernel's access causes is resolved as the process's own would be: demand paging.
expect why $buf is UNTOUCHED
expect write $buf as uaccess faults == 1
expect why $buf is MAPPED
expect task rss == 1

# Copy-on-write as well. After fork the page is write-protected, and CR0.WP makes that hold for the kernel, too.
$child = fork
$copies = vmstat fault_cow
expect write $buf as uaccess faults == 1
expect vmstat fault_cow == $copies + 1

# A pointer to nothing. The instruction is one of a few that have an entry in the exception table: the fault handler finds
# it, and goes on at its fixup, which makes the system call return -EFAULT. The process lives, and so does the kernel.
expect read 0x1000 as uaccess is EFAULT
expect write 0x1000 as uaccess fails EFAULT

# Rights hold for the kernel as well: it must not write for the process where that may not write itself.
$text = mmap 0 4K PROT_READ MAP_PRIVATE|MAP_ANONYMOUS
expect read $text as uaccess is done
expect write $text as uaccess is EFAULT

# A pointer into the kernel: the translation exists, and the kernel has the right. Nothing would stop it from handing its
# own memory to the process, but for access_ok(): a comparison with TASK_SIZE before the first access.
expect walk $PAGE_OFFSET as kernel outcome is done
expect read $PAGE_OFFSET as uaccess is EFAULT
expect read $TASK_SIZE - 1 size 2 as uaccess is EFAULT

# Any other instruction of the kernel has no entry in the table. A wild pointer is its end, not the process's: an oops.
expect read 0x1000 as kernel is OOPS

# So a driver that forgets copy_from_user() and follows the pointer itself fails when it is bad. When it is good it works,
# and nobody notices, on old processors:
on i386,i386_pae expect read $buf as kernel is done
# Those with SMAP (2014) forbid the kernel the pages of users. copy_from_user() lifts that for a moment: STAC sets the flag
# AC, CLAC clears it. Whatever runs outside of that is caught, with a good pointer, too.
on x86_64,x86_64_la57 expect read $buf as kernel is OOPS
on x86_64,x86_64_la57 expect translate $buf as kernel error_code == 1
expect read $buf as uaccess is done
expect translate $buf as uaccess outcome is done
expect registers AC == 0

# To execute a user's page is never allowed (SMEP, 2012): the favourite of exploits before it.
on x86_64,x86_64_la57 expect fetch $buf as kernel is OOPS
