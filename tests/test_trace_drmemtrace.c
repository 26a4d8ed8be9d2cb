/*
 * test_trace_drmemtrace.c: DynamoRIO's traces, entry by entry: what becomes of each type and marker, chunks
 * in a zip archive, folders of one file a thread, damage. And data/trace/drmemtrace, two threads with a
 * signal, a system call's kernel part and a context switch, which data/trace/drmemtrace.py wrote.
 */
#include "trace_foreign.h"

static const char *path;

static int before(void **state)
{
    (void)state;
    path = in_scratch("t.trace");
    return 0;
}

/* ---- entries ---- */

enum { FOLLOWS = MMU_AF_FOLLOWS };
enum { THREAD = 22, EXIT = 23, PID = 24, HEADER = 25, FOOTER = 26, MARKER = 28 };
enum {
    KERNEL_LOAD = MMU_KIND_PRIV(MMU_LOAD, MMU_SUPERVISOR),
    KERNEL_FETCH = MMU_KIND_PRIV(MMU_FETCH, MMU_SUPERVISOR)
};

struct entry {
    uint16_t type, size;
    uint64_t value;
};

#define BEGIN(version)                                                                                       \
    {HEADER, 0, version}, {MARKER, 12, version},                                                             \
    {                                                                                                        \
        MARKER, 9, 0xe40                                                                                     \
    }
#define END                                                                                                  \
    {EXIT, 0, 7},                                                                                            \
    {                                                                                                        \
        FOOTER, 0, 0                                                                                         \
    }

static size_t put_entries(unsigned char *to, const struct entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++, to += 12) {
        memcpy(to, &e[i].type, 2);
        memcpy(to + 2, &e[i].size, 2);
        memcpy(to + 4, &e[i].value, 8);
    }
    return 12 * n;
}

static void write_entries(const char *to, const struct entry *e, size_t n)
{
    unsigned char *bytes = malloc(12 * n);

    assert_non_null(bytes);
    write_bytes(to, bytes, put_entries(bytes, e, n));
    free(bytes);
}

#define COUNT(array)       (sizeof(array) / sizeof *(array))
#define WRITE(path, array) write_entries(path, array, COUNT(array))

static void is_whole(const struct mmu_access *a, size_t n, const struct mmu_trace_mark *marks, size_t n_marks,
                     uint64_t skipped)
{
    struct whole w;

    assert_whole(path, MMU_TRACE_DRMEMTRACE, NULL, true, a, n, marks, n_marks);
    w = read_whole(path, MMU_TRACE_DRMEMTRACE, NULL, 100);
    assert_int_equal(w.info.skipped, skipped);
    whole_free(&w);
}

static void instructions_and_data(void **state)
{
    static const struct entry in[] = {BEGIN(5),
                                      {THREAD, 0, 7},
                                      {PID, 0, 7},
                                      {47, 3, 0x123456}, /* encodings, of more than 8 bytes in two entries */
                                      {10, 3, 0x401000},
                                      {0, 8, 0x7ffe0000},
                                      {1, 4, 0x7ffe0008},
                                      {0, 64, 0x7ffe0010},
                                      {47, 8, ~0ull},
                                      {47, 7, ~0ull},
                                      {11, 15, 0x401003},
                                      {12, 2, 0x401020},
                                      {13, 6, 0x401030},
                                      {14, 5, 0x401040},
                                      {1, 8, 0x7ffdfff8},
                                      {15, 2, 0x401050},
                                      {16, 1, 0x401060},
                                      {48, 2, 0x401070},
                                      {49, 2, 0x401080},
                                      {31, 2, 0x401082},
                                      END};
    const struct mmu_access out[] = {A(0x401000, 3, MMU_FETCH),
                                     A(0x7ffe0000, 8, MMU_LOAD),
                                     A(0x7ffe0008, 4, MMU_STORE, .flags = FOLLOWS),
                                     A(0x7ffe0010, 64, MMU_LOAD, .flags = FOLLOWS),
                                     A(0x401003, 15, MMU_FETCH),
                                     A(0x401020, 2, MMU_FETCH),
                                     A(0x401030, 6, MMU_FETCH),
                                     A(0x401040, 5, MMU_FETCH),
                                     A(0x7ffdfff8, 8, MMU_STORE),
                                     A(0x401050, 2, MMU_FETCH),
                                     A(0x401060, 1, MMU_FETCH),
                                     A(0x401070, 2, MMU_FETCH),
                                     A(0x401080, 2, MMU_FETCH),
                                     A(0x401082, 2, MMU_FETCH)};
    const struct mmu_trace_mark marks[] = {M(0, MMU_MARK_THREAD, 7), M(0, MMU_MARK_PROCESS, 7),
                                           E(14, "exit")};

    (void)state;
    WRITE(path, in);
    is_whole(out, COUNT(out), marks, COUNT(marks), 0);
}

static void what_is_not_fetched(void **state)
{
    static const struct entry in[] = {
        BEGIN(4),          {10, 2, 0x401000}, /* rep movsb: fetched once */
        {0, 1, 0x1000},    {1, 1, 0x2000},
        {29, 2, 0x401000}, {0, 1, 0x1001},
        {1, 1, 0x2001},    {30, 2, 0x401000},
        {0, 1, 0x1002},    {30, 3, 0x401002}, /* another one */
        {30, 3, 0x401002}, {10, 0, 0x401005}, /* the address alone */
        {1, 8, 0x3000},    {17, 3, 0x030201}, /* a bundle goes on behind what was fetched */
        {0, 8, 0x4000},    END};
    const struct mmu_access out[] = {A(0x401000, 2, MMU_FETCH),
                                     A(0x1000, 1, MMU_LOAD),
                                     A(0x2000, 1, MMU_STORE, .flags = FOLLOWS),
                                     A(0x1001, 1, MMU_LOAD),
                                     A(0x2001, 1, MMU_STORE, .flags = FOLLOWS),
                                     A(0x1002, 1, MMU_LOAD),
                                     A(0x401002, 3, MMU_FETCH),
                                     A(0x3000, 8, MMU_STORE),
                                     A(0x401005, 1, MMU_FETCH),
                                     A(0x401006, 2, MMU_FETCH),
                                     A(0x401008, 3, MMU_FETCH),
                                     A(0x4000, 8, MMU_LOAD)};
    const struct mmu_trace_mark marks[] = {E(12, "exit")};

    (void)state;
    WRITE(path, in);
    is_whole(out, COUNT(out), marks, COUNT(marks), 4);
}

/* Every prefetch and flush there is, and markers that say nothing here. */
static void what_is_passed_over(void **state)
{
    static const uint16_t types[] = {2,  3,  4,  5,  6,  7,  8,  9,  18, 19, 20, 21, 27, 32,
                                     33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46};
    struct entry in[100] = {BEGIN(3), {10, 4, 0x1000}, {0, 4, 0x2000}};
    size_t n = 5;
    const struct mmu_access out[] = {A(0x1000, 4, MMU_FETCH), A(0x2000, 4, MMU_LOAD),
                                     A(0x3000, 4, MMU_STORE, .flags = FOLLOWS)};

    (void)state;
    for (size_t i = 0; i < COUNT(types); i++)
        in[n++] = (struct entry){types[i], (uint16_t)(i % 3 ? 64 : 0), i % 2 ? ~0ull : i};
    in[n++] = (struct entry){MARKER, 4, 1};   /* a function's id */
    in[n++] = (struct entry){MARKER, 99, 1};  /* one that does not exist yet */
    in[n++] = (struct entry){MARKER, 101, 1}; /* a user's own */
    in[n++] = (struct entry){1, 4, 0x3000};
    in[n++] = (struct entry){FOOTER, 0, 0};
    write_entries(path, in, n);
    is_whole(out, COUNT(out), NULL, 0, COUNT(types) + 3);
}

/* Data of any size: a reference for each page. */
static void large_data(void **state)
{
    static const struct entry in[] = {BEGIN(6),     {10, 4, 0x1000},     {1, 4096, 0x2ff0}, {0, 4097, 0x5fff},
                                      {0, 0, 0x77}, {1, 65535, 0x10000}, {0, 8, ~0ull - 7}, {FOOTER, 0, 0}};
    struct mmu_access out[32] = {
        A(0x1000, 4, MMU_FETCH), A(0x2ff0, 4096, MMU_STORE), A(0x5fff, 1, MMU_LOAD, .flags = FOLLOWS),
        A(0x6000, 4096, MMU_LOAD, .flags = FOLLOWS), A(0x77, 1, MMU_LOAD, .flags = FOLLOWS)};
    size_t n = 5;

    (void)state;
    for (uint64_t page = 0; page < 16; page++, n++)
        out[n] = A(0x10000 + 4096 * page, page < 15 ? 4096 : 4095, MMU_STORE, .flags = FOLLOWS);
    out[n++] = A(~0ull - 7, 8, MMU_LOAD, .flags = FOLLOWS);
    WRITE(path, in);
    is_whole(out, n, NULL, 0, 0);
}

#define TIME UINT64_C(13300000000000000)

static const struct entry all_markers[] = {
    BEGIN(5),
    {THREAD, 0, 11},
    {PID, 0, 10},
    {MARKER, 10, 64},
    {MARKER, 18, 4096},
    {MARKER, 20, 10000000},
    {MARKER, 2, TIME},
    {MARKER, 3, 0x1003}, /* node 1, processor 3 */
    {10, 2, 0x1000},
    {MARKER, 25, 202},
    {MARKER, 2, TIME + 5},
    {MARKER, 3, ~0ull}, /* not known */
    {MARKER, 27, 202},
    {10, 3, 0xffffffff81000000},
    {0, 8, 0xffff888000000000},
    {0, 8, 0x7000},
    {MARKER, 28, 202},
    {10, 2, 0x1002},
    {0, 8, 0x7008},
    {MARKER, 21, 1}, /* a chunk ends, and the next one says again how late it is */
    {MARKER, 22, 99},
    {MARKER, 2, TIME + 5},
    {MARKER, 3, 3},
    {MARKER, 0, 0x1004},
    {10, 1, 0x2000},
    {MARKER, 1, 0x2001},
    {10, 1, 0xffffffffff600000}, /* the vsyscall page */
    {0, 8, 0x7010},
    {MARKER, 2, TIME + 4}, /* it goes back: nothing for a reader to mend */
    {10, 1, 0x1004},
    {MARKER, 34, 1},
    {10, 1, 0x3000},
    {MARKER, 35, 1},
    {THREAD, 0, 12},
    {PID, 0, 10},
    {10, 1, 0x4000},
    END};

static void marks_of_all_kinds(void **state)
{
    const struct mmu_access out[] = {A(0x1000, 2, MMU_FETCH),
                                     A(0xffffffff81000000, 3, KERNEL_FETCH),
                                     A(0xffff888000000000, 8, KERNEL_LOAD),
                                     A(0x7000, 8, KERNEL_LOAD, .flags = FOLLOWS),
                                     A(0x1002, 2, MMU_FETCH),
                                     A(0x7008, 8, MMU_LOAD),
                                     A(0x2000, 1, MMU_FETCH),
                                     A(0xffffffffff600000, 1, KERNEL_FETCH),
                                     A(0x7010, 8, KERNEL_LOAD),
                                     A(0x1004, 1, MMU_FETCH),
                                     A(0x3000, 1, KERNEL_FETCH),
                                     A(0x4000, 1, MMU_FETCH)};
    const struct mmu_trace_mark marks[] = {M(0, MMU_MARK_THREAD, 11),
                                           M(0, MMU_MARK_PROCESS, 10),
                                           E(0, "page-size 4096"),
                                           M(0, MMU_MARK_TIME, 0),
                                           M(0, MMU_MARK_CPU, 3),
                                           E(1, "syscall 202"),
                                           M(1, MMU_MARK_TIME, 5000),
                                           E(1, "kernel-enter"),
                                           E(4, "kernel-exit"),
                                           E(6, "kernel-event 0x1004"),
                                           E(7, "kernel-xfer 0x2001"),
                                           M(9, MMU_MARK_TIME, 4000),
                                           E(10, "context-switch"),
                                           E(10, "kernel-enter"),
                                           E(11, "kernel-exit"),
                                           M(11, MMU_MARK_THREAD, 12),
                                           E(12, "exit")};
    struct whole w;

    (void)state;
    WRITE(path, all_markers);
    is_whole(out, COUNT(out), marks, COUNT(marks), 0);
    w = read_whole(path, MMU_TRACE_AUTO, NULL, 100);
    assert_string_equal(w.info.source, "DynamoRIO drmemtrace, version 5, x86-64");
    assert_true(w.info.has_fetches);
    assert_int_equal(w.info.time_first, 0);
    assert_int_equal(w.info.time_last, 5000);
    whole_free(&w);
}

/* The same of a 32-bit DynamoRIO: entries of 8 bytes, with more of them than a buffer holds. */
static void narrow_entries(void **state)
{
    enum { N = 10000 };
    static const struct entry begin[] = {{HEADER, 0, 5},         {MARKER, 12, 5}, {MARKER, 9, 0x220},
                                         {THREAD, 0, 7},         {PID, 0, 7},     {MARKER, 2, 4000000000},
                                         {MARKER, 3, 0xffffffff}};
    struct mmu_access *out = calloc(2 * N, sizeof *out);
    unsigned char *bytes = malloc(8 * (2 * N + 20)), *end = bytes;
    const struct mmu_trace_mark marks[] = {M(0, MMU_MARK_THREAD, 7), M(0, MMU_MARK_PROCESS, 7),
                                           M(0, MMU_MARK_TIME, 0)};
    struct whole w;

    (void)state;
    assert_non_null(out);
    assert_non_null(bytes);
    for (size_t i = 0; i < COUNT(begin) + 2 * N + 1; i++, end += 8) {
        const size_t k = i - COUNT(begin);
        const struct entry e = i < COUNT(begin) ? begin[i]
                               : k == 2 * N     ? (struct entry){FOOTER, 0, 0}
                               : k % 2          ? (struct entry){1, 4, 0xfffff000 + k % 4096 / 8 * 8}
                                                : (struct entry){10, 5, 0x8048000 + k};
        unsigned char wide[12];
        put_entries(wide, &e, 1);
        memcpy(end, wide, 8);
        if (i >= COUNT(begin) && k < 2 * N)
            out[k] = A(e.value, e.size, k % 2 ? MMU_STORE : MMU_FETCH);
    }
    write_bytes(path, bytes, (size_t)(end - bytes));
    is_whole(out, 2 * N, marks, COUNT(marks), 0);
    w = read_whole(path, MMU_TRACE_AUTO, NULL, 100);
    assert_string_equal(w.info.source, "DynamoRIO drmemtrace, version 5, i386");
    whole_free(&w);
    write_bytes(path, bytes, (size_t)(end - bytes) - 3);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2 * N, MMU_ERR_TRUNCATED,
                      ": byte 160056: the trace ends 5 bytes into an entry of 8");
    write_bytes(path, bytes, (size_t)(end - bytes) - 8);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2 * N, MMU_ERR_TRUNCATED,
                      ": byte 160056: the trace ends without a footer entry");
    end[-16] = 60;
    write_bytes(path, bytes, (size_t)(end - bytes));
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2 * N - 1, MMU_ERR_FORMAT,
                      ": byte 160048: an entry of type 60, expected 0 to 49");
    free(bytes);
    free(out);
}

/* ---- folders ---- */

static const char *in_folder(const char *folder, const char *name)
{
    char both[256];

    snprintf(both, sizeof both, "%s/%s", folder, name);
    return in_scratch(both);
}

static void drop_folder(const char *folder, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(remove(in_folder(folder, names[i])), 0);
    assert_int_equal(rmdir(in_scratch(folder)), 0);
}

/* Three threads of two processes; times that are equal, that pass each other, one file of a single block. */
static void files_are_interleaved_by_time(void **state)
{
    static const struct entry a[] = {BEGIN(5),          {THREAD, 0, 1}, {PID, 0, 1},       {MARKER, 2, 1000},
                                     {MARKER, 3, 0},    {10, 1, 0xa0},  {MARKER, 2, 1010}, {10, 1, 0xa1},
                                     {MARKER, 2, 1020}, {10, 1, 0xa2},  {MARKER, 2, 1030}, {MARKER, 3, 1},
                                     {10, 1, 0xa3},     {FOOTER, 0, 0}};
    static const struct entry b[] = {BEGIN(5),       {THREAD, 0, 2},    {PID, 0, 1},    {MARKER, 2, 1010},
                                     {MARKER, 3, 1}, {10, 1, 0xb0},     {0, 8, 0xb8},   {MARKER, 2, 1011},
                                     {10, 1, 0xb1},  {MARKER, 2, 1025}, {MARKER, 3, 0}, {1, 8, 0xb9},
                                     {FOOTER, 0, 0}};
    static const struct entry c[] = {BEGIN(5),          {THREAD, 0, 3}, {PID, 0, 9},
                                     {MARKER, 2, 1020}, {10, 1, 0xc0},  {FOOTER, 0, 0}};
    const struct mmu_access out[] = {A(0xa0, 1, MMU_FETCH), A(0xa1, 1, MMU_FETCH), A(0xb0, 1, MMU_FETCH),
                                     A(0xb8, 8, MMU_LOAD),  A(0xb1, 1, MMU_FETCH), A(0xa2, 1, MMU_FETCH),
                                     A(0xc0, 1, MMU_FETCH), A(0xb9, 8, MMU_STORE), A(0xa3, 1, MMU_FETCH)};
    const struct mmu_trace_mark marks[] = {
        M(0, MMU_MARK_THREAD, 1),  M(0, MMU_MARK_PROCESS, 1),  M(0, MMU_MARK_TIME, 0),
        M(0, MMU_MARK_CPU, 0),     M(1, MMU_MARK_TIME, 10000), M(2, MMU_MARK_THREAD, 2),
        M(2, MMU_MARK_CPU, 1),     M(4, MMU_MARK_TIME, 11000), M(5, MMU_MARK_THREAD, 1),
        M(5, MMU_MARK_CPU, 0),     M(5, MMU_MARK_TIME, 20000), M(6, MMU_MARK_THREAD, 3),
        M(6, MMU_MARK_PROCESS, 9), M(7, MMU_MARK_PROCESS, 1),  M(7, MMU_MARK_THREAD, 2),
        M(7, MMU_MARK_CPU, 1),     M(7, MMU_MARK_TIME, 25000), M(7, MMU_MARK_CPU, 0),
        M(8, MMU_MARK_THREAD, 1),  M(8, MMU_MARK_TIME, 30000), M(8, MMU_MARK_CPU, 1)};
    static const char *const names[] = {"app.1.trace.gz", "b", "c.memtrace.gz", "cpu_schedule.bin.zip",
                                        ".hidden"};

    (void)state;
    path = in_scratch("folder");
    assert_int_equal(mkdir(path, 0700), 0);
    WRITE(in_folder("folder", names[0]), a);
    WRITE(in_folder("folder", names[1]), b);
    WRITE(in_folder("folder", names[2]), c);
    write_text(in_folder("folder", names[3]), "no trace");
    write_text(in_folder("folder", names[4]), "no trace");
    is_whole(out, COUNT(out), marks, COUNT(marks), 0);
    drop_folder("folder", names, COUNT(names));
}

/* Of drmemtrace's own folder the final traces in trace/ are read; a folder without any is refused. */
static void other_folders(void **state)
{
    static const struct entry in[] = {BEGIN(5), {10, 1, 0xa0}, {FOOTER, 0, 0}};
    static const char *const name[] = {"x.trace.zip"};

    (void)state;
    path = in_scratch("app.dir");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_IO, ": is a directory, expected a trace file");
    assert_ends_badly(path, MMU_TRACE_DRMEMTRACE, NULL, 0, MMU_ERR_FORMAT,
                      ": no file of DynamoRIO's traces in the folder");
    assert_int_equal(mkdir(in_scratch("app.dir/raw"), 0700), 0);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT,
                      ": holds only what DynamoRIO's tracer wrote, expected its final form");
    assert_int_equal(mkdir(in_scratch("app.dir/trace"), 0700), 0);
    assert_int_equal(mkdir(in_scratch("app.dir/trace/window.0000"), 0700), 0);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT,
                      ": holds a folder for each window that was traced, expected one of them");
    assert_int_equal(rmdir(in_scratch("app.dir/trace/window.0000")), 0);
    WRITE(in_folder("app.dir/trace", name[0]), in);
    is_whole((struct mmu_access[]){A(0xa0, 1, MMU_FETCH)}, 1, NULL, 0, 0);
    write_text(in_folder("app.dir/trace", name[0]), "no trace");
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_FORMAT,
                      "/trace/x.trace.zip: byte 0: no header entry");
    drop_folder("app.dir/trace", name, 1);
    assert_int_equal(rmdir(in_scratch("app.dir/raw")), 0);
    assert_int_equal(rmdir(in_scratch("app.dir")), 0);
}

/* ---- damage ---- */

static void damage(void **state)
{
    static const struct entry good[] = {BEGIN(5), {10, 3, 0x1000}, {0, 8, 0x2000}, {FOOTER, 0, 0}};
    static const struct {
        struct entry entry;
        const char *message;
    } wrong[] = {
        {{50, 1, 0}, ": byte 60: an entry of type 50, expected 0 to 49"},
        {{0xffff, 1, 0}, ": byte 60: an entry of type 65535, expected 0 to 49"},
        {{HEADER, 0, 5}, ": byte 60: a header in the middle, version 5, expected an entry of another type"},
        {{17, 0, 0}, ": byte 60: a bundle of instructions: 0, expected 1 to 8, behind an instruction"},
        {{17, 9, 0}, ": byte 60: a bundle of instructions: 9, expected 1 to 8, behind an instruction"},
        {{17, 1, 0}, ": byte 60: an instruction in a bundle, of bytes: 0, expected at least 1"},
        {{10, 4097, 0}, ": byte 60: an instruction of bytes: 4097, expected at most 4096"},
        {{10, 2, ~0ull}, ": byte 60: a reference that ends beyond 2^64, of bytes: 2, expected less"},
        {{1, 9, ~0ull - 7}, ": byte 60: a reference that ends beyond 2^64, of bytes: 9, expected less"},
        {{30, 2, ~0ull},
         ": byte 60: an instruction of bytes: 2, expected at most 4096, and an end below 2^64"},
    };
    unsigned char bytes[12 * 6 + 12];
    size_t n = put_entries(bytes, good, COUNT(good));

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        put_entries(bytes + 60, &wrong[i].entry, 1);
        put_entries(bytes + 72, &(struct entry){FOOTER, 0, 0}, 1);
        write_bytes(path, bytes, n + 12);
        assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2, MMU_ERR_FORMAT, wrong[i].message);
    }
    put_entries(bytes, good, COUNT(good));
    write_bytes(path, bytes, n - 12);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2, MMU_ERR_TRUNCATED,
                      ": byte 60: the trace ends without a footer entry");
    write_bytes(path, bytes, n - 20);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 1, MMU_ERR_TRUNCATED,
                      ": byte 48: the trace ends 4 bytes into an entry");
    write_bytes(path, bytes, n + 1);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 2, MMU_ERR_FORMAT,
                      ": byte 72: something follows the footer entry");
    bytes[4] = bytes[16] = 7;
    write_bytes(path, bytes, n);
    assert_ends_badly(path, MMU_TRACE_AUTO, NULL, 0, MMU_ERR_UNSUPPORTED,
                      ": byte 4: version 7 of DynamoRIO's traces, expected 1 to 6");
    write_text(path, "I  04001090,3\n");
    assert_ends_badly(path, MMU_TRACE_DRMEMTRACE, NULL, 0, MMU_ERR_FORMAT,
                      ": byte 0: no header entry of DynamoRIO's final traces (type 25, size 0, a version)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(instructions_and_data, before),
                                       cmocka_unit_test_setup(what_is_not_fetched, before),
                                       cmocka_unit_test_setup(what_is_passed_over, before),
                                       cmocka_unit_test_setup(large_data, before),
                                       cmocka_unit_test_setup(marks_of_all_kinds, before),
                                       cmocka_unit_test_setup(narrow_entries, before),
                                       cmocka_unit_test_setup(files_are_interleaved_by_time, before),
                                       cmocka_unit_test_setup(other_folders, before),
                                       cmocka_unit_test_setup(damage, before)};

    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
