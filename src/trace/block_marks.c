/*
 * block_marks.c: marks to and from their stream.
 */
#include "block.h"

#include "bits.h"

#include <stdlib.h>
#include <string.h>

/* The longest mark: two numbers, or a number and an event's text. */
enum { NUMBER_MOST = 10, MARK_MOST = 2 * NUMBER_MOST + 2 + MMU_MARK_TEXT };

bool marks_encoder_init(struct marks_encoder *e)
{
    memset(e, 0, sizeof *e);
    e->bytes = malloc(MMT_MARKS_MAX);
    return e->bytes != NULL;
}

void marks_encoder_free(struct marks_encoder *e)
{
    free(e->bytes);
    memset(e, 0, sizeof *e);
}

void marks_encode_begin(struct marks_encoder *e)
{
    e->length = e->count = e->reference = 0;
    e->time = 0;
}

bool marks_encode_room(const struct marks_encoder *e)
{
    return e->length <= MMT_MARKS_MAX - MARK_MOST;
}

static void put_byte(struct marks_encoder *e, unsigned byte)
{
    e->bytes[e->length++] = (uint8_t)byte;
}

static void put_number(struct marks_encoder *e, uint64_t x)
{
    for (; x >= 128; x >>= 7)
        put_byte(e, 128 | (x & 127));
    put_byte(e, (unsigned)x);
}

static uint64_t zigzag(uint64_t delta)
{
    return delta << 1 ^ (0 - (delta >> 63));
}

void marks_encode(struct marks_encoder *e, const struct mmu_trace_mark *mark, uint32_t reference)
{
    put_number(e, reference - e->reference);
    put_byte(e, mark->kind);
    if (mark->kind == MMU_MARK_EVENT) {
        size_t n = strlen(mark->text);
        put_byte(e, (unsigned)n);
        memcpy(e->bytes + e->length, mark->text, n);
        e->length += (uint32_t)n;
    } else if (mark->kind == MMU_MARK_TIME) {
        put_number(e, zigzag(mark->value - e->time));
        e->time = mark->value;
    } else {
        put_number(e, mark->value);
    }
    e->reference = reference;
    e->count++;
}

void marks_decode_begin(struct marks_decoder *d, const uint8_t *bytes, uint32_t length, uint32_t count)
{
    *d = (struct marks_decoder){.at = bytes, .end = bytes + length, .left = count};
}

static bool get_number(struct marks_decoder *d, uint64_t *x)
{
    uint64_t sum = 0;

    for (unsigned shift = 0; shift < 64 && d->at < d->end; shift += 7) {
        unsigned byte = *d->at++;
        if (shift == 63 && byte > 1)
            return false;
        sum |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *x = sum;
            return true;
        }
    }
    return false;
}

static bool get_event(struct marks_decoder *d, char text[MMU_MARK_TEXT])
{
    size_t n = d->at < d->end ? *d->at++ : 0;

    if (!n || n >= MMU_MARK_TEXT || (size_t)(d->end - d->at) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (d->at[i] < ' ' || d->at[i] == 127)
            return false;
    if (d->at[0] == ' ' || d->at[n - 1] == ' ')
        return false;
    memcpy(text, d->at, n);
    d->at += n;
    return true;
}

int marks_decode(struct marks_decoder *d, struct mmu_trace_mark *mark)
{
    uint64_t step, value = 0;

    if (!d->left)
        return d->at == d->end ? 0 : -1;
    memset(mark, 0, sizeof *mark);
    if (!get_number(d, &step) || step > 2 * MMT_BLOCK_TOKENS || d->at == d->end)
        return -1;
    d->reference += step;
    mark->at = d->reference;
    mark->kind = *d->at++;
    if (mark->kind >= MMU_MARK_KINDS ||
        !(mark->kind == MMU_MARK_EVENT ? get_event(d, mark->text) : get_number(d, &value)))
        return -1;
    if (mark->kind == MMU_MARK_TIME)
        value = d->time += value >> 1 ^ (0 - (value & 1));
    mark->value = value;
    d->left--;
    return 1;
}
