/*
 * binary_block.c: one block of the binary form: its streams are unpacked when they are needed, references and
 * marks delivered in order, page runs handed out instead of the references where they are stored.
 */
#include "binary.h"
#include "bits.h"
#include "bytes.h"
#include "error.h"
#include "hash.h"

#include <stdlib.h>

bool buffer_reserve(struct buffer *buffer, size_t room)
{
    if (room <= buffer->room)
        return true;
    free(buffer->bytes);
    buffer->bytes = malloc(room);
    buffer->room = buffer->bytes ? room : 0;
    return buffer->bytes != NULL;
}

void block_free(struct block *k)
{
    for (int s = 0; s < MMT_ALL_STREAMS; s++)
        free(k->streams[s].bytes);
    free(k->packed.bytes);
    pieces_decoder_free(&k->pieces);
    free(k->runs);
    free(k->addresses);
    free(k->expanded);
}

bool block_done(const struct block *k)
{
    return k->at == k->header.references && !k->has_mark;
}

/* The block cannot be: a failure at its begin. It is the one before b->number. */
static void impossible(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;

    b->number--;
    binary_bad_block(r, MMU_ERR_FORMAT, b->block.header.offset, "its contents are impossible", &r->failure);
}

/* Unpacks one stream, with zeros as slack behind it. */
static int unpack(struct mmu_trace_reader *r, int s, struct mmu_error *err)
{
    struct binary *b = r->state;
    struct block *k = &b->block;
    const struct block_header *h = &k->header;
    const uint8_t *packed = k->packed.bytes;
    size_t n = 0;

    for (int before = 0; before < s; before++)
        packed += h->packed[before];
    if (!buffer_reserve(&k->streams[s], (size_t)stream_most(s, h) + BLOCK_SLACK))
        return binary_no_memory(r, err);
    if (h->lengths[s])
        n = ZSTD_decompressDCtx(b->zstd, k->streams[s].bytes, h->lengths[s], packed, h->packed[s]);
    if (ZSTD_isError(n) || n != h->lengths[s])
        return binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "it cannot be unpacked", err);
    memset(k->streams[s].bytes + n, 0, BLOCK_SLACK);
    return MMU_OK;
}

/* Unpacks the streams from `first` on that a decoder of references takes. */
static int unpack_references(struct mmu_trace_reader *r, int first, struct block_decoder *d, uint32_t tokens,
                             uint32_t attribute, struct mmu_error *err)
{
    struct block *k = &((struct binary *)r->state)->block;
    int code = MMU_OK;

    for (int s = 0; s < MMT_STREAMS && !code; s++) {
        const uint8_t *bytes;
        code = unpack(r, first + s, err);
        bytes = k->streams[first + s].bytes;
        d->streams[s] = (struct block_stream){bytes, bytes + k->header.lengths[first + s]};
    }
    if (!code && !block_decode_begin(d, tokens, attribute))
        code = binary_bad_block(r, MMU_ERR_FORMAT, k->header.offset, "impossible attributes", err);
    return code;
}

/* Its tokens have been unpacked: they are pieces of code. */
static int unpack_pieces(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct block *k = &((struct binary *)r->state)->block;
    const struct block_header *h = &k->header;
    struct block_stream streams[MMT_ALL_STREAMS];
    int code = MMU_OK;

    for (int s = MMT_PIECE; s < MMT_ALL_STREAMS && !code; s++) {
        code = unpack(r, s, err);
        streams[s] = (struct block_stream){k->streams[s].bytes, k->streams[s].bytes + h->lengths[s]};
    }
    if (code)
        return code;
    k->pieces.executions = streams[MMT_EXECUTION];
    k->pieces.place = streams[MMT_DATA_PLACE];
    k->pieces.payload = streams[MMT_DATA_PAYLOAD];
    code = pieces_decode_begin(&k->pieces, &k->references, streams[MMT_PIECE].at, h->lengths[MMT_PIECE]);
    if (code == MMU_ERR_NOMEM)
        return binary_no_memory(r, err);
    return code ? binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "its contents are impossible", err) : MMU_OK;
}

/* The block's number in messages is that of the present block, which b->number is already behind. */
static bool need_references(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;
    struct block *k = &b->block;
    const struct block_header *h = &k->header;

    if (k->has_references)
        return true;
    b->number--;
    k->has_references =
        !unpack_references(r, MMT_CODE, &k->references, h->tokens, h->attribute, &r->failure) &&
        (!h->lengths[MMT_EXECUTION] || !unpack_pieces(r, &r->failure));
    b->number++;
    return k->has_references;
}

static bool need_heads(struct mmu_trace_reader *r)
{
    struct binary *b = r->state;
    struct block *k = &b->block;
    const struct block_header *h = &k->header;
    int code;

    if (k->has_heads)
        return true;
    b->number--;
    code = unpack_references(r, MMT_HEAD_CODE, &k->heads.accesses, h->head_tokens, h->head_attribute,
                             &r->failure);
    if (!code)
        code = unpack(r, MMT_HEAD_MEMBERS, &r->failure);
    if (!code && !k->runs && !(k->runs = malloc(MMT_STRETCH * sizeof *k->runs)))
        code = binary_no_memory(r, &r->failure);
    b->number++;
    k->heads.members = k->streams[MMT_HEAD_MEMBERS].bytes;
    k->heads.gaps = h->lengths[MMT_HEAD_MEMBERS] == h->heads * HEAD_BYTES;
    k->heads.count = h->heads;
    k->heads.at = 0;
    k->has_heads = !code;
    return k->has_heads;
}

/* Decodes the next mark ahead. False: it cannot be. */
static bool next_mark(struct block *k)
{
    int code = marks_decode(&k->marks, &k->mark);

    k->has_mark = code > 0;
    return code >= 0 && (!k->has_mark || k->mark.at <= k->header.references);
}

int block_begin(struct mmu_trace_reader *r, struct mmu_error *err)
{
    struct block *k = &((struct binary *)r->state)->block;
    const struct block_header *h = &k->header;
    int code;

    k->at = k->stretch = k->decoded = k->headed = 0;
    k->addresses_at = 0;
    k->has_references = k->has_heads = k->has_mark = false;
    k->expanded_first = UINT32_MAX;
    if (!h->marks)
        return MMU_OK;
    code = unpack(r, MMT_MARKS, err);
    if (code)
        return code;
    marks_decode_begin(&k->marks, k->streams[MMT_MARKS].bytes, h->lengths[MMT_MARKS], h->marks);
    return next_mark(k) ? MMU_OK
                        : binary_bad_block(r, MMU_ERR_FORMAT, h->offset, "its marks are impossible", err);
}

/* Gives the marks before reference k->at to the reader. False: there is no more room, or a failure. */
static bool deliver_marks(struct mmu_trace_reader *r, struct block *k, uint64_t position)
{
    while (k->has_mark && k->mark.at == k->at) {
        if (reader_full(r))
            return false;
        reader_mark(r, position, (enum mmu_mark_kind)k->mark.kind, k->mark.value, k->mark.text);
        k->stretch = k->at;
        if (!next_mark(k)) {
            impossible(r);
            return false;
        }
    }
    return true;
}

/* Decodes n references from k->decoded on into to[]. False: they cannot be. */
static bool decode(struct block *k, struct mmu_access *to, size_t n)
{
    bool pieces = k->header.lengths[MMT_EXECUTION] > 0, done;

    for (size_t got = 0; got < n;) {
        int64_t now = pieces ? pieces_decode(&k->pieces, to + got, n - got)
                             : block_decode(&k->references, to + got, n - got);
        if (now <= 0)
            return false;
        got += (size_t)now;
        k->decoded += (uint32_t)now;
    }
    done = pieces ? pieces_decode_done(&k->pieces) : block_decode_done(&k->references);
    if (k->decoded < k->header.references)
        return !done;
    return pieces ? pieces_decode_clean(&k->pieces) : block_decode_clean(&k->references);
}

/* Passes over references that were handed out as page runs, up to number `until`. */
static bool skip(struct block *k, uint32_t until)
{
    struct mmu_access dropped[BLOCK_CHUNK];

    while (k->decoded < until) {
        uint32_t left = until - k->decoded;
        if (!decode(k, dropped, left < COUNT_OF(dropped) ? left : COUNT_OF(dropped)))
            return false;
    }
    return true;
}

size_t block_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max, uint64_t position)
{
    struct block *k = &((struct binary *)r->state)->block;
    size_t got = 0;

    while (deliver_marks(r, k, position + got) && got < max && k->at < k->header.references) {
        uint32_t until = k->has_mark ? (uint32_t)k->mark.at : k->header.references;
        size_t n = until - k->at < max - got ? until - k->at : max - got;
        if (!need_references(r))
            break;
        if (!skip(k, k->at) || !decode(k, to + got, n)) {
            impossible(r);
            break;
        }
        k->at += (uint32_t)n;
        got += n;
    }
    return got;
}

/* References of the stretch that was given last, for mmu_runs.expand(). */
static int expand(void *ctx, const struct mmu_access **references)
{
    struct mmu_trace_reader *r = ctx;
    struct block *k = &((struct binary *)r->state)->block;

    if (k->expanded_first != k->runs_first) {
        if (!k->expanded && !(k->expanded = malloc(MMT_STRETCH * sizeof *k->expanded)))
            return binary_no_memory(r, &r->failure);
        if (!need_references(r))
            return r->failure.code;
        if (!skip(k, k->runs_first) || !decode(k, k->expanded, k->runs_count)) {
            impossible(r);
            return r->failure.code;
        }
        k->expanded_first = k->runs_first;
    }
    *references = k->expanded;
    return MMU_OK;
}

/* Decodes the heads of `count` references behind k->headed; to runs[] if they are wanted, else one over the
 * other. Returns how many heads, 0: they cannot be. */
static size_t take_heads(struct block *k, uint32_t count, bool wanted)
{
    uint64_t sum = 0;
    size_t n = 0;

    while (sum < count) {
        /* As many heads as there are references left are never too many for runs[]. */
        size_t want = count - sum < BLOCK_CHUNK ? (size_t)(count - sum) : BLOCK_CHUNK, used = 0;
        struct mmu_head *to = k->runs + (wanted ? n : 0);
        struct heads_decoder before = k->heads;
        int64_t now = heads_decode(&k->heads, to, want);
        if (now <= 0)
            return 0;
        while (used < (size_t)now && sum < count)
            sum += mmu_head_references(&to[used++]);
        if (used < (size_t)now) { /* the others are the next stretch's */
            k->heads = before;
            if (heads_decode(&k->heads, to, used) != (int64_t)used)
                return 0;
        }
        n += used;
    }
    k->headed += count;
    return sum == count ? n : 0;
}

/* The number behind the stretch that begins at `from`. */
static uint32_t stretch_end(const struct block *k, uint32_t from)
{
    uint32_t end = k->has_mark ? (uint32_t)k->mark.at : k->header.references;

    return end - from < MMT_STRETCH ? end : from + MMT_STRETCH;
}

int64_t block_runs(struct mmu_trace_reader *r, size_t max, struct mmu_runs *runs)
{
    struct block *k = &((struct binary *)r->state)->block;
    uint32_t end;
    size_t n;

    if (!deliver_marks(r, k, r->position) || r->queued || k->at == k->header.references)
        return 0;
    while (k->at - k->stretch >= MMT_STRETCH)
        k->stretch += MMT_STRETCH;
    end = stretch_end(k, k->at);
    if (!k->header.heads || k->at != k->stretch || end - k->at > max)
        return -1;
    if (!need_heads(r))
        return 0;
    /* Heads of stretches that were read as references are passed over. */
    n = k->headed == k->at || take_heads(k, k->at - k->headed, false) ? take_heads(k, end - k->at, true) : 0;
    if (!n || (end == k->header.references && !block_decode_clean(&k->heads.accesses))) {
        impossible(r);
        return 0;
    }
    k->runs_first = k->at;
    k->runs_count = end - k->at;
    k->at = end;
    *runs = (struct mmu_runs){.heads = k->runs, .n_heads = n, .expand = expand, .ctx = r};
    return k->runs_count;
}

/* Room for the addresses of a stretch of `most` references behind those that are kept. */
static mmu_va *need_addresses(struct mmu_trace_reader *r, uint32_t most)
{
    struct block *k = &((struct binary *)r->state)->block;
    size_t all = k->keeps ? k->header.lengths[MMT_DATA_PLACE] : most;

    if (all + MMT_PIECE_TOKENS > k->addresses_room) {
        free(k->addresses);
        k->addresses_room = all + MMT_PIECE_TOKENS;
        if (!(k->addresses = malloc(k->addresses_room * sizeof *k->addresses))) {
            k->addresses_room = 0;
            binary_no_memory(r, &r->failure);
        }
    }
    return k->addresses ? k->addresses + k->addresses_at : NULL;
}

/* References of an execution that was cut, at most `most`, as executions have them. */
static void take_lead(struct pieces_decoder *d, uint32_t most, struct mmu_executions *x)
{
    uint32_t left = d->rest_n - d->rest_at;

    x->lead = d->rest + d->rest_at;
    x->n_lead = left < most ? left : most;
    x->n_references += x->n_lead;
    d->rest_at += (uint32_t)x->n_lead;
}

/* Takes from the present block's executions what fits into `most` references. False: they cannot be. */
static bool take_executions(struct block *k, uint32_t most, mmu_va *to, struct mmu_executions *x)
{
    struct pieces_decoder *d = &k->pieces;
    uint32_t left = d->rest_n - d->rest_at;

    left = left < most ? left : most; /* in the lead */
    if (left == most)
        *x = (struct mmu_executions){0};
    else if (!pieces_decode_executions(d, most - left, to, x))
        return false;
    if (!left && !x->n && !pieces_decode_rest(d)) /* one that is cut at once */
        return false;
    take_lead(d, most, x);
    return true;
}

int64_t block_executions(struct mmu_trace_reader *r, size_t max, struct mmu_executions *x)
{
    struct block *k = &((struct binary *)r->state)->block;
    uint32_t until, most;
    mmu_va *to;

    if (!deliver_marks(r, k, r->position) || r->queued || k->at == k->header.references)
        return 0;
    if (!k->header.lengths[MMT_EXECUTION])
        return -1;
    until = k->has_mark ? (uint32_t)k->mark.at : k->header.references;
    most = until - k->at < max ? until - k->at : (uint32_t)max;
    most = most < MMU_EXECUTIONS_MOST ? most : MMU_EXECUTIONS_MOST;
    if (!need_references(r) || !(to = need_addresses(r, most)))
        return 0;
    if (!skip(k, k->at) || !take_executions(k, most, to, x)) {
        impossible(r);
        return 0;
    }
    k->at += (uint32_t)x->n_references;
    k->decoded = k->at;
    if (k->keeps) /* so many places have been used */
        k->addresses_at = (size_t)(k->pieces.place.at - k->streams[MMT_DATA_PLACE].bytes);
    if (k->at < k->header.references ? pieces_decode_done(&k->pieces) : !pieces_decode_clean(&k->pieces)) {
        impossible(r);
        return 0;
    }
    return (int64_t)x->n_references;
}
