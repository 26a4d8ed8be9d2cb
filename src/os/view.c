/*
 * view.c: texts into a buffer that may be too small.
 */
#include "view.h"

#include <stdarg.h>

void view_say(struct view *v, const char *format, ...)
{
    va_list args;
    size_t room = v->length < v->size ? v->size - v->length : 0;
    va_start(args, format);
    int n = vsnprintf(room ? v->buf + v->length : NULL, room, format, args);
    va_end(args);
    v->length += n > 0 ? (size_t)n : 0;
}

size_t mmu_os_view(const struct mmu_os *os, enum mmu_os_view view, char *buf, size_t size)
{
    static void (*const views[MMU_VIEWS])(const struct mmu_os *, struct view *) = {
        [MMU_VIEW_ZONEINFO] = view_zoneinfo,         [MMU_VIEW_BUDDYINFO] = view_buddyinfo,
        [MMU_VIEW_PAGETYPEINFO] = view_pagetypeinfo, [MMU_VIEW_MEMINFO] = view_meminfo,
        [MMU_VIEW_VMALLOCINFO] = view_vmallocinfo,   [MMU_VIEW_IOMEM] = view_iomem,
        [MMU_VIEW_UNUSABLE] = view_unusable};
    struct view v = {buf, size, 0};
    REQUIRE(view < MMU_VIEWS);
    if (size)
        buf[0] = '\0';
    views[view](os, &v);
    return v.length;
}
