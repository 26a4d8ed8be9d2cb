/* test_trace_champsim.c: ChampSim's and CloudSuite's records: what becomes of each field, how the two are
 * found and told apart, damage. */
#include "trace_foreign.h"

static const char *path;

static int before(void **state)
{
    (void)state;
    path = in_scratch("t.champsimtrace");
    return 0;
}

/* The fields of either record. */
struct instruction {
    uint64_t ip;
    uint8_t is_branch, taken;
    uint64_t written[4], read[4];
    uint16_t asid;
};

static size_t put_record(unsigned char *to, const struct instruction *in, bool cloudsuite)
{
    const size_t written = cloudsuite ? 4 : 2;

    memset(to, 0, 96);
    memcpy(to, &in->ip, 8);
    to[8] = in->is_branch;
    to[9] = in->taken;
    memset(to + 10, 0x77, cloudsuite ? 8 : 6); /* registers, which nobody reads */
    memcpy(to + (cloudsuite ? 24 : 16), in->written, 8 * written);
    memcpy(to + (cloudsuite ? 56 : 32), in->read, 32);
    if (cloudsuite)
        memcpy(to + 88, &in->asid, 2);
    return cloudsuite ? 96 : 64;
}

static void write_records(const struct instruction *in, size_t n, bool cloudsuite)
{
    unsigned char *bytes = malloc(n * 96 + 1);
    size_t size = 0;

    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        size += put_record(bytes + size, &in[i], cloudsuite);
    write_bytes(path, bytes, size);
    free(bytes);
}

enum { FOLLOWS = MMU_AF_FOLLOWS };

static void fetch_loads_stores(void **state)
{
    static const struct instruction in[] = {
        {.ip = 0x401000},
        {.ip = 0x401003, .read = {0x7ffe0000, 0, 0x7ffe0010}, .written = {0x7ffe0020}},
        {.ip = 0x401008, .is_branch = 1, .taken = 1, .written = {0, 0x601000}}, /* a short jump forwards */
        {.ip = 0x401010, .is_branch = 1, .taken = 0},
        {.ip = 0x401012, .read = {1, 2, 3, 4}, .written = {5, 6}},
        {.ip = 0x401012}, /* the same again: a turn of rep */
        {.ip = 0x401022}, /* 16 bytes on: no instruction is so long */
        {.ip = 0xffffffffffffffff, .read = {0x1ffd}}};
    const struct mmu_access expected[] = {A(0x401000, 3, MMU_FETCH),
                                          A(0x401003, 5, MMU_FETCH),
                                          A(0x7ffe0000, 8, MMU_LOAD),
                                          A(0x7ffe0010, 8, MMU_LOAD, .flags = FOLLOWS),
                                          A(0x7ffe0020, 8, MMU_STORE, .flags = FOLLOWS),
                                          A(0x401008, 4, MMU_FETCH),
                                          A(0x601000, 8, MMU_STORE),
                                          A(0x401010, 2, MMU_FETCH),
                                          A(0x401012, 4, MMU_FETCH),
                                          A(1, 8, MMU_LOAD),
                                          A(2, 8, MMU_LOAD, .flags = FOLLOWS),
                                          A(3, 8, MMU_LOAD, .flags = FOLLOWS),
                                          A(4, 8, MMU_LOAD, .flags = FOLLOWS),
                                          A(5, 8, MMU_STORE, .flags = FOLLOWS),
                                          A(6, 8, MMU_STORE, .flags = FOLLOWS),
                                          A(0x401012, 4, MMU_FETCH),
                                          A(0x401022, 4, MMU_FETCH),
                                          A(0xffffffffffffffff, 1, MMU_FETCH),
                                          A(0x1ffd, 3, MMU_LOAD)};
    const size_t n = sizeof in / sizeof *in, n_expected = sizeof expected / sizeof *expected;

    (void)state;
    write_records(in, n, false);
    assert_whole(path, MMU_TRACE_CHAMPSIM, NULL, true, expected, n_expected, NULL, 0);
    write_records(in, n, true);
    assert_whole(path, MMU_TRACE_CLOUDSUITE, NULL, true, expected, n_expected, NULL, 0);
    /* One record is enough. */
    write_records(in, 1, false);
    assert_whole(path, MMU_TRACE_CHAMPSIM, NULL, true, (struct mmu_access[]){A(0x401000, 4, MMU_FETCH)}, 1,
                 NULL, 0);
}

/* Sizes that nobody told do not reach into the next page; those that the next ip tells may. */
static void pages(void **state)
{
    static const struct instruction in[] = {{.ip = 0x401ffe}, {.ip = 0x402001}, {.ip = 0x403fff},
                                            {.ip = 0x10},     {.ip = ~7ull},    {.ip = 2}};
    const struct mmu_access expected[] = {A(0x401ffe, 3, MMU_FETCH), A(0x402001, 4, MMU_FETCH),
                                          A(0x403fff, 1, MMU_FETCH), A(0x10, 4, MMU_FETCH),
                                          A(~7ull, 4, MMU_FETCH),    A(2, 4, MMU_FETCH)};

    (void)state;
    write_records(in, 6, false);
    assert_whole(path, MMU_TRACE_CHAMPSIM, NULL, true, expected, 6, NULL, 0);
}

static void address_spaces(void **state)
{
    static const struct instruction in[] = {
        {.ip = 0x1000}, {.ip = 0x1004, .asid = 0x102}, {.ip = 0x1008, .asid = 0x102}, {.ip = 0x100c}};
    const struct mmu_access expected[] = {A(0x1000, 4, MMU_FETCH), A(0x1004, 4, MMU_FETCH),
                                          A(0x1008, 4, MMU_FETCH), A(0x100c, 4, MMU_FETCH)};
    const struct mmu_trace_mark marks[] = {M(1, MMU_MARK_PROCESS, 0x102), M(3, MMU_MARK_PROCESS, 0)};

    (void)state;
    write_records(in, 4, true);
    assert_whole(path, MMU_TRACE_CLOUDSUITE, NULL, true, expected, 4, marks, 2);
}

/* Many records, so that buffers end everywhere, and many changes of the address space. */
static void long_files(void **state)
{
    enum { N = 20000 };
    struct instruction *in = calloc(N, sizeof *in);
    struct mmu_access *expected = calloc(N * 9, sizeof *expected);
    struct mmu_trace_mark *marks = calloc(N, sizeof *marks);
    struct rng r;

    (void)state;
    rng_seed(&r, test_seed(), 0);
    assert_non_null(in);
    assert_non_null(expected);
    assert_non_null(marks);
    for (int cloudsuite = 0; cloudsuite < 2; cloudsuite++) {
        size_t n = 0, n_marks = 0;
        for (size_t i = 0; i < N; i++) {
            in[i] = (struct instruction){.ip = 0x10000 + 8 * i, .asid = (uint16_t)rng_below(&r, 2)};
            if (cloudsuite && in[i].asid != (i ? in[i - 1].asid : 0))
                marks[n_marks++] = M(n, MMU_MARK_PROCESS, in[i].asid);
            expected[n++] = A(in[i].ip, i < N - 1 ? 8 : 4, MMU_FETCH);
            size_t first = n;
            for (unsigned k = 0; k < 6 + 2 * (unsigned)cloudsuite; k++) {
                uint64_t va = rng_below(&r, 3) ? 0 : (1 + rng_below(&r, 1 << 20)) * 8;
                *(k < 4 ? &in[i].read[k] : &in[i].written[k - 4]) = va;
                if (va) {
                    expected[n] = A(va, 8, k < 4 ? MMU_LOAD : MMU_STORE, .flags = n > first ? FOLLOWS : 0);
                    n++;
                }
            }
        }
        write_records(in, N, cloudsuite);
        assert_whole(path, cloudsuite ? MMU_TRACE_CLOUDSUITE : MMU_TRACE_CHAMPSIM, NULL, true, expected, n,
                     marks, n_marks);
    }
    free(in);
    free(expected);
    free(marks);
}

static void damage(void **state)
{
    static const struct instruction in[] = {
        {.ip = 0x401000, .read = {8}}, {.ip = 0x401003}, {.ip = 0x401006}};
    unsigned char bytes[3 * 64];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        unsigned char one[96];
        put_record(one, &in[i], false);
        memcpy(bytes + 64 * i, one, 64);
    }
    write_bytes(path, bytes, 64 + 63);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2, MMU_ERR_TRUNCATED,
                      ": byte 64: the trace ends 63 bytes into a record of 64");
    write_bytes(path, bytes, 64 + 64 + 3);
    assert_ends_badly(path, MMU_TRACE_CHAMPSIM, NULL, 3, MMU_ERR_TRUNCATED,
                      ": byte 128: the trace ends 3 bytes into a record of 64");
    bytes[64 + 8] = 2;
    write_bytes(path, bytes, sizeof bytes);
    assert_ends_badly(path, MMU_TRACE_CHAMPSIM, NULL, 2, MMU_ERR_FORMAT,
                      ": byte 72: is_branch is 2, expected 0 or 1 in a ChampSim record of 64 bytes");
    bytes[64 + 8] = 1;
    bytes[64 + 9] = 255;
    write_bytes(path, bytes, sizeof bytes);
    assert_ends_badly(path, MMU_TRACE_CHAMPSIM, NULL, 2, MMU_ERR_FORMAT,
                      ": byte 73: branch_taken is 255, expected 0 or 1 in a ChampSim record of 64 bytes");
    /* The first records decide: this is nothing that is known. */
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT, ": byte 0: unknown format");
    write_text(path, "I  04001090,3\n L 1ffeffe7e0,8\nI  04001093,5\nI  04001093,5\nI  04001093,5\n");
    assert_ends_badly(path, MMU_TRACE_CHAMPSIM, NULL, 0, MMU_ERR_FORMAT,
                      ": byte 8: is_branch is 48, expected 0 or 1");
    assert_ends_badly(path, MMU_TRACE_CLOUDSUITE, NULL, 0, MMU_ERR_TRUNCATED,
                      ": byte 0: the trace ends 72 bytes into");
}

/* What is no trace of instructions is not taken for one. */
static void not_found(void **state)
{
    static const struct instruction wrong[] = {
        {.ip = 0}, {.ip = 0x0001000000000000}, {.ip = 1, .read = {1ull << 47}}};
    unsigned char zeros[320] = {0}; /* 1024 were an empty tar archive */

    (void)state;
    write_bytes(path, zeros, sizeof zeros);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT, ": byte 0: unknown format");
    for (size_t i = 0; i < 3; i++) {
        write_records(&wrong[i], 1, false);
        assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT, ": byte 0: unknown format");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(fetch_loads_stores, before),
                                       cmocka_unit_test_setup(pages, before),
                                       cmocka_unit_test_setup(address_spaces, before),
                                       cmocka_unit_test_setup(long_files, before),
                                       cmocka_unit_test_setup(damage, before),
                                       cmocka_unit_test_setup(not_found, before)};

    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
