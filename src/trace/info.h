/*
 * info.h: what reader and writer both keep of marks.
 */
#ifndef TRACE_INFO_H
#define TRACE_INFO_H

#include <mmusim/trace.h>

/* The last PROCESS, THREAD, CPU and TIME mark; bit k of `told`: kind k has been said. value is 0 before. */
struct mark_state {
    uint32_t told;
    uint64_t value[MMU_MARK_EVENT];
};

static inline void info_count_mark(struct mmu_trace_info *info, const struct mmu_trace_mark *m)
{
    if (m->kind == MMU_MARK_TIME) {
        bool first = !info->marks[MMU_MARK_TIME];
        info->time_first = first || m->value < info->time_first ? m->value : info->time_first;
        info->time_last = first || m->value > info->time_last ? m->value : info->time_last;
    }
    info->marks[m->kind]++;
}

static inline void info_remember_mark(struct mark_state *state, const struct mmu_trace_mark *m)
{
    if (m->kind >= MMU_MARK_EVENT)
        return;
    state->told |= 1u << m->kind;
    state->value[m->kind] = m->value;
}

#endif
