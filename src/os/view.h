/*
 * view.h: texts about the kernel, as Linux prints them below /proc and /sys.
 */
#ifndef OS_VIEW_H
#define OS_VIEW_H

#include "os.h"

/* A text being written: length is what it would be in full, of which size - 1 bytes at most are kept. */
struct view {
    char *buf;
    size_t size, length;
};
void view_say(struct view *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

void view_zoneinfo(const struct mmu_os *os, struct view *v);     /* mm/vmstat.c, zoneinfo_show_print() */
void view_buddyinfo(const struct mmu_os *os, struct view *v);    /* frag_show_print() */
void view_pagetypeinfo(const struct mmu_os *os, struct view *v); /* pagetypeinfo_show() */
void view_unusable(const struct mmu_os *os, struct view *v);     /* unusable_show_print() */
void view_meminfo(const struct mmu_os *os, struct view *v);      /* fs/proc/meminfo.c */
void view_vmallocinfo(const struct mmu_os *os, struct view *v);  /* mm/vmalloc.c, s_show() */
void view_iomem(const struct mmu_os *os, struct view *v);        /* kernel/resource.c, r_show() */

#endif
