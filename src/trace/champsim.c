/*
 * champsim.c: reads ChampSim's traces of instructions: the records of 64 bytes, and those of CloudSuite.
 *
 *     input_instr          64     cloudsuite_instr        96
 *      0   8  ip                   0   8  ip
 *      8   1  is_branch            8   1  is_branch
 *      9   1  branch_taken         9   1  branch_taken
 *     10   2  registers written   10   4  registers written
 *     12   4  registers read      14   4  registers read
 *                                 18   6  padding
 *     16  16  memory written      24  32  memory written
 *     32  32  memory read         56  32  memory read
 *                                 88   2  address space
 *                                 90   6  padding
 *
 * Little-endian; an address of 0 is none. The definition is ChampSim's inc/trace_instruction.h. An
 * instruction is a fetch, then its loads, then its stores in the order of the record; those behind the first
 * datum have MMU_AF_FOLLOWS. CloudSuite's address space makes PROCESS marks. Registers are dropped.
 *
 * The records tell no sizes. An instruction ends where the next one begins if that is 1 to 15 bytes on and
 * the instruction is no taken branch; else it has 4 bytes, about the mean of x86. Data have 8 bytes. Neither
 * of these guesses reaches into a second page, which the program may never have touched.
 *
 * There is no magic number. A file is taken for one of the two when each record in its first bytes has flags
 * of 0 or 1 and canonical addresses.
 */
#include "bits.h"
#include "bytes.h"
#include "error.h"
#include "reader.h"

#include <stdlib.h>

enum { FETCH_SIZE = 4, FETCH_MAX = 15, DATA_SIZE = 8, SOURCES = 4 };

/* MOST: references of one record, and one more that is written and not counted. */
enum { RECORDS = 2048, LARGEST = 96, MOST = 10 };

struct layout {
    unsigned size, destination, source, asid; /* asid 0: none */
    unsigned destinations;
};

static const struct layout plain = {64, 16, 32, 0, 2}, cloudsuite = {LARGEST, 24, 56, 88, 4};

/* at <= end <= sizeof buffer. pending[0..n_pending): references of the latest record, last first. */
struct champsim {
    const struct layout *layout;
    size_t at, end;
    uint64_t offset; /* of buffer[0] in the input */
    bool ended;
    struct mmu_error failed; /* of the input, kept until the whole records are delivered */
    uint32_t asid;
    unsigned n_pending;
    struct mmu_access pending[MOST];
    unsigned char buffer[RECORDS * LARGEST];
};

/* Are the two flags of a record 0 or 1? */
ALWAYS_INLINE bool has_flags(const unsigned char *p)
{
    return !((p[8] | p[9]) & 0xfe);
}

/* Writes the references of the record at p to to[MOST]; returns how many. */
ALWAYS_INLINE size_t decode(const struct layout *l, const unsigned char *p, uint64_t next,
                            struct mmu_access *to)
{
    uint64_t ip = get64(p), length = next - ip;
    size_t n = 1;

    to[0] = (struct mmu_access){.va = ip, .kind = MMU_FETCH};
    to[0].size =
        length - 1 < FETCH_MAX && next > ip && !p[9] ? (uint16_t)length : reader_usual_size(ip, FETCH_SIZE);
    for (unsigned i = 0; i < SOURCES; i++) {
        uint64_t va = get64(p + l->source + 8 * i);
        to[n] = (struct mmu_access){.va = va,
                                    .size = reader_usual_size(va, DATA_SIZE),
                                    .kind = MMU_LOAD,
                                    .flags = n > 1 ? MMU_AF_FOLLOWS : 0};
        n += va != 0;
    }
    for (unsigned i = 0; i < l->destinations; i++) {
        uint64_t va = get64(p + l->destination + 8 * i);
        to[n] = (struct mmu_access){.va = va,
                                    .size = reader_usual_size(va, DATA_SIZE),
                                    .kind = MMU_STORE,
                                    .flags = n > 1 ? MMU_AF_FOLLOWS : 0};
        n += va != 0;
    }
    return n;
}

/* Reads behind what is left. Returns false when nothing came: the end, or a failure. */
static bool refill(struct mmu_trace_reader *r, struct champsim *c)
{
    int64_t got;

    if (c->ended)
        return false;
    INVARIANT(c->at <= c->end && c->end <= sizeof c->buffer);
    memmove(c->buffer, c->buffer + c->at, c->end - c->at);
    c->offset += c->at;
    c->end -= c->at;
    c->at = 0;
    got = input_read(r->input, c->buffer + c->end, sizeof c->buffer - c->end, &c->failed);
    c->end += got > 0 ? (size_t)got : 0;
    c->ended = got <= 0;
    return got > 0;
}

/* Is there a whole record, and the next one's ip unless it is the last? */
ALWAYS_INLINE bool whole(const struct champsim *c, size_t size)
{
    return c->end - c->at >= size + 8 || (c->ended && c->end - c->at >= size);
}

/* The end of the input, which is in order between records. */
static void end(struct mmu_trace_reader *r, const struct champsim *c)
{
    r->failure = c->failed;
    if (c->end > c->at && !c->failed.code)
        err_offset(&r->failure, MMU_ERR_TRUNCATED, r->name, c->offset + c->at,
                   "the trace ends %zu bytes into a record of %u", c->end - c->at, c->layout->size);
}

static void refuse(struct mmu_trace_reader *r, const struct champsim *c)
{
    const unsigned char *p = c->buffer + c->at;
    bool taken = p[8] <= 1;

    err_offset(&r->failure, MMU_ERR_FORMAT, r->name, c->offset + c->at + (taken ? 9 : 8),
               "%s is %u, expected 0 or 1 in a %s record of %u bytes", taken ? "branch_taken" : "is_branch",
               p[taken ? 9 : 8], c->layout == &plain ? "ChampSim" : "CloudSuite", c->layout->size);
}

/* Decodes whole records while there is room for any of them. Returns references. Stops before a record that
 * is not whole, or is none, or is of another address space. */
ALWAYS_INLINE size_t decode_many(struct champsim *c, const struct layout *l, struct mmu_access *to,
                                 size_t room)
{
    size_t got = 0;

    while (room - got >= MOST && whole(c, l->size)) {
        const unsigned char *p = c->buffer + c->at;
        uint64_t next = c->end - c->at >= l->size + 8 ? get64(p + l->size) : get64(p);
        if (UNLIKELY(!has_flags(p)))
            break;
        if (l->asid && UNLIKELY((uint32_t)(p[l->asid] | p[l->asid + 1] << 8) != c->asid))
            break;
        got += decode(l, p, next, to + got);
        c->at += l->size;
    }
    return got;
}

static size_t decode_plain(struct champsim *c, struct mmu_access *to, size_t room)
{
    return decode_many(c, &plain, to, room);
}

static size_t decode_cloudsuite(struct champsim *c, struct mmu_access *to, size_t room)
{
    return decode_many(c, &cloudsuite, to, room);
}

/* What decode_many() stopped before. Returns false when the read ends here: no more room for marks, the end
 * of the trace, a failure. */
static bool go_on(struct mmu_trace_reader *r, struct champsim *c, size_t got)
{
    const unsigned char *p = c->buffer + c->at;

    while (!whole(c, c->layout->size))
        if (!refill(r, c)) {
            if (whole(c, c->layout->size))
                break;
            end(r, c);
            return false;
        }
    p = c->buffer + c->at;
    if (!has_flags(p)) {
        refuse(r, c);
        return false;
    }
    if (c->layout->asid) {
        uint32_t asid = (uint32_t)(p[c->layout->asid] | p[c->layout->asid + 1] << 8);
        if (asid != c->asid) {
            if (reader_full(r))
                return false;
            reader_mark(r, r->position + got, MMU_MARK_PROCESS, asid, NULL);
            c->asid = asid;
        }
    }
    return true;
}

static size_t champsim_read(struct mmu_trace_reader *r, struct mmu_access *to, size_t max)
{
    struct champsim *c = r->state;
    size_t got = 0;

    for (;;) {
        size_t n;
        while (c->n_pending && got < max)
            to[got++] = c->pending[--c->n_pending];
        if (got == max)
            break;
        n = c->layout == &plain ? decode_plain(c, to + got, max - got)
                                : decode_cloudsuite(c, to + got, max - got);
        got += n;
        if (n)
            continue;
        if (!go_on(r, c, got))
            break;
        if (max - got < MOST) {
            struct mmu_access one[MOST];
            n = c->layout == &plain ? decode_plain(c, one, MOST) : decode_cloudsuite(c, one, MOST);
            while (n)
                c->pending[c->n_pending++] = one[--n];
        }
    }
    reader_count(r, to, got);
    return got;
}

static void start(struct champsim *c)
{
    c->at = c->end = 0;
    c->offset = 0;
    c->ended = false;
    memset(&c->failed, 0, sizeof c->failed);
    c->asid = 0;
    c->n_pending = 0;
}

static int open_layout(struct mmu_trace_reader *r, const struct layout *layout, struct mmu_error *err)
{
    struct champsim *c = r->state = malloc(sizeof *c);

    if (!c)
        return err_at(err, MMU_ERR_NOMEM, r->name, 0, 0, "out of memory");
    c->layout = layout;
    start(c);
    r->info.has_fetches = true;
    return MMU_OK;
}

static int champsim_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    return open_layout(r, &plain, err);
}

static int cloudsuite_open(struct mmu_trace_reader *r, struct mmu_error *err)
{
    return open_layout(r, &cloudsuite, err);
}

static int champsim_rewind(struct mmu_trace_reader *r, struct mmu_error *err)
{
    int code = input_rewind(r->input, err);

    if (code)
        return code;
    start(r->state);
    memset(r->info.kinds, 0, sizeof r->info.kinds);
    return MMU_OK;
}

static void champsim_close(struct mmu_trace_reader *r)
{
    free(r->state);
}

static bool canonical(uint64_t va)
{
    return va >> 47 == 0 || va >> 47 == 0x1ffff;
}

static bool plausible(const struct layout *l, const unsigned char *p)
{
    bool all = has_flags(p) && (p[8] || !p[9]) && get64(p) && canonical(get64(p));

    for (unsigned i = 0; i < SOURCES; i++)
        all = all && canonical(get64(p + l->source + 8 * i));
    for (unsigned i = 0; i < l->destinations; i++)
        all = all && canonical(get64(p + l->destination + 8 * i));
    return all;
}

/* Each whole record must be plausible. Straight code, several records, and a length that fits make it surer:
 * they tell the two layouts apart where a short file allows both. */
static unsigned sniff(const struct layout *l, const unsigned char *head, size_t n)
{
    size_t records = n / l->size, straight = 0;

    for (size_t i = 0; i < records; i++) {
        const unsigned char *p = head + i * l->size;
        if (!plausible(l, p))
            return SNIFF_NO;
        if (i && get64(p) - get64(p - l->size) - 1 < FETCH_MAX)
            straight++;
    }
    if (!records)
        return SNIFF_NO;
    return SNIFF_POSSIBLE + (records > 3 ? 10u : 0u) + (n < 4096 && n % l->size == 0 ? 5u : 0u) +
           (unsigned)(10 * straight / records);
}

static unsigned champsim_sniff(const unsigned char *head, size_t n, const char *name)
{
    (void)name;
    return sniff(&plain, head, n);
}

static unsigned cloudsuite_sniff(const unsigned char *head, size_t n, const char *name)
{
    (void)name;
    return sniff(&cloudsuite, head, n);
}

const struct reader_ops champsim_reader_ops = {.sniff = champsim_sniff,
                                               .open = champsim_open,
                                               .close = champsim_close,
                                               .read = champsim_read,
                                               .rewind = champsim_rewind};
const struct reader_ops cloudsuite_reader_ops = {.sniff = cloudsuite_sniff,
                                                 .open = cloudsuite_open,
                                                 .close = champsim_close,
                                                 .read = champsim_read,
                                                 .rewind = champsim_rewind};
