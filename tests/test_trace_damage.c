/*
 * test_trace_damage.c: the binary form when it is damaged: every byte, every length, a writer that died, and
 * files that were made to deceive (checksums right, contents impossible). What was whole before the damage is
 * delivered; the error names block and byte.
 */
#include "block.h"
#include "trace_files.h"
#include "trace_sign.h"

#include <signal.h>
#include <sys/wait.h>

enum { BLOCK = 262144 };

/* A small trace: header, one block, index. */
static unsigned char *small(const char *path, size_t *size, struct mmu_access **a, size_t n)
{
    struct rng r;

    rng_seed(&r, 5, 0);
    *a = random_accesses(&r, true, n);
    write_trace(path, MMU_TRACE_BINARY, *a, n);
    return read_bytes(path, size);
}

static void check_every_bit(unsigned char *bytes, size_t size, const struct mmu_access *a, size_t all)
{
    struct mmu_error err;
    size_t n;
    int code;
    for (size_t i = 0; i < size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct mmu_access *got;
            bytes[i] ^= (unsigned char)(1 << bit);
            write_bytes(in_scratch("b"), bytes, size);
            bytes[i] ^= (unsigned char)(1 << bit);
            got = read_trace(in_scratch("b"), 7, &n, &code, &err);
            if (code >= 0)
                fail_msg("bit %d of byte %zu of %zu: %zu references and no complaint", bit, i, size, n);
            assert_string_equal(err.file, in_scratch("b"));
            assert_true(*err.message);
            assert_true(n == 0 || n == all); /* the block is good or it is not */
            assert_same(got, a, n);
            free(got);
        }
    }
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct mmu_access *a;
    size_t size;
    unsigned char *bytes = small(in_scratch("a"), &size, &a, 40);
    (void)state;
    check_every_bit(bytes, size, a, 40);
    free(bytes);
    free(a);
}

/* Each reference is a head. */
static size_t collapse_nothing(const struct mmu_access *from, size_t n, struct mmu_head *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (struct mmu_head){.access = from[i], .next = MMU_KINDS};
    return n;
}

/* Everything that the form has: marks, maps, page runs. */
static void write_all(const char *path, const struct mmu_access *a, size_t n)
{
    struct mmu_trace_writer *w;
    struct mmu_error err;
    const struct mmu_trace_write_options options = {.source = "all", .collapse = collapse_nothing};
    struct mmu_trace_mark marks[] = {{.kind = MMU_MARK_PROCESS, .value = 12},
                                     {.kind = MMU_MARK_TIME, .value = 100000},
                                     {.kind = MMU_MARK_EVENT, .text = "syscall 9"}};

    if (mmu_trace_create_with(path, &options, &w, &err) || mmu_trace_set_maps(w, 12, "a map\n", 6, &err))
        fail_error(&err);
    for (size_t i = 0; i < 3; i++)
        if (mmu_trace_write(w, a + n * i / 3, n * (i + 1) / 3 - n * i / 3, &err) ||
            mmu_trace_mark(w, &marks[i], &err))
            fail_error(&err);
    if (mmu_trace_finish(w, &err))
        fail_error(&err);
}

static void every_bit_of_marks_and_maps(void **state)
{
    struct rng r;
    struct mmu_access *a;
    size_t size;
    unsigned char *bytes;
    (void)state;
    rng_seed(&r, 8, 0);
    a = random_accesses(&r, true, 30);
    write_all(in_scratch("a"), a, 30);
    assert_trace(in_scratch("a"), 7, a, 30);
    bytes = read_bytes(in_scratch("a"), &size);
    check_every_bit(bytes, size, a, 30);
    for (size_t keep = 8; keep < size; keep++) {
        struct mmu_error err;
        size_t n;
        int code;
        write_bytes(in_scratch("b"), bytes, keep);
        free(read_trace(in_scratch("b"), 7, &n, &code, &err));
        if (code != MMU_ERR_TRUNCATED)
            fail_msg("%zu of %zu bytes: code %d: %s", keep, size, code, err.message);
    }
    free(bytes);
    free(a);
}

static void every_cut_is_noticed(void **state)
{
    struct mmu_access *a;
    struct mmu_error err;
    size_t size, n;
    int code;
    unsigned char *bytes = small(in_scratch("a"), &size, &a, 40);
    (void)state;
    for (size_t keep = 8; keep < size; keep++) {
        write_bytes(in_scratch("b"), bytes, keep);
        free(read_trace(in_scratch("b"), 7, &n, &code, &err));
        if (code != MMU_ERR_TRUNCATED)
            fail_msg("%zu of %zu bytes: code %d: %s", keep, size, code, err.message);
        assert_true(n == 0 || n == 40);
    }
    bytes = realloc(bytes, size + 1);
    bytes[size] = 0;
    write_bytes(in_scratch("b"), bytes, size + 1);
    assert_refused(in_scratch("b"), 40, MMU_ERR_FORMAT, ": byte ");
    free(bytes);
    free(a);
}

/* A trace of three blocks. */
static unsigned char *three_blocks(const char *path, size_t *size, struct mmu_access **a, size_t *n,
                                   size_t offsets[8], uint64_t firsts[4])
{
    struct rng r;
    unsigned char *bytes;

    *n = 2 * BLOCK + 100000;
    rng_seed(&r, 6, 0);
    *a = random_accesses(&r, false, *n);
    write_trace(path, MMU_TRACE_BINARY, *a, *n);
    bytes = read_bytes(path, size);
    assert_int_equal(trace_blocks(bytes, *size, offsets, 8), 3);
    for (int i = 0; i < 3; i++)
        firsts[i] = get64(bytes + offsets[i] + 8);
    firsts[3] = *n;
    return bytes;
}

static void the_damaged_block_is_named(void **state)
{
    size_t size, n, offsets[8];
    uint64_t firsts[4];
    struct mmu_access *a;
    unsigned char *bytes = three_blocks(in_scratch("a"), &size, &a, &n, offsets, firsts);
    char expected[128];
    (void)state;
    for (int block = 0; block < 3; block++) {
        size_t at = offsets[block];
        bytes[at + 1000] ^= 4;
        write_bytes(in_scratch("b"), bytes, size);
        snprintf(expected, sizeof expected,
                 ": byte %zu: block %d: its checksum is wrong: the file is damaged", at, block);
        assert_refused(in_scratch("b"), (int64_t)firsts[block], MMU_ERR_CHECKSUM, expected);
        bytes[at + 1000] ^= 4;
        bytes[at + 10] ^= 4;
        write_bytes(in_scratch("b"), bytes, size);
        snprintf(expected, sizeof expected, ": byte %zu: block %d: the checksum of its header is wrong", at,
                 block);
        assert_refused(in_scratch("b"), (int64_t)firsts[block], MMU_ERR_CHECKSUM, expected);
        bytes[at + 10] ^= 4;
        write_bytes(in_scratch("b"), bytes, at + 2000);
        snprintf(expected, sizeof expected, ": byte %zu: block %d: the file ends inside it", at, block);
        assert_refused(in_scratch("b"), (int64_t)firsts[block], MMU_ERR_TRUNCATED, expected);
    }
    /* A block is missing from the middle, all others are whole. */
    memmove(bytes + offsets[1], bytes + offsets[2], size - offsets[2]);
    write_bytes(in_scratch("b"), bytes, size - (offsets[2] - offsets[1]));
    snprintf(expected, sizeof expected, ": byte %zu: block 1: it is not the one that comes next here",
             offsets[1]);
    assert_refused(in_scratch("b"), (int64_t)firsts[1], MMU_ERR_FORMAT, expected);
    free(bytes);
    free(a);
}

/* Behind each damaged block the others can be read. */
static void reading_goes_on_behind_damage(void **state)
{
    size_t size, n, offsets[8];
    uint64_t firsts[4];
    struct mmu_access *a, *got = calloc(5000, sizeof *got);
    unsigned char *bytes = three_blocks(in_scratch("a"), &size, &a, &n, offsets, firsts);
    (void)state;
    assert_non_null(got);
    for (unsigned damaged = 1; damaged < 8; damaged++) { /* bit k: block k */
        struct mmu_trace_reader *r;
        struct mmu_error err;
        uint64_t at = 0, next = 0;
        int64_t now;
        for (int k = 0; k < 3; k++)
            bytes[offsets[k] + (k == 1 ? 10 : 1000)] ^= (unsigned char)(damaged >> k & 1);
        write_bytes(in_scratch("b"), bytes, size);
        for (int k = 0; k < 3; k++)
            bytes[offsets[k] + (k == 1 ? 10 : 1000)] ^= (unsigned char)(damaged >> k & 1);
        assert_int_equal(mmu_trace_open(in_scratch("b"), MMU_TRACE_AUTO, &r, &err), MMU_OK);
        assert_int_equal(mmu_trace_resume(r, &next, &err), MMU_ERR_NOTFOUND); /* nothing has failed */
        for (int k = 0; k < 3; k++) {
            while (at < firsts[k + 1] &&
                   (now = mmu_trace_read(r, got, firsts[k + 1] - at < 5000 ? firsts[k + 1] - at : 5000,
                                         &err)) > 0) {
                assert_false(damaged >> k & 1);
                assert_same(got, a + at, (size_t)now);
                at += (uint64_t)now;
            }
            if (!(damaged >> k & 1))
                continue;
            assert_int_equal(now, MMU_ERR_CHECKSUM);
            assert_int_equal(at, firsts[k]);
            if (k == 2) {
                assert_int_equal(mmu_trace_resume(r, &next, &err), MMU_ERR_NOTFOUND);
                break;
            }
            assert_int_equal(mmu_trace_resume(r, &next, &err), MMU_OK);
            assert_int_equal(next, firsts[k + 1]);
            at = next;
        }
        if (!(damaged >> 2))
            assert_int_equal(mmu_trace_read(r, got, 1, &err), 0);
        mmu_trace_close(r);
    }
    free(got);
    free(bytes);
    free(a);
}

static void without_its_index_a_file_can_be_sought(void **state)
{
    size_t size, n, offsets[8];
    uint64_t firsts[4];
    struct mmu_access *a, got;
    struct mmu_trace_reader *r;
    struct mmu_error err;
    unsigned char *bytes = three_blocks(in_scratch("a"), &size, &a, &n, offsets, firsts);
    (void)state;
    for (int how = 0; how < 2; how++) {
        if (how)
            bytes[size - 20] ^= 1;
        write_bytes(in_scratch("b"), bytes, how ? size : size - 10);
        assert_int_equal(mmu_trace_open(in_scratch("b"), MMU_TRACE_AUTO, &r, &err), MMU_OK);
        for (int i = 0; i < 40; i++) {
            uint64_t at = i < 8 ? firsts[i / 2] - (unsigned)(i % 2) : rng_mix((uint64_t)i) % n;
            if (at >= n)
                continue;
            assert_int_equal(mmu_trace_seek(r, at, &err), MMU_OK);
            assert_int_equal(mmu_trace_read(r, &got, 1, &err), 1);
            assert_same(&got, a + at, 1);
        }
        assert_int_equal(mmu_trace_seek(r, n, &err), MMU_OK);
        assert_int_equal(mmu_trace_read(r, &got, 1, &err), how ? MMU_ERR_CHECKSUM : MMU_ERR_TRUNCATED);
        mmu_trace_close(r);
    }
    free(bytes);
    free(a);
}

/* The writer's process dies in the middle: the blocks that it completed can be read, and the reader says that
 * there is no end. */
static void a_writer_that_died(void **state)
{
    struct rng r;
    struct mmu_access *a, *got;
    struct mmu_trace_reader *reader;
    struct mmu_trace_info info;
    struct mmu_error err;
    char name[300];
    size_t n;
    int code;
    pid_t child;
    (void)state;
    scratch_files(true);
    rng_seed(&r, 7, 0);
    a = random_accesses(&r, false, 2 * BLOCK + 100000);
    child = fork();
    if (!child) {
        struct mmu_trace_writer *w;
        if (mmu_trace_create(in_scratch("a"), MMU_TRACE_BINARY, "recorded until it died", &w, NULL) ||
            mmu_trace_write(w, a, 2 * BLOCK + 100000, NULL))
            _exit(1);
        raise(SIGKILL);
    }
    waitpid(child, &code, 0);
    assert_true(WIFSIGNALED(code));
    assert_int_not_equal(access(in_scratch("a"), F_OK), 0);
    assert_int_equal(scratch_files(false), 1);
    snprintf(name, sizeof name, "%s.tmp.%d", in_scratch("a"), child);
    got = read_trace(name, 1000, &n, &code, &err);
    assert_int_equal(code, MMU_ERR_TRUNCATED);
    assert_non_null(strstr(err.message, "the trace was never finished"));
    assert_non_null(strstr(err.message, "2 complete blocks"));
    assert_true(n >= 2 * BLOCK);
    assert_same(got, a, n);
    free(got);
    assert_int_equal(mmu_trace_open(name, MMU_TRACE_AUTO, &reader, NULL), MMU_OK);
    mmu_trace_info(reader, &info);
    assert_false(info.has_count);
    assert_true(info.has_fetches);
    assert_string_equal(info.source, "recorded until it died");
    assert_int_equal(mmu_trace_seek(reader, n - 1, &err), MMU_OK);
    got = calloc(2, sizeof *got);
    assert_int_equal(mmu_trace_read(reader, got, 2, &err), 1);
    assert_same(got, a + n - 1, 1);
    assert_int_equal(mmu_trace_seek(reader, n + 1, &err), MMU_ERR_TRUNCATED);
    mmu_trace_close(reader);
    free(got);
    free(a);
}

static void deceit_is_survived(void **state)
{
    struct rng r;
    struct mmu_access *a;
    struct mmu_error err;
    size_t size, n;
    int code, refused = 0;
    unsigned char *bytes = small(in_scratch("a"), &size, &a, 3000), *copy = malloc(size);
    (void)state;
    rng_seed(&r, test_seed(), 0);
    assert_non_null(copy);
    for (int round = 0; round < 5000; round++) {
        memcpy(copy, bytes, size);
        for (unsigned changes = 1 + rng_below(&r, 3); changes--;) {
            size_t at = rng_below(&r, (uint32_t)(rng_below(&r, 2) ? 250 : size));
            unsigned width = rng_below(&r, 2) ? 1 : 4;
            uint64_t value = rng_below(&r, 3) ? rng_next(&r) : 0 - (uint64_t)rng_below(&r, 2);
            memcpy(copy + at, &value, at + width <= size ? width : 1);
        }
        memcpy(copy, bytes, 16); /* the magic, the version, the header's length */
        trace_sign(copy, size);
        write_bytes(in_scratch("b"), copy, size);
        free(read_trace(in_scratch("b"), 500, &n, &code, &err));
        refused += code < 0;
    }
    print_message("%d of 5000 refused\n", refused);
    assert_true(refused > 3000);
    free(copy);
    free(bytes);
    free(a);
}

/* 2^32-1 and 2^64-1 in every field of every structure, checksums right. */
static void greatest_numbers_everywhere(void **state)
{
    struct mmu_access *a;
    struct mmu_error err;
    size_t size, n;
    int code;
    unsigned char *bytes = small(in_scratch("a"), &size, &a, 3000), *copy = malloc(size);
    size_t block = get32(bytes + 12);
    (void)state;
    assert_non_null(copy);
    for (size_t at = 8; at < size - 8; at = at == block + MMT_BLOCK_HEADER ? get64(bytes + 128) : at + 4) {
        for (size_t width = 4; width <= 8; width += 4) {
            memcpy(copy, bytes, size);
            memset(copy + at, 0xff, width);
            trace_sign(copy, size);
            write_bytes(in_scratch("b"), copy, size);
            free(read_trace(in_scratch("b"), 500, &n, &code, &err));
            /* The source is anybody's, and checksums are made right by trace_sign(). */
            bool source = at + width > MMT_HEADER_FIXED && at < block,
                 sum = at >= block + MMT_BLOCK_HEADER - 16 &&
                       at<block + MMT_BLOCK_HEADER, end_sum = at + width> size - MMT_TRAILER &&
                       at < size - 16;
            if (code >= 0 && !source && !sum && !end_sum)
                fail_msg("%zu bytes at %zu: no complaint", width, at);
        }
    }
    free(copy);
    free(bytes);
    free(a);
}

/* Header and end tell fewer references than the blocks hold, checksums right: the first block that goes
 * beyond them is refused before anything of it is delivered. */
static void blocks_beyond_the_count(void **state)
{
    size_t size, n, offsets[8];
    uint64_t firsts[4];
    struct mmu_access *a;
    unsigned char *bytes = three_blocks(in_scratch("a"), &size, &a, &n, offsets, firsts),
                  *copy = malloc(size);
    (void)state;
    assert_non_null(copy);
    for (int block = 0; block < 3; block++)
        for (uint64_t missing = 1; missing < 3; missing++) {
            unsigned char *totals = copy + MMT_TOTALS_AT;
            uint64_t less = n - firsts[block + 1] + missing;
            char expected[128];
            memcpy(copy, bytes, size);
            put64(totals, n - less);
            for (int kind = 0; kind < MMU_KINDS; kind++) {
                uint64_t count = get64(totals + 8 + 8 * kind), of_kind = less < count ? less : count;
                put64(totals + 8 + 8 * kind, count - of_kind);
                less -= of_kind;
            }
            memcpy(copy + size - MMT_TRAILER - MMT_TOTALS, totals, MMT_TOTALS);
            trace_sign(copy, size);
            write_bytes(in_scratch("b"), copy, size);
            snprintf(expected, sizeof expected,
                     ": byte %zu: block %d: it goes beyond the end that the header tells", offsets[block],
                     block);
            assert_refused(in_scratch("b"), (int64_t)firsts[block], MMU_ERR_FORMAT, expected);
        }
    free(copy);
    free(bytes);
    free(a);
}

/* Another file's checksum of the blocks, in header and end: each block is whole, but they are others. */
static void other_blocks(void **state)
{
    enum { BLOCKS_SUM = 128 }; /* in the totals */
    struct mmu_access *a;
    size_t size, end;
    unsigned char *bytes = small(in_scratch("a"), &size, &a, 40);
    char expected[128];
    (void)state;
    end = size - MMT_TRAILER - MMT_TOTALS;
    bytes[MMT_TOTALS_AT + BLOCKS_SUM] ^= 1;
    bytes[end + BLOCKS_SUM] ^= 1;
    trace_sign(bytes, size);
    write_bytes(in_scratch("b"), bytes, size);
    snprintf(expected, sizeof expected, ": byte %zu: the blocks are not those that were written", end);
    assert_refused(in_scratch("b"), 40, MMU_ERR_FORMAT, expected);
    free(bytes);
    free(a);
}

/* The decoder alone, on any bytes: it ends, delivers at most two references a token, and stays within its
 * slack. */
static void the_decoder_takes_any_bytes(void **state)
{
    struct rng r;
    struct mmu_access to[700];
    uint8_t *streams[MMT_STREAMS];
    (void)state;
    rng_seed(&r, test_seed(), 0);
    for (int round = 0; round < 3000; round++) {
        struct block_decoder d;
        uint32_t tokens = 1 + rng_below(&r, 2000),
                 attribute = rng_below(&r, 2) ? MMT_ATTRIBUTE_VARIES : rng_below(&r, 256);
        size_t total = 0;
        int64_t n = 0;
        for (int s = 0; s < MMT_STREAMS; s++) {
            size_t length = rng_below(&r, 3) ? rng_below(&r, tokens * 4) : 0;
            streams[s] = malloc(length + BLOCK_SLACK); /* exactly, for the address sanitizer */
            assert_non_null(streams[s]);
            for (size_t i = 0; i < length; i++)
                streams[s][i] = (uint8_t)(rng_next(&r) >> 40 & (round % 2 ? 255 : 63));
            memset(streams[s] + length, 0, BLOCK_SLACK);
            d.streams[s] = (struct block_stream){streams[s], streams[s] + length};
        }
        if (block_decode_begin(&d, tokens, attribute))
            while ((n = block_decode(&d, to, 1 + rng_below(&r, 700))) > 0) {
                total += (size_t)n;
                for (int64_t i = 0; i < n; i++) {
                    assert_true(to[i].size >= 1 && to[i].size <= 4096);
                    assert_true(to[i].va + (to[i].size - 1u) >= to[i].va);
                    assert_true(MMU_KIND_OF(to[i].kind) < MMU_KINDS && MMU_PRIV_OF(to[i].kind) < MMU_PRIVS);
                }
            }
        assert_true(total <= 2 * (size_t)tokens);
        for (int s = 0; s < MMT_STREAMS; s++)
            free(streams[s]);
    }
}

/* A file made by hand from format.h alone, without the encoder: four references. */
static void a_file_made_by_hand(void **state)
{
    static const struct mmu_access expected[] = {
        {.va = 0x401000, .size = 5, .kind = MMU_FETCH},
        {.va = 0x7ff0, .size = 300, .kind = MMU_LOAD},
        {.va = 0x7ff0, .size = 300, .kind = MMU_STORE, .flags = MMU_AF_FOLLOWS},
        {.va = 0x401005, .size = 2, .kind = MMU_FETCH},
    };
    /* fetch of 5, 3 bytes of delta; M with its size behind; fetch of 2, no delta. 2 * 0x401000 = 0x802000, 2
     * * 0x7ff0 = 0xffe0. */
    static const uint8_t code[] = {5 << 2 | 2 << 6, 3, 2 << 2}, place[] = {2 | 4 << 3},
                         payload[] = {0x00, 0x20, 0x80, 0xe0, 0xff, 300 & 255, 300 >> 8};
    uint8_t buffers[MMT_STREAMS][BLOCK_SLACK + 16] = {{0}};
    struct block_decoder d;
    struct mmu_access got[8];
    (void)state;
    memcpy(buffers[MMT_CODE], code, sizeof code);
    memcpy(buffers[MMT_PLACE], place, sizeof place);
    memcpy(buffers[MMT_PAYLOAD], payload, sizeof payload);
    for (int s = 0; s < MMT_STREAMS; s++)
        d.streams[s] = (struct block_stream){buffers[s], buffers[s]};
    d.streams[MMT_CODE].end += sizeof code;
    d.streams[MMT_PLACE].end += sizeof place;
    d.streams[MMT_PAYLOAD].end += sizeof payload;
    assert_true(block_decode_begin(&d, 3, 0));
    assert_int_equal(block_decode(&d, got, 8), 4);
    assert_same(got, expected, 4);
    assert_true(block_decode_clean(&d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_bit_of_marks_and_maps),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(the_damaged_block_is_named),
        cmocka_unit_test(reading_goes_on_behind_damage),
        cmocka_unit_test(without_its_index_a_file_can_be_sought),
        cmocka_unit_test(a_writer_that_died),
        cmocka_unit_test(deceit_is_survived),
        cmocka_unit_test(greatest_numbers_everywhere),
        cmocka_unit_test(blocks_beyond_the_count),
        cmocka_unit_test(other_blocks),
        cmocka_unit_test(the_decoder_takes_any_bytes),
        cmocka_unit_test(a_file_made_by_hand),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
