/*
 * fuzz_trace.c: any bytes as a trace. The first byte says how the rest is taken: as a binary trace, as one
 * whose checksums are made right, as text, as the streams of one block, as a stream of marks, as the heads of
 * page runs, or as executions of pieces of code. Whatever is delivered is a possible reference, mark or head,
 * the same whichever way it is read; a refusal has one clear line.
 *
 * What libarchive makes of bytes is its own fuzzers' business: text gets a line in front that keeps it out.
 */
#define _GNU_SOURCE
#include "block.h"
#include "fuzz.h"
#include "trace_sign.h"

#include <mmusim/executions.h>
#include <mmusim/runs.h>

/* Reads it with its marks; returns the checksum of the references. */
static uint64_t read_marked(const char *path, enum mmu_trace_format format, uint64_t most)
{
    struct mmu_trace_reader *r;
    struct mmu_access block[100];
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_error err = {0};
    uint64_t count = 0, sum = 0, next;
    size_t n_marks;
    int64_t n;

    require(mmu_trace_open(path, format, &r, &err) == MMU_OK, "it can be opened once");
    while ((n = mmu_trace_read_marked(r, block, 100, marks, MMU_MARKS_LEAST, &n_marks, &err)) >= 0) {
        check_references(block, n);
        check_marks(marks, n_marks, count, count + (uint64_t)n);
        count += (uint64_t)n;
        sum = mmu_trace_checksum(sum, block, (size_t)n);
        if ((!n && !n_marks) || count >= most)
            break;
    }
    if (n < 0)
        check_refusal(n, &err);
    while (n < 0 && mmu_trace_resume(r, &next, &err) == MMU_OK) { /* behind the damage */
        count = next;
        while ((n = mmu_trace_read_marked(r, block, 100, marks, MMU_MARKS_LEAST, &n_marks, &err)) > 0 ||
               (!n && n_marks)) {
            check_references(block, n);
            check_marks(marks, n_marks, count, count + (uint64_t)n);
            count += (uint64_t)n;
        }
    }
    mmu_trace_close(r);
    return sum;
}

static void check_heads(const struct mmu_head *heads, size_t n, uint64_t references)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        check_references(&heads[i].access, 1);
        require(heads[i].flags < 64, "flags of none");
        require(heads[i].next == MMU_KINDS ? mmu_head_references(&heads[i]) == 1
                                           : heads[i].next < MMU_KINDS && heads[i].members[heads[i].next],
                "a first member of none");
        sum += mmu_head_references(&heads[i]);
    }
    require(sum == references, "heads of more or fewer references");
}

/* Reads it as page runs where it has them, as references elsewhere; expands some. Returns the checksum of the
 * references. */
static uint64_t read_runs(const char *path, enum mmu_trace_format format, uint64_t most)
{
    struct mmu_trace_reader *r;
    struct mmu_access block[100];
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_error err = {0};
    struct mmu_runs runs;
    uint64_t count = 0, sum = 0;
    size_t n_marks;
    int64_t n;

    require(mmu_trace_open(path, format, &r, &err) == MMU_OK, "it can be opened once");
    do {
        const struct mmu_access *references = block;
        n = mmu_trace_read_runs(r, 65536, &runs, marks, MMU_MARKS_LEAST, &n_marks, &err);
        if (n == MMU_ERR_UNSUPPORTED) {
            n = mmu_trace_read_marked(r, block, 100, marks, MMU_MARKS_LEAST, &n_marks, &err);
        } else if (n > 0) {
            check_heads(runs.heads, runs.n_heads, (uint64_t)n);
            if (runs.expand(runs.ctx, &references) != MMU_OK)
                break;
        }
        if (n < 0)
            break;
        check_references(references, n);
        check_marks(marks, n_marks, count, count + (uint64_t)n);
        sum = mmu_trace_checksum(sum, references, (size_t)n);
        count += (uint64_t)n;
    } while ((n || n_marks) && count < most);
    mmu_trace_close(r);
    return sum;
}

/* Reads it as executions of code where it has them. Returns the checksum of the references. */
static uint64_t read_executions(const char *path, enum mmu_trace_format format, uint64_t most)
{
    static struct mmu_access to[MMU_EXECUTIONS_MOST];
    struct mmu_trace_reader *r;
    struct mmu_trace_mark marks[MMU_MARKS_LEAST];
    struct mmu_error err = {0};
    struct mmu_executions x;
    uint64_t count = 0, sum = 0;
    size_t n_marks;
    int64_t n;

    require(mmu_trace_open(path, format, &r, &err) == MMU_OK, "it can be opened once");
    do {
        n = mmu_trace_read_executions(r, 5000, &x, marks, MMU_MARKS_LEAST, &n_marks, &err);
        if (n == MMU_ERR_UNSUPPORTED)
            n = mmu_trace_read_marked(r, to, 100, marks, MMU_MARKS_LEAST, &n_marks, &err);
        else if (n > 0)
            mmu_executions_expand(&x, to);
        if (n < 0)
            break;
        check_references(to, n);
        check_marks(marks, n_marks, count, count + (uint64_t)n);
        sum = mmu_trace_checksum(sum, to, (size_t)n);
        count += (uint64_t)n;
    } while ((n || n_marks) && count < most);
    mmu_trace_close(r);
    return sum;
}

/* Reads the file whole, then from a place in the middle: both must deliver the same. */
static void read_file(const char *path, enum mmu_trace_format format)
{
    enum { MOST = 3000000 };
    struct mmu_trace_reader *r;
    struct mmu_trace_info info;
    struct mmu_access block[100], again;
    uint64_t sum = 0;
    struct mmu_error err = {0};
    struct mmu_access middle = {0};
    uint64_t count = 0, at = 0;
    int64_t n = mmu_trace_open(path, format, &r, &err);

    if (n < 0) {
        check_refusal(n, &err);
        return;
    }
    while (count < MOST && (n = mmu_trace_read(r, block, 100, &err)) > 0) {
        check_references(block, n);
        sum = mmu_trace_checksum(sum, block, (size_t)n);
        count += (uint64_t)n;
        if (count % 3) {
            middle = block[n - 1];
            at = count;
        }
    }
    if (n < 0)
        check_refusal(n, &err);
    if (at) {
        require(mmu_trace_seek(r, at - 1, &err) == MMU_OK && mmu_trace_read(r, &again, 1, &err) == 1,
                "what was read cannot be sought");
        require(!memcmp(&again, &middle, sizeof again), "seeking gives another reference than reading");
    }
    mmu_trace_info(r, &info);
    mmu_trace_close(r);
    if (count >= MOST)
        return;
    require(read_marked(path, format, MOST) == sum, "reading with marks gives other references");
    if (n == 0)
        require(read_executions(path, format, MOST) == sum, "reading executions gives other references");
    if (n == 0) /* heads that lie end a reading that has no end here */
        read_runs(path, format, MOST);
    if (n == 0 && !info.heads)
        require(read_runs(path, format, MOST) == sum, "reading page runs gives other references");
}

static void as_file(const void *front, size_t front_size, const uint8_t *data, size_t size, bool sign,
                    enum mmu_trace_format format)
{
    char path[64];
    int fd = memfd_create("trace", MFD_CLOEXEC);
    unsigned char *bytes = malloc(front_size + size + 1);

    require(fd >= 0 && bytes, "the host has no memory");
    memcpy(bytes, front, front_size);
    memcpy(bytes + front_size, data, size);
    if (sign)
        trace_sign(bytes, front_size + size);
    require(write(fd, bytes, front_size + size) == (ssize_t)(front_size + size), "the host has no memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_file(path, format);
    close(fd);
    free(bytes);
}

/* Two bytes of tokens, one of attribute, then the lengths of four streams; the fifth has the rest. */
static void as_block(const uint8_t *data, size_t size)
{
    struct block_decoder d;
    struct mmu_access to[333];
    uint8_t *streams[MMT_STREAMS];
    size_t at = 11, total = 0;
    int64_t n;

    if (size < at)
        return;
    for (size_t s = 0; s < MMT_STREAMS; s++) {
        size_t left = size - at,
               length = s == MMT_STREAMS - 1 ? left : (size_t)(data[3 + 2 * s] | data[4 + 2 * s] << 8);
        length = length < left ? length : left;
        streams[s] = calloc(1, length + BLOCK_SLACK);
        require(streams[s], "the host has no memory");
        memcpy(streams[s], data + at, length);
        d.streams[s] = (struct block_stream){streams[s], streams[s] + length};
        at += length;
    }
    if (block_decode_begin(&d, (uint32_t)(data[0] | data[1] << 8),
                           data[2] == 255 ? MMT_ATTRIBUTE_VARIES : data[2]))
        while ((n = block_decode(&d, to, 333)) > 0) {
            check_references(to, n);
            total += (size_t)n;
        }
    require(total <= 2 * 65536, "more references than tokens can be");
    for (int s = 0; s < MMT_STREAMS; s++)
        free(streams[s]);
}

/* Two bytes of their number, then the stream. */
static void as_marks(const uint8_t *data, size_t size)
{
    struct marks_decoder d;
    struct mmu_trace_mark mark;
    uint64_t last = 0;
    uint8_t *bytes = malloc(size); /* exactly, for the address sanitizer */
    size_t n = 0;

    require(bytes, "the host has no memory");
    if (size >= 2) {
        memcpy(bytes, data + 2, size - 2);
        marks_decode_begin(&d, bytes, (uint32_t)size - 2, (uint32_t)(data[0] | data[1] << 8));
        while (marks_decode(&d, &mark) > 0) {
            check_marks(&mark, 1, last, UINT64_MAX);
            last = mark.at;
            n++;
        }
        require(n <= size, "more marks than bytes");
    }
    free(bytes);
}

/* A byte, how many heads; 16 bytes for each; the rest is their accesses' code. */
static void as_heads(const uint8_t *data, size_t size)
{
    struct heads_decoder d = {.gaps = true};
    struct mmu_head to[40];
    uint8_t *code, *members, zeros[BLOCK_SLACK] = {0};
    size_t count = size ? data[0] : 0, total = 0;
    int64_t n;

    if (!count || size < 1 + count * HEAD_BYTES + count)
        return;
    members = malloc(count * HEAD_BYTES);
    code = calloc(1, count + BLOCK_SLACK);
    require(members && code, "the host has no memory");
    memcpy(members, data + 1, count * HEAD_BYTES);
    memcpy(code, data + 1 + count * HEAD_BYTES, count);
    for (int s = 0; s < MMT_STREAMS; s++)
        d.accesses.streams[s] = (struct block_stream){zeros, zeros};
    d.accesses.streams[MMT_CODE] = (struct block_stream){code, code + count};
    d.members = members;
    d.count = (uint32_t)count;
    if (block_decode_begin(&d.accesses, (uint32_t)count, 0))
        while ((n = heads_decode(&d, to, 40)) > 0)
            total += (size_t)n;
    require(total <= count, "more heads than there are");
    free(members);
    free(code);
}

/* A copy of n bytes of the input, or fewer, with slack, exactly for the address sanitizer; they are used up.
 */
static struct block_stream take_stream(const uint8_t **data, size_t *size, size_t n)
{
    uint8_t *bytes;

    n = n < *size ? n : *size;
    bytes = calloc(1, n + BLOCK_SLACK);
    require(bytes, "the host has no memory");
    memcpy(bytes, *data, n);
    *data += n;
    *size -= n;
    return (struct block_stream){bytes, bytes + n};
}

/* Four bytes: tokens, pieces, executions, places. Then the code, the pieces' lengths, the executions, the
 * places, and deltas. */
static void as_pieces(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[MMT_BLOCK_TOKENS];
    struct mmu_access to[150];
    struct pieces_decoder d = {.room = 0};
    struct block_decoder tokens;
    struct block_stream code, lengths;
    const uint8_t *at = data;
    size_t total = 0, places = 0, left = size;
    int64_t n = -1;

    if (size < 4)
        return;
    at += 4;
    left -= 4;
    code = take_stream(&at, &left, data[0]);
    lengths = take_stream(&at, &left, data[1]);
    d.executions = take_stream(&at, &left, 2u * data[2]);
    d.executions.end -= (d.executions.end - d.executions.at) & 1;
    d.place = take_stream(&at, &left, data[3]);
    d.payload = take_stream(&at, &left, left);
    for (const uint8_t *c = code.at; c < code.end; c++)
        places += (*c & 3) != 0;
    for (int s = 0; s < MMT_STREAMS; s++)
        tokens.streams[s] = (struct block_stream){zeros, zeros};
    tokens.streams[MMT_CODE] = code;
    tokens.streams[MMT_PLACE].end += places;
    struct block_stream executions = d.executions, place = d.place, payload = d.payload;
    if (block_decode_begin(&tokens, (uint32_t)(code.end - code.at), 0) &&
        !pieces_decode_begin(&d, &tokens, lengths.at, (uint32_t)(lengths.end - lengths.at)))
        while ((n = pieces_decode(&d, to, 1 + total % 150)) > 0) {
            check_references(to, n);
            total += (size_t)n;
        }
    require(total <= (size_t)PIECE_MOST * data[2], "more references than executions can be");
    require(n < 0 || pieces_decode_done(&d), "executions are left");
    pieces_decoder_free(&d);
    free((void *)code.at);
    free((void *)lengths.at);
    free((void *)executions.at);
    free((void *)place.at);
    free((void *)payload.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char front[600]; /* a comment */

    if (!size)
        return 0;
    memset(front, '#', sizeof front);
    front[sizeof front - 1] = '\n';
    switch (data[0] % 7) {
    case 0:
        as_file(MMT_MAGIC, MMT_MAGIC_LENGTH, data + 1, size - 1, false, MMU_TRACE_AUTO);
        break;
    case 1:
        as_file(MMT_MAGIC, MMT_MAGIC_LENGTH, data + 1, size - 1, true, MMU_TRACE_AUTO);
        break;
    case 2:
        as_file(front, sizeof front, data + 1, size - 1, false, MMU_TRACE_TEXT);
        break;
    case 3:
        as_block(data + 1, size - 1);
        break;
    case 4:
        as_marks(data + 1, size - 1);
        break;
    case 5:
        as_heads(data + 1, size - 1);
        break;
    case 6:
        as_pieces(data + 1, size - 1);
        break;
    }
    return 0;
}
