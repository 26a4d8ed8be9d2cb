/*
 * formats.c: the names of the formats, and other words for them.
 */
#include "bits.h"

#include <mmusim/trace.h>

#include <string.h>

static const struct {
    const char *word, *text;
} formats[MMU_TRACE_FORMATS] = {
#define MMU_X(name, word, what) {word, what},
    MMU_TRACE_FORMAT_LIST(MMU_X)
#undef MMU_X
};

static const struct {
    const char *word;
    enum mmu_trace_format format;
} others[] = {{"lackey", MMU_TRACE_TEXT},
              {"mmt", MMU_TRACE_BINARY},
              {"dinero", MMU_TRACE_DIN},
              {"csv", MMU_TRACE_COLUMNS}};

const char *mmu_trace_format_name(int format)
{
    return format >= 0 && format < MMU_TRACE_FORMATS ? formats[format].word : NULL;
}

const char *mmu_trace_format_text(int format)
{
    return format >= 0 && format < MMU_TRACE_FORMATS ? formats[format].text : NULL;
}

int mmu_trace_format_find(const char *name)
{
    for (int f = 0; f < MMU_TRACE_FORMATS; f++)
        if (!strcmp(name, formats[f].word))
            return f;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (!strcmp(name, others[i].word))
            return (int)others[i].format;
    return MMU_ERR_NOTFOUND;
}
