/*
 * linux_errno.h: Linux's error numbers, whatever the host's are (include/uapi/asm-generic/errno-base.h,
 * errno.h).
 */
#ifndef OS_LINUX_ERRNO_H
#define OS_LINUX_ERRNO_H

enum {
    LINUX_EPERM = 1,
    LINUX_ENOENT = 2,
    LINUX_ESRCH = 3,
    LINUX_EIO = 5,
    LINUX_E2BIG = 7,
    LINUX_ENOEXEC = 8,
    LINUX_EBADF = 9,
    LINUX_EAGAIN = 11,
    LINUX_ENOMEM = 12,
    LINUX_EACCES = 13,
    LINUX_EFAULT = 14,
    LINUX_EEXIST = 17,
    LINUX_EINVAL = 22,
    LINUX_EOVERFLOW = 75,
};

#endif
