/* gfp.c: see gfp.h. */
#include "gfp.h"
#include "error.h"
#include <errno.h>
#include <string.h>

int mmu_os_gfp_zone(const struct mmu_os *os, uint32_t gfp)
{
    return gfp_zone(os, gfp);
}

struct word {
    const char *text;
    uint32_t bits;
};

/* In the kernel's order: masks of most bits first, so that a mask is told in few words. */
#define WORDS(X)                                                                                             \
    X(GFP_TRANSHUGE)                                                                                         \
    X(GFP_TRANSHUGE_LIGHT)                                                                                   \
    X(GFP_HIGHUSER_MOVABLE)                                                                                  \
    X(GFP_HIGHUSER)                                                                                          \
    X(GFP_USER)                                                                                              \
    X(GFP_KERNEL_ACCOUNT)                                                                                    \
    X(GFP_KERNEL)                                                                                            \
    X(GFP_NOFS)                                                                                              \
    X(GFP_ATOMIC)                                                                                            \
    X(GFP_NOIO)                                                                                              \
    X(GFP_NOWAIT)                                                                                            \
    X(GFP_DMA)                                                                                               \
    X(__GFP_HIGHMEM)                                                                                         \
    X(GFP_DMA32)                                                                                             \
    X(__GFP_HIGH)                                                                                            \
    X(__GFP_ATOMIC)                                                                                          \
    X(__GFP_IO)                                                                                              \
    X(__GFP_FS)                                                                                              \
    X(__GFP_NOWARN)                                                                                          \
    X(__GFP_RETRY_MAYFAIL)                                                                                   \
    X(__GFP_NOFAIL)                                                                                          \
    X(__GFP_NORETRY)                                                                                         \
    X(__GFP_COMP)                                                                                            \
    X(__GFP_ZERO)                                                                                            \
    X(__GFP_NOMEMALLOC)                                                                                      \
    X(__GFP_MEMALLOC)                                                                                        \
    X(__GFP_HARDWALL)                                                                                        \
    X(__GFP_THISNODE)                                                                                        \
    X(__GFP_RECLAIMABLE)                                                                                     \
    X(__GFP_MOVABLE)                                                                                         \
    X(__GFP_ACCOUNT)                                                                                         \
    X(__GFP_WRITE)

static const struct word words[] = {
#define MMU_X(name) {#name, MMU_##name},
    WORDS(MMU_X)
#undef MMU_X
        {"__GFP_RECLAIM", GFP_RECLAIM_BITS},
    {"__GFP_DIRECT_RECLAIM", MMU___GFP_DIRECT_RECLAIM},
    {"__GFP_KSWAPD_RECLAIM", MMU___GFP_KSWAPD_RECLAIM},
    {"__GFP_ZEROTAGS", MMU___GFP_ZEROTAGS},
    {"__GFP_DMA", MMU___GFP_DMA}, /* these two are only read: GFP_DMA is the same bit */
    {"__GFP_DMA32", MMU___GFP_DMA32},
};

const char *mmu_os_gfp_text(uint32_t gfp, char *buf, size_t size)
{
    size_t used = 0;
    uint32_t left = gfp;
    if (size)
        buf[0] = 0;
    for (size_t i = 0; i < COUNT_OF(words) && left; i++) {
        if ((left & words[i].bits) != words[i].bits)
            continue;
        left &= ~words[i].bits;
        int n = snprintf(used < size ? buf + used : NULL, used < size ? size - used : 0, "%s%s",
                         used ? "|" : "", words[i].text);
        used += (size_t)n;
    }
    if (left || gfp == 0)
        snprintf(used < size ? buf + used : NULL, used < size ? size - used : 0, "%s%#x", used ? "|" : "",
                 left);
    return buf;
}

/* One word of n characters. */
static int parse_word(const char *word, size_t n, uint32_t *bits, struct mmu_error *err)
{
    char text[64];
    const char *candidates[COUNT_OF(words)];
    if (n == 0 || n >= sizeof text)
        return err_set(err, MMU_ERR_INVALID,
                       "a GFP mask is a number or words like GFP_KERNEL|__GFP_ZERO, and %s",
                       n ? "no word is that long" : "a word is missing");
    memcpy(text, word, n);
    text[n] = 0;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        candidates[i] = words[i].text;
        if (strcmp(text, words[i].text) == 0) {
            *bits = words[i].bits;
            return MMU_OK;
        }
    }
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (text[0] >= '0' && text[0] <= '9' && *end == 0) {
        if (errno || value > GFP_ALL)
            return err_set(err, MMU_ERR_INVALID, "GFP mask %s: bits above %#x do not exist", text, GFP_ALL);
        *bits = (uint32_t)value;
        return MMU_OK;
    }
    const char *near = err_suggest(text, candidates, COUNT_OF(words));
    return err_set(err, MMU_ERR_INVALID, "unknown GFP flag '%s'%s%s%s", text, near ? ", did you mean " : "",
                   near ? near : "", near ? "?" : "");
}

int mmu_os_gfp_parse(const char *text, uint32_t *gfp, struct mmu_error *err)
{
    uint32_t all = 0;
    for (const char *at = text;; at++) {
        at += strspn(at, " \t");
        size_t n = strcspn(at, "|"), trimmed = n;
        while (trimmed && (at[trimmed - 1] == ' ' || at[trimmed - 1] == '\t'))
            trimmed--;
        uint32_t bits;
        int status = parse_word(at, trimmed, &bits, err);
        if (status != MMU_OK)
            return status;
        all |= bits;
        at += n;
        if (!*at)
            break;
    }
    *gfp = all;
    return MMU_OK;
}
