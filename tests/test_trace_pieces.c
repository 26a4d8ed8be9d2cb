/*
 * test_trace_pieces.c: the binary form's executions of pieces of code: programs that run the same code again
 * and again, and such as hardly do, written and read back in any steps; blocks made by hand, of any bytes,
 * and damaged ones.
 */
#include "block.h"
#include "trace_files.h"
#include "trace_sign.h"

#include "bits.h"

#include <mmusim/executions.h>

enum { BLOCK = 262144, CODES = 300, LONGEST = 200 };

/* Code: references whose data go anywhere. Pieces are only cut alike each time where it begins with a fetch.
 */
struct text {
    struct mmu_access *a;
    size_t n;
};

static void make_texts(struct rng *r, bool wild, bool fetched, struct text *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        texts[i].n = 1 + rng_below(r, rng_below(r, 4) ? 20 : LONGEST);
        texts[i].a = random_accesses(r, wild, texts[i].n);
        if (fetched) {
            texts[i].a[0].kind = MMU_FETCH;
            texts[i].a[0].flags &= MMU_AF_GAP;
        }
        for (size_t k = 1; k < texts[i].n; k++) { /* straight code, mostly */
            struct mmu_access *a = &texts[i].a[k];
            if (a->kind == MMU_FETCH && a[-1].kind == MMU_FETCH && rng_below(r, 8))
                a->va = a[-1].va + (a[-1].size < UINT64_MAX - a[-1].va - a->size ? a[-1].size : 0);
        }
    }
}

/* n references of executions of the first `codes` texts, from a[] on. */
static void run_texts(struct rng *r, const struct text *texts, uint32_t codes, struct mmu_access *a, size_t n)
{
    static const unsigned reach[] = {4, 12, 24, 47, 64};
    for (size_t at = 0; at < n;) {
        const struct text *t = &texts[rng_below(r, codes)];
        for (size_t i = 0; i < t->n && at < n; i++, at++) {
            a[at] = t->a[i];
            if (MMU_KIND_OF(a[at].kind) == MMU_FETCH)
                continue;
            bool second = i && !memcmp(&t->a[i].va, &t->a[i - 1].va, sizeof t->a[i].va);
            a[at].va = rng_next(r) >> (64 - reach[rng_below(r, 5)]);
            if (second && i)
                a[at].va = a[at - 1].va;
            if (a[at].va + (a[at].size - 1u) < a[at].va)
                a[at].va = UINT64_MAX - (a[at].size - 1u);
        }
    }
}

/* The same, with stretches at random between, if `mixed`. Freed by the caller. */
static struct mmu_access *make_trace(struct rng *r, bool wild, uint32_t codes, bool mixed, size_t n)
{
    struct text texts[CODES];
    struct mmu_access *a = random_accesses(r, wild, n);
    make_texts(r, wild, !mixed, texts, codes);
    for (size_t at = 0; at < n;) {
        size_t run = mixed ? 1 + rng_below(r, 150000) : n;
        run = run < n - at ? run : n - at;
        if (!mixed || rng_below(r, 3))
            run_texts(r, texts, codes, a + at, run);
        at += run;
    }
    for (size_t i = 0; i < codes; i++)
        free(texts[i].a);
    return a;
}

/* Bytes of a stream of a file's first block. */
static uint32_t stream_length(const char *path, int stream)
{
    size_t size;
    unsigned char *bytes = read_bytes(path, &size);
    uint32_t length = get32(bytes + get32(bytes + 12) + MMT_LENGTHS_AT + 4 * (size_t)stream);
    free(bytes);
    return length;
}

/* Reads it as executions where it has them, from reference `at` on, at most so many at a time, with single
 * references in between. Returns how many came as executions. */
static uint64_t read_executions(struct rng *r, struct mmu_trace_reader *reader, const struct mmu_access *a,
                                uint64_t at, uint64_t end, size_t most)
{
    struct mmu_access *to = calloc(MMU_EXECUTIONS_MOST, sizeof *to);
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_executions x;
    struct mmu_error err;
    uint64_t executed = 0;
    size_t n_marks;
    int64_t now;
    assert_non_null(to);
    do {
        now = rng_below(r, 20)
                  ? mmu_trace_read_executions(reader, most, &x, marks, MMU_MARKS_LEAST, &n_marks, &err)
                  : MMU_ERR_UNSUPPORTED;
        if (now == MMU_ERR_UNSUPPORTED) {
            now = mmu_trace_read_marked(reader, to, 1 + rng_below(r, 500), marks, MMU_MARKS_LEAST, &n_marks,
                                        &err);
        } else if (now > 0) {
            assert_true((size_t)now <= most && (size_t)now == x.n_references && !n_marks);
            mmu_executions_expand(&x, to);
            executed += x.n_references - x.n_lead;
        }
        if (now < 0)
            fail_error(&err);
        assert_same(to, a + at, (size_t)now);
        for (size_t i = 0; i < n_marks; i++)
            assert_true(marks[i].at >= at && marks[i].at <= at + (uint64_t)now);
        at += (uint64_t)now;
    } while (now || n_marks);
    assert_int_equal(at, end);
    free(to);
    return executed;
}

/* The same of its parts, and of all of it, from the begin and from anywhere. */
static void as_executions(struct rng *r, const char *path, const struct mmu_access *a, size_t n)
{
    struct mmu_trace_reader *reader, *part;
    struct mmu_error err;
    size_t seek = rng_below(r, (uint32_t)n),
           most = 1 + rng_below(r, rng_below(r, 2) ? 300 : MMU_EXECUTIONS_MOST);
    uint64_t at = 0, executed;
    bool some = stream_length(path, MMT_EXECUTION) > 0;
    assert_int_equal(mmu_trace_open(path, MMU_TRACE_AUTO, &reader, &err), MMU_OK);
    executed = read_executions(r, reader, a, 0, n, MMU_EXECUTIONS_MOST);
    assert_true(executed > 0 || !some);
    assert_int_equal(mmu_trace_seek(reader, seek, &err), MMU_OK);
    read_executions(r, reader, a, seek, n, most);
    assert_int_equal(mmu_trace_seek(reader, 0, &err), MMU_OK);
    assert_int_equal(mmu_trace_part_open(reader, &part, &err), MMU_OK);
    while (mmu_trace_part_take(reader, part, &err) == 1) {
        uint64_t end = (uint64_t)(mmu_trace_progress(reader) * (double)n + 0.5);
        read_executions(r, part, a, at, end, most);
        at = end;
    }
    assert_int_equal(at, n);
    mmu_trace_close(part);
    mmu_trace_close(reader);
}

/* Written with marks at random places; read whole, and from anywhere. */
static void there_and_back(struct rng *r, const struct mmu_access *a, size_t n)
{
    static const size_t steps[] = {1 + 4095, 131, 132, 133, 8192, 65536};
    struct mmu_trace_writer *w;
    struct mmu_trace_reader *reader;
    struct mmu_access got[300];
    struct mmu_error err;
    if (mmu_trace_create(in_scratch("a"), MMU_TRACE_BINARY, "a test", &w, &err))
        fail_error(&err);
    for (size_t at = 0, now; at < n; at += now) {
        now = rng_below(r, 50000) % (n - at) + 1;
        if (mmu_trace_write(w, a + at, now, &err) ||
            mmu_trace_mark(w, &(struct mmu_trace_mark){.kind = MMU_MARK_CPU, .value = at}, &err))
            fail_error(&err);
    }
    if (mmu_trace_finish(w, &err))
        fail_error(&err);
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        assert_trace(in_scratch("a"), steps[i], a, n);
    as_executions(r, in_scratch("a"), a, n);
    assert_int_equal(mmu_trace_open(in_scratch("a"), MMU_TRACE_AUTO, &reader, &err), MMU_OK);
    for (int i = 0; i < 40; i++) {
        size_t at = rng_below(r, (uint32_t)n), want = 1 + rng_below(r, COUNT_OF(got)), sum = 0;
        assert_int_equal(mmu_trace_seek(reader, at, &err), MMU_OK);
        want = want < n - at ? want : n - at;
        for (int64_t now; sum < want; sum += (size_t)now) {
            now = mmu_trace_read(reader, got + sum, want - sum, &err);
            assert_true(now > 0);
        }
        assert_same(got, a + at, want);
    }
    mmu_trace_close(reader);
}

static void code_that_comes_again(void **state)
{
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (int round = 0; round < 6; round++) {
        size_t n = 2 * BLOCK + rng_below(&r, BLOCK);
        struct mmu_access *a = make_trace(&r, round % 2, 1 + rng_below(&r, CODES), false, n);
        there_and_back(&r, a, n);
        assert_true(stream_length(in_scratch("a"), MMT_EXECUTION) > 0);
        free(a);
    }
}

static void code_that_sometimes_does(void **state)
{
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 1);
    for (int round = 0; round < 6; round++) {
        size_t n = 3 * BLOCK + rng_below(&r, BLOCK);
        struct mmu_access *a = make_trace(&r, round % 2, 1 + rng_below(&r, CODES), true, n);
        there_and_back(&r, a, n);
        free(a);
    }
}

/* More pieces than a block may have, each of one reference: fetches that jump. */
static void too_many_pieces(void **state)
{
    size_t n = BLOCK;
    struct mmu_access *a = calloc(n, sizeof *a);
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 2);
    assert_non_null(a);
    for (size_t i = 0; i < n; i++)
        a[i] = (struct mmu_access){
            .va = 0x400000 + 7 * (i < BLOCK / 2 ? i % 100 : i), .size = 4, .kind = MMU_FETCH};
    there_and_back(&r, a, n);
    assert_int_equal(stream_length(in_scratch("a"), MMT_EXECUTION), 0);
    free(a);
}

/* Streams for the decoder, each of exactly its length and slack, for the address sanitizer. */
struct by_hand {
    uint8_t *bytes[MMT_ALL_STREAMS];
    size_t length[MMT_ALL_STREAMS];
};

static void set_stream(struct by_hand *h, int stream, const void *bytes, size_t n)
{
    h->bytes[stream] = calloc(1, n + BLOCK_SLACK);
    assert_non_null(h->bytes[stream]);
    memcpy(h->bytes[stream], bytes, n);
    h->length[stream] = n;
}

static void swap_stream(struct by_hand *h, int stream, const void *bytes, size_t n)
{
    free(h->bytes[stream]);
    set_stream(h, stream, bytes, n);
}

static struct block_stream stream_of(const struct by_hand *h, int stream)
{
    return (struct block_stream){h->bytes[stream], h->bytes[stream] + h->length[stream]};
}

/* Decodes in steps of at most `step`. Returns references, or how it failed behind *delivered. */
static int64_t decode_by_hand(struct by_hand *h, uint32_t tokens, uint32_t attribute, struct mmu_access *to,
                              size_t max, struct rng *r, size_t step, size_t *delivered)
{
    struct pieces_decoder d = {.executions = stream_of(h, MMT_EXECUTION),
                               .place = stream_of(h, MMT_DATA_PLACE),
                               .payload = stream_of(h, MMT_DATA_PAYLOAD)};
    struct block_decoder definitions;
    int64_t n = 0, got = 0;
    *delivered = 0;
    for (int s = 0; s < MMT_STREAMS; s++)
        definitions.streams[s] = stream_of(h, s);
    if (!block_decode_begin(&definitions, tokens, attribute))
        return MMU_ERR_FORMAT;
    int code = pieces_decode_begin(&d, &definitions, h->bytes[MMT_PIECE], (uint32_t)h->length[MMT_PIECE]);
    while (!code && (size_t)got < max) {
        size_t want = 1 + rng_below(r, (uint32_t)step);
        n = pieces_decode(&d, to + got, want < max - (size_t)got ? want : max - (size_t)got);
        if (n <= 0)
            break;
        got += n;
    }
    *delivered = (size_t)got;
    bool clean = !code && pieces_decode_clean(&d);
    pieces_decoder_free(&d);
    for (int s = 0; s < MMT_ALL_STREAMS; s++)
        free(h->bytes[s]);
    return code ? code : n < 0 || !clean ? MMU_ERR_FORMAT : got;
}

/* From format.h alone: a fetch of 5 and an M of 300 bytes; a load of 8. Run: first, second, first. */
static void a_block_made_by_hand(void **state)
{
    static const uint8_t code[] = {5 << 2 | 2 << 6, 3, 1 | 4 << 2}, place[2] = {0, 0},
                         payload[] = {0x00, 0x20, 0x80, 300 & 255, 300 >> 8}, lengths[] = {2, 1},
                         executions[] = {0, 0, 1, 0, 0, 0},
                         data_place[] = {2 | 4 << 3, 1 | 4 << 3, 2 | 15 << 3},
                         data_payload[] = {0xe0, 0xff, 0x0f, 0x10, 0x20};
    /* 2 * 0x7ff0 = 0xffe0; 0x0f: -8; 2 * 0x1008 = 0x2010 */
    static const struct mmu_access expected[] = {
        {.va = 0x401000, .size = 5, .kind = MMU_FETCH},
        {.va = 0x7ff0, .size = 300, .kind = MMU_LOAD},
        {.va = 0x7ff0, .size = 300, .kind = MMU_STORE, .flags = MMU_AF_FOLLOWS},
        {.va = 0x7fe8, .size = 8, .kind = MMU_LOAD},
        {.va = 0x401000, .size = 5, .kind = MMU_FETCH},
        {.va = 0x1008, .size = 300, .kind = MMU_LOAD},
        {.va = 0x1008, .size = 300, .kind = MMU_STORE, .flags = MMU_AF_FOLLOWS},
    };
    struct mmu_access got[16];
    struct rng r;
    size_t n;
    (void)state;
    rng_seed(&r, 1, 0);
    for (size_t step = 1; step < 12; step++) {
        struct by_hand h = {.length = {0}};
        set_stream(&h, MMT_CODE, code, sizeof code);
        set_stream(&h, MMT_PLACE, place, sizeof place);
        set_stream(&h, MMT_PAYLOAD, payload, sizeof payload);
        set_stream(&h, MMT_ATTRIBUTE, "", 0);
        set_stream(&h, MMT_GAP, "", 0);
        set_stream(&h, MMT_PIECE, lengths, sizeof lengths);
        set_stream(&h, MMT_EXECUTION, executions, sizeof executions);
        set_stream(&h, MMT_DATA_PLACE, data_place, sizeof data_place);
        set_stream(&h, MMT_DATA_PAYLOAD, data_payload, sizeof data_payload);
        assert_int_equal(decode_by_hand(&h, 3, 0, got, 16, &r, step, &n), 7);
        assert_same(got, expected, 7);
    }
}

/* The decoder alone, on any bytes: it ends, its references are valid, it stays within its slack. */
static void the_decoder_takes_any_bytes(void **state)
{
    static struct mmu_access to[20000];
    struct rng r;
    int decoded = 0;
    (void)state;
    rng_seed(&r, test_seed(), 3);
    for (int round = 0; round < 20000; round++) {
        struct by_hand h = {.length = {0}};
        uint32_t tokens = 1 + rng_below(&r, 40), left = tokens;
        uint8_t bytes[600], lengths[64];
        size_t pieces = 0;
        for (int s = 0; s < MMT_ALL_STREAMS; s++) {
            size_t n = rng_below(&r, 4) ? rng_below(&r, sizeof bytes) : 16;
            for (size_t i = 0; i < n; i++)
                bytes[i] = (uint8_t)(rng_next(&r) >> 40 & (round % 3 ? 0x7b : 255));
            for (size_t i = 1; i < n && s == MMT_EXECUTION; i += 2)
                bytes[i - 1] &= 7, bytes[i] = 0;
            set_stream(&h, s, bytes, s == MMT_EXECUTION ? n & ~(size_t)1 : n);
        }
        while (left && pieces < 8) {
            lengths[pieces] = (uint8_t)(1 + rng_below(&r, left < 70 ? left : 70));
            left -= lengths[pieces] < left ? lengths[pieces] : left;
            pieces++;
        }
        swap_stream(&h, MMT_PIECE, lengths, pieces);
        if (round % 8) { /* pieces that can be: tokens of 8 bytes, without addresses */
            size_t data = 0;
            for (uint32_t i = 0; i < tokens; i++) {
                bytes[i] = (uint8_t)(4 << 2 | rng_below(&r, 4));
                data += bytes[i] & 3 ? 1 : 0;
            }
            swap_stream(&h, MMT_CODE, bytes, tokens);
            memset(bytes, 0, sizeof bytes);
            swap_stream(&h, MMT_PLACE, bytes, data);
            swap_stream(&h, MMT_PAYLOAD, bytes, 0);
            swap_stream(&h, MMT_ATTRIBUTE, bytes, 0);
            swap_stream(&h, MMT_GAP, bytes, 0);
        }
        size_t n;
        decode_by_hand(&h, tokens, rng_below(&r, 2) ? 0 : 16, to, COUNT_OF(to), &r, 400, &n);
        for (size_t i = 0; i < n; i++) {
            assert_true(to[i].size >= 1 && to[i].size <= 4096);
            assert_true(to[i].va + (to[i].size - 1u) >= to[i].va);
            assert_true(MMU_KIND_OF(to[i].kind) < MMU_KINDS);
        }
        decoded += n > 0;
    }
    print_message("%d of 20000 decoded in part\n", decoded);
    assert_true(decoded > 1000);
}

/* Every header field of a block of executions, every packed byte: noticed, or no crash where the checksums
 * were made right. */
static void damage_is_noticed(void **state)
{
    struct rng r;
    struct mmu_access *a;
    struct mmu_error err;
    size_t size, n;
    int code, refused = 0;
    (void)state;
    rng_seed(&r, test_seed(), 4);
    a = make_trace(&r, true, 10, false, 3000);
    write_trace(in_scratch("a"), MMU_TRACE_BINARY, a, 3000);
    assert_true(stream_length(in_scratch("a"), MMT_EXECUTION) > 0);
    unsigned char *bytes = read_bytes(in_scratch("a"), &size), *copy = malloc(size);
    size_t block = get32(bytes + 12);
    assert_non_null(copy);
    for (size_t at = block; at < size; at++) {
        memcpy(copy, bytes, size);
        copy[at] ^= (unsigned char)(1 << rng_below(&r, 8));
        write_bytes(in_scratch("b"), copy, size);
        free(read_trace(in_scratch("b"), 77, &n, &code, &err));
        assert_true(code < 0 && (n == 0 || n == 3000));
    }
    for (size_t at = block; at < block + MMT_BLOCK_HEADER - 16; at += 4) {
        memcpy(copy, bytes, size);
        memset(copy + at, 0xff, 4);
        trace_sign(copy, size);
        write_bytes(in_scratch("b"), copy, size);
        free(read_trace(in_scratch("b"), 500, &n, &code, &err));
        assert_true(code < 0);
    }
    for (int round = 0; round < 5000; round++) {
        memcpy(copy, bytes, size);
        for (unsigned changes = 1 + rng_below(&r, 3); changes--;)
            copy[block + 4 + rng_below(&r, (uint32_t)(size - block - 4))] = (unsigned char)rng_next(&r);
        trace_sign(copy, size);
        write_bytes(in_scratch("b"), copy, size);
        free(read_trace(in_scratch("b"), 500, &n, &code, &err));
        refused += code < 0;
    }
    print_message("%d of 5000 refused\n", refused);
    assert_true(refused > 2000);
    free(copy);
    free(bytes);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_that_comes_again),
        cmocka_unit_test(code_that_sometimes_does),
        cmocka_unit_test(too_many_pieces),
        cmocka_unit_test(a_block_made_by_hand),
        cmocka_unit_test(the_decoder_takes_any_bytes),
        cmocka_unit_test(damage_is_noticed),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
