/*
 * info.h: what reader and writer both count of marks.
 */
#ifndef TRACE_INFO_H
#define TRACE_INFO_H

#include <mmusim/trace.h>

static inline void info_count_mark(struct mmu_trace_info *info, const struct mmu_trace_mark *m)
{
    if (m->kind == MMU_MARK_TIME) {
        bool first = !info->marks[MMU_MARK_TIME];
        info->time_first = first || m->value < info->time_first ? m->value : info->time_first;
        info->time_last = first || m->value > info->time_last ? m->value : info->time_last;
    }
    info->marks[m->kind]++;
}

#endif
