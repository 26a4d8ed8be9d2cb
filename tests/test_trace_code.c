/*
 * test_trace_code.c: code that is told once and written by its executions, against the same references
 * written one by one: between other references and marks, over the ends of blocks, by a thread and without;
 * executions that are not as they were told; and what is refused.
 */
#include "trace_files.h"
#include <mmusim/runs.h>

enum { CODES = 40, LONGEST = 100, EXECUTIONS = 60000, TOGETHER = 16 };

/* What is written, in two ways. */
struct both {
    struct mmu_trace_writer *fast, *plain;
    struct mmu_access *a; /* all references */
    size_t n;
};

struct known {
    uint32_t number;
    size_t n, n_words;
    struct mmu_access a[LONGEST];
    struct mmu_code_word word[2 * LONGEST];
};

/* Executions side by side: their words and references, and where each begins. */
struct batch {
    size_t n, word[TOGETHER + 1], reference[TOGETHER + 1];
    bool odd[TOGETHER]; /* it does not do what was told */
    uint64_t words[TOGETHER * (2 * LONGEST + 2)];
};

/* A fetch, then fetches, loads, stores and read-modify-writes; the longest has LONGEST references. */
static size_t random_code(struct rng *r, struct mmu_access *a)
{
    static const uint16_t sizes[] = {1, 2, 4, 8, 16, 32, 10, 512};
    size_t n = 1 + rng_below(r, LONGEST - 1);
    mmu_va pc = rng_next(r) >> (1 + rng_below(r, 40));
    for (size_t i = 0; i < n; i++) {
        a[i] = (struct mmu_access){.va = pc, .size = (uint16_t)(1 + rng_below(r, 15)), .kind = MMU_FETCH};
        if (i && rng_below(r, 2)) {
            a[i] = (struct mmu_access){
                .va = 77, .size = sizes[rng_below(r, 8)], .kind = rng_below(r, 2) ? MMU_LOAD : MMU_STORE};
            if (a[i - 1].kind == MMU_LOAD && rng_below(r, 2)) {
                a[i] = a[i - 1];
                a[i].kind = MMU_STORE;
                a[i].flags = MMU_AF_FOLLOWS;
            }
        }
        pc += a[i].kind == MMU_FETCH ? a[i].size : 0;
    }
    return n;
}

/* Each load and store has a word, some a second one. */
static void random_words(struct rng *r, struct known *k)
{
    k->n_words = 0;
    for (size_t i = 0; i < k->n; i++) {
        if (k->a[i].kind == MMU_FETCH || k->a[i].flags)
            continue;
        k->word[k->n_words++] = (struct mmu_code_word){.tag = (uint16_t)rng_below(r, 1 << 13)};
        if (rng_below(r, 4) == 0)
            k->word[k->n_words++] = (struct mmu_code_word){
                .tag = (uint16_t)rng_below(r, 1 << 13), .back = 1, .bytes = (uint16_t)rng_below(r, 1000)};
    }
}

static uint64_t data_word(mmu_va va, unsigned tag)
{
    return (va << 16 >> 16) | (uint64_t)tag << MMU_CODE_TAG_SHIFT |
           (uint64_t)MMU_CODE_DATA << MMU_CODE_TYPE_SHIFT;
}

/* One execution: its words at the end of the batch, and its references behind b->n. */
static void execute(struct rng *r, struct both *b, const struct known *k, struct batch *to)
{
    static const unsigned reach[] = {4, 16, 30, 47};
    size_t used = to->word[to->n], first = used + 1, w = 0;
    to->words[used++] = k->number | (uint64_t)MMU_CODE_BEGIN << MMU_CODE_TYPE_SHIFT;
    for (size_t i = 0; i < k->n; i++) {
        struct mmu_access *a = &b->a[b->n++];
        *a = k->a[i];
        if (a->kind == MMU_FETCH)
            continue;
        if (a->flags) {
            a->va = a[-1].va;
            continue;
        }
        a->va = 0x400000 + (rng_next(r) & ((UINT64_C(1) << reach[rng_below(r, 4)]) - 1));
        a->va = (mmu_va)((int64_t)(a->va << 16) >> 16) & ~UINT64_C(0xfff);
        to->words[used++] = data_word(a->va, k->word[w++].tag);
        for (; w < k->n_words && k->word[w].back; w++)
            to->words[used++] = data_word(a->va + k->word[w].bytes, k->word[w].tag);
    }
    to->odd[to->n] = rng_below(r, 30) == 0 && used > first;
    if (to->odd[to->n]) {
        size_t which = first + rng_below(r, (uint32_t)(used - first));
        switch (rng_below(r, 4)) {
        case 0:
            to->words[which] ^= UINT64_C(1) << (48 + rng_below(r, 13)); /* another tag */
            break;
        case 1:
            to->words[used++] = data_word(7, 0); /* one more */
            break;
        case 2:
            used--; /* one less */
            break;
        default: /* another address, of one that is bound */
            to->odd[to->n] = k->word[which - first].back;
            to->words[which] ^= to->odd[to->n];
        }
    }
    to->word[++to->n] = used;
    to->reference[to->n] = b->n;
}

/* Writes the batch: by executions as far as the writer takes them, others by their references. */
static void write_batch(struct rng *r, struct both *b, const struct batch *batch)
{
    for (size_t i = 0; i < batch->n;) {
        uint64_t most = rng_below(r, 8) ? UINT64_MAX : rng_below(r, 4 * LONGEST), references = most;
        size_t from = i, n = batch->word[batch->n] - batch->word[i];
        assert_int_equal(mmu_trace_write_code(b->fast, batch->words + batch->word[i], &n, &references, NULL),
                         MMU_OK);
        assert_true(references <= most);
        for (; batch->word[i] < batch->word[from] + n; i++)
            assert_false(batch->odd[i]);
        assert_int_equal(batch->word[i], batch->word[from] + n);
        assert_int_equal(references, batch->reference[i] - batch->reference[from]);
        if (i == batch->n)
            fail_msg("more words could belong to the last execution");
        assert_true(batch->odd[i] || i + 1 == batch->n ||
                    most - references < batch->reference[i + 1] - batch->reference[i]);
        assert_int_equal(mmu_trace_write(b->fast, b->a + batch->reference[i],
                                         batch->reference[i + 1] - batch->reference[i], NULL),
                         MMU_OK);
        i++;
    }
}

static void mark_both(struct both *b, uint64_t value)
{
    struct mmu_trace_mark mark = {.kind = MMU_MARK_THREAD, .value = value};
    assert_int_equal(mmu_trace_mark(b->fast, &mark, NULL), MMU_OK);
    assert_int_equal(mmu_trace_mark(b->plain, &mark, NULL), MMU_OK);
}

static void finish_both(struct both *b)
{
    assert_int_equal(mmu_trace_write(b->plain, b->a, 0, NULL), MMU_OK);
    assert_int_equal(mmu_trace_finish(b->fast, NULL), MMU_OK);
    assert_int_equal(mmu_trace_finish(b->plain, NULL), MMU_OK);
}

/* Reads both whole: the same references, marks and counts. */
static void assert_alike(const char *fast, const char *plain, bool summed)
{
    enum { STEP = 4000, MARKS = 100 };
    static struct mmu_access a[2][STEP];
    static struct mmu_trace_mark marks[2][MARKS];
    struct mmu_trace_reader *reader[2];
    struct mmu_trace_info info[2];
    assert_int_equal(mmu_trace_open(fast, MMU_TRACE_AUTO, &reader[0], NULL), MMU_OK);
    assert_int_equal(mmu_trace_open(plain, MMU_TRACE_AUTO, &reader[1], NULL), MMU_OK);
    for (;;) {
        int64_t n[2];
        size_t n_marks[2];
        for (int k = 0; k < 2; k++)
            n[k] = mmu_trace_read_marked(reader[k], a[k], STEP, marks[k], MARKS, &n_marks[k], NULL);
        assert_int_equal(n[0], n[1]);
        assert_int_equal(n_marks[0], n_marks[1]);
        assert_true(n[0] >= 0);
        assert_memory_equal(a[0], a[1], (size_t)n[0] * sizeof **a);
        for (size_t i = 0; i < n_marks[0]; i++) {
            assert_int_equal(marks[0][i].at, marks[1][i].at);
            assert_int_equal(marks[0][i].value, marks[1][i].value);
        }
        if (!n[0] && !n_marks[0])
            break;
    }
    for (int k = 0; k < 2; k++) {
        mmu_trace_info(reader[k], &info[k]);
        mmu_trace_close(reader[k]);
    }
    if (info[0].has_count)
        assert_int_equal(info[0].count, info[1].count);
    assert_memory_equal(info[0].kinds, info[1].kinds, sizeof info[0].kinds);
    assert_int_equal(info[0].checksum, summed ? info[1].checksum : 0);
    assert_true(info[1].count > 2 * 1048576); /* more than one block */
}

/* Executions at random, between them other references and marks. */
static void run_both(struct rng *r, struct both *b)
{
    static struct known known[CODES];
    static struct batch batch;
    for (size_t i = 0; i < CODES; i++) {
        struct known *k = &known[i];
        k->n = random_code(r, k->a);
        k->number = (uint32_t)(i * 1000 + rng_below(r, 1000));
        random_words(r, k);
        assert_int_equal(mmu_trace_define(b->fast, k->number, k->a, k->n, k->word, k->n_words, NULL), MMU_OK);
    }
    for (size_t i = 0; i < EXECUTIONS; i += batch.n) {
        size_t first = b->n, some = 1 + rng_below(r, TOGETHER);
        batch.n = batch.word[0] = 0;
        batch.reference[0] = first;
        while (batch.n < some)
            execute(r, b, &known[rng_below(r, CODES)], &batch);
        write_batch(r, b, &batch);
        assert_int_equal(mmu_trace_write(b->plain, b->a + first, b->n - first, NULL), MMU_OK);
        if (rng_below(r, 50) == 0)
            mark_both(b, rng_below(r, 5));
        if (rng_below(r, 50) == 0) { /* a load last of all: no store of the code may become one with it */
            struct mmu_access *others = random_accesses(r, rng_below(r, 2), 20);
            others[19] = (struct mmu_access){.va = 0x400000, .size = 8, .kind = MMU_LOAD};
            assert_int_equal(mmu_trace_write(b->fast, others, 20, NULL), MMU_OK);
            assert_int_equal(mmu_trace_write(b->plain, others, 20, NULL), MMU_OK);
            free(others);
        }
    }
}

static void executions_are_references(void **state)
{
    static const struct mmu_trace_write_options ways[] = {
        {.format = MMU_TRACE_BINARY, .level = -7, .unsummed = true},
        {.format = MMU_TRACE_BINARY, .level = 1, .unsummed = true, .threaded = true}};
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        struct both b = {.a = malloc((size_t)(EXECUTIONS + TOGETHER) * LONGEST * sizeof *b.a)};
        assert_non_null(b.a);
        assert_int_equal(mmu_trace_create_with(in_scratch("fast"), &ways[way], &b.fast, NULL), MMU_OK);
        assert_int_equal(mmu_trace_create(in_scratch("plain"), MMU_TRACE_BINARY, NULL, &b.plain, NULL),
                         MMU_OK);
        run_both(&r, &b);
        finish_both(&b);
        assert_alike(in_scratch("fast"), in_scratch("plain"), false);
        free(b.a);
    }
}

static const struct mmu_trace_write_options hurry = {.format = MMU_TRACE_BINARY, .unsummed = true};
static const struct mmu_access one[] = {{.va = 0x1000, .size = 4, .kind = MMU_FETCH},
                                        {.va = 0, .size = 8, .kind = MMU_LOAD}};
static const struct mmu_code_word word[] = {{.tag = 5}, {.tag = 6, .back = 1, .bytes = 8}};

/* Is this told as UNSUPPORTED? */
static void assert_no_code(struct mmu_trace_writer *w, uint32_t number, const struct mmu_access *a, size_t n,
                           const struct mmu_code_word *words, size_t n_words)
{
    struct mmu_error err = {0};
    assert_int_equal(mmu_trace_define(w, number, a, n, words, n_words, &err), MMU_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "cannot be written by its executions"));
}

static void what_is_no_code(void **state)
{
    struct mmu_trace_writer *w;
    struct mmu_access a[2] = {one[0]};
    (void)state;
    assert_int_equal(mmu_trace_create_with(in_scratch("a"), &hurry, &w, NULL), MMU_OK);
    static const struct mmu_access bad[] = {
        {.va = 0x1005, .size = 4, .kind = MMU_FETCH},                     /* a gap between fetches */
        {.va = 0x1004, .size = 16, .kind = MMU_FETCH},                    /* no instruction */
        {.va = 0, .size = 7, .kind = MMU_LOAD},                           /* an odd size */
        {.va = 0, .size = 8, .kind = MMU_LOAD, .flags = MMU_AF_GAP},      /* a time */
        {.va = 0, .size = 8, .kind = MMU_STORE, .flags = MMU_AF_FOLLOWS}, /* follows nothing */
        {.va = 0,
         .size = 8,
         .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR),
         .flags = 0}}; /* not of user mode */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        a[1] = bad[i];
        assert_no_code(w, 1, a, 2, word, a[1].kind != MMU_FETCH);
    }
    assert_no_code(w, 1, one + 1, 1, word, 1); /* does not begin with a fetch */
    assert_no_code(w, 1, one, 0, word, 0);
    a[0].va = UINT64_MAX - 1;
    assert_no_code(w, 1, a, 1, word, 0);
    assert_no_code(w, 1, one, 2, word, 0);                                    /* a load without a word */
    assert_no_code(w, 1, one, 1, word, 1);                                    /* a word without a load */
    assert_no_code(w, 1, one, 2, word + 1, 1);                                /* bound to nothing */
    assert_no_code(w, 1, one, 2, &(struct mmu_code_word){.tag = 1 << 13}, 1); /* no tag */
    assert_no_code(w, MMU_CODES, one, 2, word, 2);
    assert_int_equal(mmu_trace_define(w, 1, one, 2, word, 2, NULL), MMU_OK);
    assert_no_code(w, 1, one, 2, word, 2); /* told twice */
    mmu_trace_abort(w);
}

/* Writers that do not take code. */
static void writers_of_references(void **state)
{
    static const struct mmu_trace_write_options ways[] = {
        {.format = MMU_TRACE_BINARY},
        {.format = MMU_TRACE_BINARY, .unsummed = true, .collapse = mmu_runs_collapse},
        {.format = MMU_TRACE_TEXT, .unsummed = true}};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const uint64_t words[] = {UINT64_C(2) << 61 | 1, UINT64_C(2) << 61};
        struct mmu_trace_writer *w;
        uint64_t references = 5;
        size_t n = 2;
        assert_int_equal(mmu_trace_create_with(in_scratch("a"), &ways[i], &w, NULL), MMU_OK);
        assert_no_code(w, 1, one, 1, word, 0);
        assert_int_equal(mmu_trace_write_code(w, words, &n, &references, NULL), MMU_OK);
        assert_int_equal(n, 0);
        assert_int_equal(references, 0);
        mmu_trace_abort(w);
    }
}

/* Of a code that was told: words that are none of its executions; and one that is. */
static void words_that_are_none(void **state)
{
    const uint64_t begin = UINT64_C(2) << 61, first = data_word(0x1000, 5), second = data_word(0x1008, 6);
    const struct {
        uint64_t word[5];
        size_t n, taken;
    } cases[] = {{{begin | 1, first, second, begin | 1}, 4, 3},
                 {{begin | 1, first, second, 0}, 4, 3},
                 {{begin | 1, first, second, begin | 1}, 3, 0}, /* more could come */
                 {{begin | 1, first, second, second}, 4, 0},    /* more comes */
                 {{begin | 1, first, begin | 1}, 3, 0},
                 {{begin | 1, first, 0}, 3, 0},
                 {{begin | 1, second, first, 0}, 4, 0},
                 {{begin | 1, first, second + 1, 0}, 4, 0},
                 {{begin, 0}, 2, 0},
                 {{begin | 2, 0}, 2, 0},
                 {{begin | (UINT64_C(1) << 48 | 1), first, second, 0}, 4, 0},
                 {{begin | 0xffffffffffff, 0}, 2, 0},
                 {{first, second, 0}, 3, 0},
                 {{0, 0}, 2, 0},
                 {{0}, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mmu_trace_writer *w;
        size_t n = cases[i].n;
        uint64_t references = UINT64_MAX;
        assert_int_equal(mmu_trace_create_with(in_scratch("b"), &hurry, &w, NULL), MMU_OK);
        assert_int_equal(mmu_trace_define(w, 1, one, 2, word, 2, NULL), MMU_OK);
        assert_int_equal(mmu_trace_write_code(w, cases[i].word, &n, &references, NULL), MMU_OK);
        assert_int_equal(n, cases[i].taken);
        assert_int_equal(references, cases[i].taken ? 2 : 0);
        mmu_trace_abort(w);
    }
}

/* An access that goes on at address 0, which no reference can. */
static void an_access_that_wraps(void **state)
{
    const uint64_t words[] = {UINT64_C(2) << 61 | 1, data_word(UINT64_MAX - 3, 5), 0};
    struct mmu_trace_writer *w;
    struct mmu_error err = {0};
    uint64_t references = UINT64_MAX;
    size_t n = 3;
    (void)state;
    assert_int_equal(mmu_trace_create_with(in_scratch("b"), &hurry, &w, NULL), MMU_OK);
    assert_int_equal(mmu_trace_define(w, 1, one, 2, word, 1, NULL), MMU_OK);
    mmu_trace_write_code(w, words, &n, &references, NULL);
    assert_int_equal(mmu_trace_finish(w, &err), MMU_ERR_INVALID);
    assert_non_null(strstr(err.message, "cannot be written"));
    assert_int_not_equal(access(in_scratch("b"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(executions_are_references), cmocka_unit_test(what_is_no_code),
        cmocka_unit_test(writers_of_references), cmocka_unit_test(words_that_are_none),
        cmocka_unit_test(an_access_that_wraps)};
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
