/*
 * test_trace_code.c: code that is told once and written by its executions, against the same references
 * written one by one: by all writers, between other references and marks, over the ends of blocks; and what
 * is refused.
 */
#include "trace_files.h"

enum { CODES = 40, LONGEST = 60, EXECUTIONS = 30000 };

/* What is written, in two ways. */
struct both {
    struct mmu_trace_writer *fast, *plain;
    struct mmu_access *a; /* all references */
    size_t n;
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

/* One execution: its words, and its references behind b->n. Returns how many words. */
static size_t execute(struct rng *r, struct both *b, uint32_t number, const struct mmu_access *code, size_t n,
                      uint64_t *words)
{
    static const unsigned reach[] = {4, 16, 30, 62};
    size_t used = 0;
    words[used++] = number;
    for (size_t i = 0; i < n; i++) {
        struct mmu_access *a = &b->a[b->n++];
        *a = code[i];
        if (a->kind == MMU_FETCH)
            continue;
        if (a->flags) {
            a->va = a[-1].va;
            continue;
        }
        a->va = words[used++] = 0x400000 + (rng_next(r) & ((UINT64_C(1) << reach[rng_below(r, 4)]) - 1));
    }
    return used;
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
    assert_true(info[1].count > 300000); /* more than one block */
}

/* Executions at random, between them other references and marks. */
static void run_both(struct rng *r, struct both *b)
{
    static struct mmu_access code[CODES][LONGEST];
    static uint64_t words[16 * (LONGEST + 1)];
    size_t length[CODES];
    uint32_t number[CODES];
    for (size_t i = 0; i < CODES; i++) {
        length[i] = random_code(r, code[i]);
        assert_int_equal(mmu_trace_define(b->fast, code[i], length[i], &number[i], NULL), MMU_OK);
    }
    for (size_t i = 0; i < EXECUTIONS;) {
        size_t first = b->n, used = 0, some = 1 + rng_below(r, 16);
        for (size_t k = 0; k < some; k++, i++) {
            size_t which = rng_below(r, CODES);
            used += execute(r, b, number[which], code[which], length[which], words + used);
        }
        assert_int_equal(mmu_trace_write_code(b->fast, words, used, NULL), MMU_OK);
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
        {.format = MMU_TRACE_BINARY, .level = 1},
        {.format = MMU_TRACE_TEXT, .unsummed = true}};
    struct rng r;
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        struct both b = {.a = malloc((size_t)EXECUTIONS * 2 * LONGEST * sizeof *b.a)};
        assert_non_null(b.a);
        assert_int_equal(mmu_trace_create_with(in_scratch("fast"), &ways[way], &b.fast, NULL), MMU_OK);
        assert_int_equal(mmu_trace_create(in_scratch("plain"), MMU_TRACE_BINARY, NULL, &b.plain, NULL),
                         MMU_OK);
        run_both(&r, &b);
        finish_both(&b);
        assert_alike(in_scratch("fast"), in_scratch("plain"), way == 1);
        free(b.a);
    }
}

static void what_is_no_code(void **state)
{
    static const struct mmu_access fetch = {.va = 0x1000, .size = 4, .kind = MMU_FETCH};
    struct mmu_trace_writer *w;
    struct mmu_access a[2];
    uint32_t number;
    (void)state;
    assert_int_equal(mmu_trace_create(in_scratch("a"), MMU_TRACE_BINARY, NULL, &w, NULL), MMU_OK);
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
        a[0] = fetch;
        a[1] = bad[i];
        assert_int_equal(mmu_trace_define(w, a, 2, &number, NULL), MMU_ERR_UNSUPPORTED);
    }
    a[0] = (struct mmu_access){.va = 0, .size = 8, .kind = MMU_LOAD};
    assert_int_equal(mmu_trace_define(w, a, 1, &number, NULL), MMU_ERR_UNSUPPORTED);
    assert_int_equal(mmu_trace_define(w, a, 0, &number, NULL), MMU_ERR_UNSUPPORTED);
    a[0] = fetch;
    a[0].va = UINT64_MAX - 1;
    assert_int_equal(mmu_trace_define(w, a, 1, &number, NULL), MMU_ERR_UNSUPPORTED);
    mmu_trace_abort(w);
}

static void words_that_are_none(void **state)
{
    static const struct mmu_trace_write_options hurry = {.format = MMU_TRACE_BINARY, .unsummed = true};
    static const struct mmu_access code[] = {{.va = 0x1000, .size = 4, .kind = MMU_FETCH},
                                             {.va = 0, .size = 8, .kind = MMU_LOAD}};
    static const uint64_t bad[][2] = {{1, 0}, {UINT64_MAX, 0}, {0, UINT64_MAX - 3}};
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct mmu_trace_writer *w;
        struct mmu_error err = {0};
        uint32_t number;
        assert_int_equal(mmu_trace_create_with(in_scratch("b"), &hurry, &w, NULL), MMU_OK);
        assert_int_equal(mmu_trace_define(w, code, 2, &number, NULL), MMU_OK);
        assert_int_equal(number, 0);
        int code_now =
            i < 3 ? mmu_trace_write_code(w, bad[i], 2, &err) : mmu_trace_write_code(w, bad[2], 1, &err);
        int code_then = mmu_trace_finish(w, &err);
        assert_true(code_now == MMU_ERR_INVALID || (i == 2 && code_now == MMU_OK));
        assert_int_equal(code_then, MMU_ERR_INVALID);
        assert_non_null(strstr(err.message, "cannot be written"));
        assert_int_not_equal(access(in_scratch("b"), F_OK), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(executions_are_references),
                                       cmocka_unit_test(what_is_no_code),
                                       cmocka_unit_test(words_that_are_none)};
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
