/*
 * drmemtrace.c: the entries of one file of DynamoRIO's, decoded. See drmemtrace.h.
 *
 * The common entries, which are instructions, data and encodings, are done in one loop; whatever else there
 * is ends that loop and is done singly.
 */
#include "drmemtrace.h"

#include "bits.h"
#include "bytes.h"
#include "error.h"

#include <inttypes.h>
#include <stdio.h>

enum { PAGE = 4096, NANOSECONDS = 1000 };

/*
 * What take_many() does with a type. The low byte has bits; above it stand the counts that it adds to, so
 * that one sum keeps all three: 18 bits for each, of a buffer's entries. OTHER: take_many() stops.
 */
enum { FETCH = 1, DATUM = 2, STORE = 4, PASSED = 8, ENCODING = 16, OTHER = 32 };
enum { COUNT_FETCHES = 8, COUNT_STORES = 26, COUNT_PASSED = 44, COUNT_BITS = 18 };

#define D DATUM
#define W (DATUM | STORE | UINT64_C(1) << COUNT_STORES)
#define I (FETCH | UINT64_C(1) << COUNT_FETCHES)
#define P (PASSED | UINT64_C(1) << COUNT_PASSED)
#define E ENCODING
#define O OTHER
static const uint64_t classes[DRM_TYPES + 1] = {
    D, W, P, P, P, P, P, P, P, P, /* 0 */
    I, I, I, I, I, I, I, O, P, P, /* 10 */
    P, P, O, O, O, O, O, P, O, O, /* 20 */
    O, I, P, P, P, P, P, P, P, P, /* 30 */
    P, P, P, P, P, P, P, E, I, I, /* 40 */
    O                             /* and beyond */
};
#undef D
#undef W
#undef I
#undef P
#undef E
#undef O

ALWAYS_INLINE uint64_t class_of(unsigned type)
{
    return classes[type < DRM_TYPES ? type : DRM_TYPES];
}

static unsigned type_of(const unsigned char *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static unsigned size_of(const unsigned char *p)
{
    return p[2] | (unsigned)p[3] << 8;
}

static uint64_t value_of(const unsigned char *p)
{
    return get64(p + 4);
}

void drm_start(struct drm_stream *s, struct input *input)
{
    memset(s, 0, offsetof(struct drm_stream, buffer));
    s->input = input;
    s->entry = DRM_ENTRY;
}

/* Entries of 8 bytes, n bytes at `narrow`, to ones of 12 at `wide`, from the last to the first: both may lie
 * in one buffer. What is no whole entry stays what it is. Returns the bytes at wide. */
static size_t widen(unsigned char *wide, const unsigned char *narrow, size_t n)
{
    const size_t entries = n / DRM_NARROW, rest = n % DRM_NARROW;

    memmove(wide + entries * DRM_ENTRY, narrow + entries * DRM_NARROW, rest);
    for (size_t i = entries; i-- > 0;) {
        memmove(wide + i * DRM_ENTRY, narrow + i * DRM_NARROW, DRM_NARROW);
        memset(wide + i * DRM_ENTRY + DRM_NARROW, 0, DRM_ENTRY - DRM_NARROW);
    }
    return entries * DRM_ENTRY + rest;
}

/* Reads behind what is left, if there is room. Returns false when nothing came. */
static bool refill(struct drm_stream *s)
{
    size_t room;
    int64_t got;

    if (s->ended || s->end - s->at == DRM_BUFFER)
        return false;
    INVARIANT(s->at <= s->end && s->end <= DRM_BUFFER && s->at % DRM_ENTRY == 0);
    memmove(s->buffer, s->buffer + s->at, s->end - s->at);
    s->offset += s->at / DRM_ENTRY * s->entry;
    s->end -= s->at;
    s->at = 0;
    room = s->entry == DRM_ENTRY ? DRM_BUFFER - s->end : (DRM_BUFFER - s->end) / DRM_ENTRY * DRM_NARROW;
    got = room ? input_read(s->input, s->buffer + s->end, room, &s->failed) : 0;
    if (got > 0)
        s->end +=
            s->entry == DRM_ENTRY ? (size_t)got : widen(s->buffer + s->end, s->buffer + s->end, (size_t)got);
    s->ended = got <= 0 || (s->entry != DRM_ENTRY && s->end % DRM_ENTRY);
    return got > 0;
}

/* Where the entry at s->at lies in the input. */
static uint64_t place(const struct drm_stream *s)
{
    return s->offset + s->at / DRM_ENTRY * s->entry;
}

/* ---- the header ---- */

bool drm_is(const unsigned char *head, size_t n)
{
    return drm_is_narrow(head, n) || (n >= DRM_ENTRY && type_of(head) == DRM_HEADER && !size_of(head) &&
                                      value_of(head) >= 1 && value_of(head) < 256);
}

/* A 64-bit header's version has zeros where a 32-bit trace's second entry begins with its type. */
bool drm_is_narrow(const unsigned char *head, size_t n)
{
    return n >= 2 * DRM_NARROW && type_of(head) == DRM_HEADER && !size_of(head) && get32(head + 4) >= 1 &&
           get32(head + 4) < 256 && type_of(head + DRM_NARROW) && type_of(head + DRM_NARROW) < DRM_TYPES;
}

/* Takes a marker of the header. */
static void note(struct drm_header *header, const unsigned char *p)
{
    if (size_of(p) == DRM_VERSION)
        header->version = value_of(p);
    else if (size_of(p) == DRM_FILETYPE)
        header->filetype = value_of(p);
}

int drm_look(struct drm_stream *s, struct drm_header *header, struct mmu_error *err)
{
    const char *name = input_name(s->input);
    const unsigned char *p = s->buffer;
    int64_t got;

    got = input_read(s->input, s->buffer, 2 * DRM_NARROW, &s->failed);
    s->end = got > 0 ? (size_t)got : 0;
    s->ended = got <= 0;
    if (drm_is_narrow(s->buffer, s->end)) {
        s->entry = DRM_NARROW;
        s->end = widen(s->buffer, s->buffer, s->end);
    }
    while (refill(s))
        ;
    if (s->end < DRM_ENTRY && s->failed.code) {
        if (err)
            *err = s->failed;
        return s->failed.code;
    }
    if (!drm_is(p, s->end))
        return err_offset(err, MMU_ERR_FORMAT, name, 0,
                          "no header entry of DynamoRIO's final traces (type 25, size 0, a version)");
    *header = (struct drm_header){.version = value_of(p)};
    for (p += DRM_ENTRY; p + DRM_ENTRY <= s->buffer + s->end; p += DRM_ENTRY) {
        if (type_of(p) == DRM_MARKER && size_of(p) == DRM_TIMESTAMP) {
            s->has_time = true;
            s->time = value_of(p);
            break;
        }
        if (type_of(p) == DRM_MARKER)
            note(header, p);
        else if (type_of(p) != DRM_THREAD && type_of(p) != DRM_PID)
            break;
    }
    if (header->version > DRM_VERSIONS)
        return err_offset(err, MMU_ERR_UNSUPPORTED, name, 4,
                          "version %" PRIu64 " of DynamoRIO's traces, expected 1 to %d", header->version,
                          DRM_VERSIONS);
    return MMU_OK;
}

/* ---- marks ---- */

/* Tells r, unless it knows, and remembers for drm_resume(). */
static void tell(struct mmu_trace_reader *r, struct drm_stream *s, uint64_t at, enum mmu_mark_kind kind,
                 uint64_t value)
{
    s->told.told |= 1u << kind;
    s->told.value[kind] = value;
    reader_mark_change(r, at, kind, value);
}

static uint64_t since(uint64_t base, uint64_t time)
{
    uint64_t passed = time > base ? time - base : 0;

    return passed < UINT64_MAX / NANOSECONDS ? passed * NANOSECONDS : UINT64_MAX;
}

void drm_resume(struct mmu_trace_reader *r, const struct drm_stream *s, size_t got, uint64_t base)
{
    for (int kind = 0; kind < MMU_MARK_TIME; kind++)
        if (s->told.told >> kind & 1)
            reader_mark_change(r, r->position + got, (enum mmu_mark_kind)kind, s->told.value[kind]);
    if (s->begun && s->has_time)
        reader_mark_change(r, r->position + got, MMU_MARK_TIME, since(base, s->time));
}

/* Markers that become an EVENT: its name, and how its value is written behind it. enter, leave: bits of
 * s->kernel. */
static const struct event {
    uint16_t marker;
    char form; /* 'x' hexadecimal, 'u' decimal, 0: without */
    uint8_t enter, leave;
    const char *name;
} events[] = {
    {DRM_KERNEL_EVENT, 'x', 0, 0, "kernel-event"}, {DRM_KERNEL_XFER, 'x', 0, 0, "kernel-xfer"},
    {DRM_PAGE_SIZE, 'u', 0, 0, "page-size"},       {DRM_SYSCALL, 'u', 0, 0, "syscall"},
    {DRM_SYSCALL_ENTER, 0, 1, 0, "kernel-enter"},  {DRM_SYSCALL_EXIT, 0, 0, 1, "kernel-exit"},
    {DRM_SWITCH_ENTER, 0, 0, 0, "context-switch"}, {DRM_SWITCH_ENTER, 0, 2, 0, "kernel-enter"},
    {DRM_SWITCH_EXIT, 0, 0, 2, "kernel-exit"},
};

static void give_event(struct mmu_trace_reader *r, struct drm_stream *s, uint64_t at, const struct event *e,
                       uint64_t value)
{
    char text[64];

    snprintf(text, sizeof text,
             e->form == 'x' ? "%s 0x%" PRIx64
             : e->form      ? "%s %" PRIu64
                            : "%s",
             e->name, value);
    reader_mark(r, at, MMU_MARK_EVENT, 0, text);
    s->kernel = (s->kernel | e->enter) & ~(unsigned)e->leave;
}

/* A marker that is no timestamp. */
static void take_marker(struct mmu_trace_reader *r, struct drm_stream *s, uint64_t at, unsigned marker,
                        uint64_t value)
{
    bool is_event = false;

    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (events[i].marker == marker) {
            give_event(r, s, at, &events[i], value);
            is_event = true;
        }
    if (is_event)
        return;
    switch (marker) {
    case DRM_CPU_ID: /* the node stands above; all ones: it is not known */
        if ((uint32_t)value != UINT32_MAX)
            tell(r, s, at, MMU_MARK_CPU, value & 0xfff);
        break;
    case DRM_VERSION:
    case DRM_FILETYPE:
    case DRM_CACHE_LINE:
    case DRM_CHUNK_INSTRUCTIONS:
    case DRM_CHUNK_FOOTER:
    case DRM_RECORD_ORDINAL:
    case DRM_BRANCH_TARGET: /* parts of a header or of the next instruction */
        break;
    default:
        r->info.skipped++;
    }
}

/* ---- references ---- */

ALWAYS_INLINE uint8_t kind_of(const struct drm_stream *s, enum mmu_kind kind)
{
    return MMU_KIND_PRIV(kind, s->kernel || s->high ? MMU_SUPERVISOR : MMU_USER);
}

/* A reference without a gap, in two stores. kind: MMU_FETCH, LOAD, STORE and the privilege, as sums of bits.
 */
ALWAYS_INLINE void put_access(struct mmu_access *a, uint64_t va, uint64_t size, uint64_t kind, uint64_t flags)
{
    const uint64_t words[2] = {va, size << 32 | kind << 48 | flags << 56};

    _Static_assert(MMU_FETCH == 0 && MMU_LOAD == 1 && MMU_STORE == 2 && MMU_AF_FOLLOWS == 1, "sums of bits");
    _Static_assert(sizeof *a == sizeof words && offsetof(struct mmu_access, size) == 12 &&
                       offsetof(struct mmu_access, kind) == 14 && offsetof(struct mmu_access, flags) == 15,
                   "the words are the struct");
    memcpy(a, words, sizeof words);
}

/* What take_many() took: n references, and its counts. */
static void count(struct mmu_trace_reader *r, size_t n, uint64_t counts)
{
    const uint64_t mask = (1u << COUNT_BITS) - 1;
    uint64_t fetches = counts >> COUNT_FETCHES & mask, stores = counts >> COUNT_STORES & mask;

    _Static_assert(DRM_BUFFER / DRM_ENTRY < 1 << COUNT_BITS, "a buffer's entries can be counted");
    r->info.kinds[MMU_FETCH] += fetches;
    r->info.kinds[MMU_STORE] += stores;
    r->info.kinds[MMU_LOAD] += n - fetches - stores;
    r->info.skipped += counts >> COUNT_PASSED;
}

/*
 * Data, instructions and what is passed over, until something else comes, or the room or the buffer ends.
 * Without branches on the type, whose sequence no processor foresees: each entry is written as if it were a
 * reference, and the next one over it if it was none.
 */
static size_t take_many(struct mmu_trace_reader *r, struct drm_stream *s, struct mmu_access *to, size_t max)
{
    const unsigned char *p = s->buffer + s->at, *end = s->buffer + s->end - (DRM_ENTRY - 1), *latest = NULL;
    const uint64_t kernel = s->kernel != 0;
    struct mmu_access *out = to, *last = to + max;
    uint64_t high = s->high, follows = s->follows, counts = 0;

    for (; p < end && out < last; p += DRM_ENTRY) {
        const uint64_t size = size_of(p), va = value_of(p), class = class_of(type_of(p));

        if (UNLIKELY((class & OTHER) | (size - 1 > PAGE - 1) | (va + (size - 1) < va)))
            break;
        const uint64_t fetch = class & FETCH, datum = class >> 1 & 1, store = class >> 2 & 1;
        const uint64_t is_fetch = -fetch; /* all bits, or none */
        high = (high & ~is_fetch) | (va >> 63 & is_fetch);
        latest = (const unsigned char *)(((uintptr_t)latest & ~is_fetch) | ((uintptr_t)p & is_fetch));
        put_access(out, va, size, datum + store + ((kernel | high) << 4), datum & follows);
        follows = (follows & ~is_fetch) | datum;
        out += fetch | datum;
        counts += class & ~UINT64_C(0xff);
    }
    if (latest) {
        s->ip = value_of(latest);
        s->next_ip = s->ip + size_of(latest);
        s->has_ip = true;
    }
    s->high = high;
    s->follows = follows;
    s->at = (size_t)(p - s->buffer);
    count(r, (size_t)(out - to), counts);
    return (size_t)(out - to);
}

/* What is left of a datum of many pages: a reference for each page. */
static size_t take_rest(struct drm_stream *s, struct mmu_access *to, size_t max)
{
    size_t got = 0;

    for (; s->rest_bytes && got < max; got++) {
        uint32_t on_page = PAGE - (uint32_t)(s->rest.va % PAGE),
                 now = s->rest_bytes < on_page ? s->rest_bytes : on_page;
        to[got] = s->rest;
        to[got].size = (uint16_t)now;
        s->rest.va += now;
        s->rest_bytes -= now;
        s->rest.flags = MMU_AF_FOLLOWS;
    }
    return got;
}

static int refuse(struct mmu_trace_reader *r, const struct drm_stream *s, const char *found, uint64_t number,
                  const char *expected)
{
    return err_offset(&r->failure, MMU_ERR_FORMAT, input_name(s->input), place(s),
                      "%s %" PRIu64 ", expected %s", found, number, expected);
}

/* The instructions of a bundle. Returns references; the entry is done when s->bundle is 0. */
static size_t take_bundle(struct mmu_trace_reader *r, struct drm_stream *s, struct mmu_access *to, size_t max)
{
    const unsigned char *p = s->buffer + s->at;
    unsigned count = size_of(p);
    size_t got = 0;

    if (!s->has_ip || count < 1 || count > 8) {
        refuse(r, s, "a bundle of instructions:", count, "1 to 8, behind an instruction");
        return 0;
    }
    for (; s->bundle < count && got < max; s->bundle++) {
        unsigned size = p[4 + s->bundle];
        if (!size || s->next_ip + (size - 1) < s->next_ip) {
            refuse(r, s, "an instruction in a bundle, of bytes:", size, "at least 1, and an end below 2^64");
            return got;
        }
        to[got++] =
            (struct mmu_access){.va = s->next_ip, .size = (uint16_t)size, .kind = kind_of(s, MMU_FETCH)};
        s->ip = s->next_ip;
        s->next_ip += size;
        s->follows = false;
    }
    if (s->bundle == count)
        s->bundle = 0;
    return got;
}

/* An entry of a common type that take_many() does not take. Returns false on a failure. */
static bool take_odd(struct mmu_trace_reader *r, struct drm_stream *s, unsigned class)
{
    const unsigned char *p = s->buffer + s->at;
    unsigned size = size_of(p), bytes = size ? size : 1; /* of a datum */
    uint64_t va = value_of(p);

    if (class == ENCODING || class == PASSED) {
        r->info.skipped += class == PASSED;
        return true;
    }
    if (class == FETCH && !size) { /* only tells where the next data come from */
        s->high = va >> 63;
        s->follows = false;
        r->info.skipped++;
        return true;
    }
    if (class == FETCH && size > PAGE)
        return refuse(r, s, "an instruction of bytes:", size, "at most 4096") == 0;
    if (va + (bytes - 1) < va)
        return refuse(r, s, "a reference that ends beyond 2^64, of bytes:", size, "less") == 0;
    s->rest = (struct mmu_access){.va = va,
                                  .kind = kind_of(s, type_of(p) == DRM_READ ? MMU_LOAD : MMU_STORE),
                                  .flags = s->follows ? MMU_AF_FOLLOWS : 0};
    s->rest_bytes = bytes;
    s->follows = true;
    return true;
}

/* An instruction that may not be fetched again. Returns references, 0 or 1. */
static size_t take_repeated(struct mmu_trace_reader *r, struct drm_stream *s, struct mmu_access *to)
{
    const unsigned char *p = s->buffer + s->at;
    unsigned size = size_of(p);
    uint64_t va = value_of(p);

    s->high = va >> 63;
    s->follows = false;
    if (type_of(p) == DRM_NO_FETCH || (s->has_ip && s->ip == va) || !size) {
        r->info.skipped++;
        return 0;
    }
    if (size > PAGE || va + (size - 1) < va) {
        refuse(r, s, "an instruction of bytes:", size, "at most 4096, and an end below 2^64");
        return 0;
    }
    *to = (struct mmu_access){.va = va, .size = (uint16_t)size, .kind = kind_of(s, MMU_FETCH)};
    s->ip = va;
    s->next_ip = va + size;
    s->has_ip = true;
    return 1;
}

/* ---- the rest ---- */

/* An entry that gives marks or nothing. Returns false when the read ends here: *stop, or r->failure. */
static bool take_other(struct mmu_trace_reader *r, struct drm_stream *s, uint64_t at, uint64_t base,
                       uint64_t until, enum drm_stop *stop)
{
    const unsigned char *p = s->buffer + s->at;
    uint64_t value = value_of(p);

    switch (type_of(p)) {
    case DRM_THREAD:
        tell(r, s, at, MMU_MARK_THREAD, value);
        break;
    case DRM_PID:
        tell(r, s, at, MMU_MARK_PROCESS, value);
        break;
    case DRM_THREAD_EXIT:
        reader_mark(r, at, MMU_MARK_EVENT, 0, "exit");
        break;
    case DRM_HEADER:
        if (s->begun)
            return refuse(r, s, "a header in the middle, version", value, "an entry of another type") == 0;
        s->begun = true;
        break;
    case DRM_FOOTER:
        s->footer = true;
        break;
    case DRM_MARKER:
        if (size_of(p) != DRM_TIMESTAMP) {
            take_marker(r, s, at, size_of(p), value);
            break;
        }
        s->time = value;
        s->has_time = true;
        if (s->time > until) {
            *stop = DRM_TIME;
            return false;
        }
        reader_mark_change(r, at, MMU_MARK_TIME, since(base, s->time));
        break;
    default:
        return refuse(r, s, "an entry of type", type_of(p), "0 to 49") == 0;
    }
    return true;
}

/* Is there a whole entry? If not: the end, said in r->failure if it is none that can be. */
static bool has_entry(struct mmu_trace_reader *r, struct drm_stream *s)
{
    size_t left;

    while ((left = s->end - s->at) < DRM_ENTRY && refill(s))
        ;
    if (s->footer && left && !r->failure.code)
        err_offset(&r->failure, MMU_ERR_FORMAT, input_name(s->input), place(s),
                   "something follows the footer entry, expected the end");
    if (left >= DRM_ENTRY)
        return !s->footer;
    if (!r->failure.code)
        r->failure = s->failed;
    if (s->footer)
        return false;
    if (!s->failed.code && left)
        err_offset(&r->failure, MMU_ERR_TRUNCATED, input_name(s->input), place(s),
                   "the trace ends %zu bytes into an entry of %u", left, s->entry);
    else if (!s->failed.code)
        err_offset(&r->failure, MMU_ERR_TRUNCATED, input_name(s->input), place(s),
                   "the trace ends without a footer entry");
    return false;
}

/* One entry that take_many() stopped at. Returns references; false in *on: the read ends here. */
static size_t take_one(struct mmu_trace_reader *r, struct drm_stream *s, struct mmu_access *to, size_t max,
                       uint64_t at, uint64_t base, uint64_t until, enum drm_stop *stop, bool *on)
{
    unsigned type = type_of(s->buffer + s->at);
    unsigned class = class_of(type) & 0xff;
    size_t got = 0;

    if (class != OTHER) {
        *on = take_odd(r, s, class);
    } else if (type == DRM_BUNDLE) {
        got = take_bundle(r, s, to, max);
        *on = !r->failure.code && !s->bundle;
    } else if (type == DRM_NO_FETCH || type == DRM_MAYBE_FETCH) {
        got = take_repeated(r, s, to);
        *on = !r->failure.code;
    } else {
        *on = !reader_full(r) && take_other(r, s, at, base, until, stop);
    }
    if (*on || *stop == DRM_TIME)
        s->at += DRM_ENTRY;
    got += take_rest(s, to + got, max - got);
    reader_count(r, to, got);
    return got;
}

size_t drm_read(struct mmu_trace_reader *r, struct drm_stream *s, struct mmu_access *to, size_t max,
                size_t before, uint64_t base, uint64_t until, enum drm_stop *stop)
{
    size_t got = take_rest(s, to, max);
    bool on = true;

    reader_count(r, to, got);
    *stop = DRM_ROOM;
    while (got < max && on) {
        if (!has_entry(r, s)) {
            *stop = DRM_END;
            break;
        }
        got += take_many(r, s, to + got, max - got);
        if (got < max && s->end - s->at >= DRM_ENTRY)
            got += take_one(r, s, to + got, max - got, r->position + before + got, base, until, stop, &on);
    }
    if (r->failure.code)
        *stop = DRM_END;
    r->info.has_fetches = r->info.kinds[MMU_FETCH] > 0;
    return got;
}
