/*
 * sim/record_words.c: words of the plugin become references and marks (see record_shared.h).
 *
 * A block's word stands for the fetches of all its instructions; a load or store comes behind the fetch of
 * the instruction that does it. Pieces that QEMU makes of one access become one again; a load and a store of
 * the same bytes by one instruction are a read-modify-write. Nothing that the memory shared with the program
 * holds is believed: a program gone wild may have written there.
 */
#include "record.h"
#include "record_maps.h"
#include "record_shape.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BUFFER = 4096 };
#define BLOCKS (RECORD_CODE_BYTES / RECORD_CODE_UNIT) /* numbers that blocks can have */
#define THREAD UINT64_C(0x10000)                      /* of clone's flags: CLONE_THREAD */

/* A thread of the program, between two of its words. */
struct thread {
    uint64_t process; /* its id, and above that how often it became another program: another address space */
    uint32_t tid;
    bool is_i386;
    const struct record_code *code; /* the block that runs; NULL: none */
    unsigned insns, next;           /* its instructions; the next one to fetch */
    mmu_va pc;                      /* of that one */
    bool is_locked, in_pieces;      /* the instruction fetched last */
    bool has_data;                  /* data waits for its next piece */
    bool wrote;                     /* something, once */
    bool has_load;                  /* load is what this instruction loaded */
    struct mmu_access data, load;
    uint64_t call[1 + RECORD_CALL_ARGUMENTS]; /* the system call that it is in */
};

struct record_words {
    struct record_shared *shared;
    struct record_sink *sink;
    struct record_maps *maps;
    uint64_t base; /* of the slab's process */
    struct thread *thread;
    size_t threads, room, current;
    size_t n;
    struct mmu_access buffer[BUFFER];

    /* By a block's number: what it always does, or hopeless: it cannot be written by its executions. Of most
     * numbers nothing is ever touched. */
    struct shape **shape, *hopeless;
};

/* The trace's writer takes the plugin's words as they are. */
_Static_assert((int)RECORD_DATA == MMU_CODE_DATA && (int)RECORD_BLOCK == MMU_CODE_BEGIN &&
                   RECORD_TYPE_SHIFT == MMU_CODE_TYPE_SHIFT &&
                   (int)RECORD_ADDRESS_BITS == MMU_CODE_TAG_SHIFT && BLOCKS <= MMU_CODES,
               "words are those of mmu_trace_write_code()");

/* ---- references ---- */

static void flush(struct record_words *w)
{
    if (w->n)
        record_sink_write(w->sink, w->buffer, w->n);
    w->n = 0;
}

static inline void put(struct record_words *w, const struct mmu_access *a)
{
    if (w->n == BUFFER)
        flush(w);
    w->buffer[w->n++] = *a;
}

static void put_data(struct record_words *w, struct thread *t)
{
    if (!t->has_data)
        return;
    t->has_data = false;
    if (t->data.kind == MMU_LOAD) {
        t->load = t->data;
        t->has_load = true;
    } else {
        bool same = t->has_load && t->load.va == t->data.va && t->load.size == t->data.size;
        if (!same && t->is_locked) {
            t->load = t->data;
            t->load.kind = MMU_LOAD;
            put(w, &t->load);
        }
        t->data.flags = same || t->is_locked ? MMU_AF_FOLLOWS : 0;
        t->has_load = false;
    }
    put(w, &t->data);
}

/* Fetches up to instruction `last`. */
static void fetch(struct record_words *w, struct thread *t, unsigned last)
{
    put_data(w, t);
    for (; t->next <= last && t->next < t->insns; t->next++) {
        uint8_t insn = t->code->insn[t->next];
        struct mmu_access a = {.va = t->pc, .size = insn & RECORD_INSN_BYTES, .kind = MMU_FETCH};
        t->pc += a.size;
        t->in_pieces = insn & RECORD_INSN_PIECES;
        t->is_locked = insn & RECORD_INSN_LOCKED;
        put(w, &a);
    }
    t->has_load = false;
}

static void take_block(struct record_words *w, struct thread *t, uint64_t word)
{
    uint64_t at = (word & ((UINT64_C(1) << RECORD_ADDRESS_BITS) - 1)) * RECORD_CODE_UNIT;
    if (t->code)
        fetch(w, t, t->insns);
    t->code = NULL;
    if (at + sizeof *t->code + RECORD_BLOCK_INSNS > RECORD_CODE_BYTES)
        return; /* no block */
    t->code = (const struct record_code *)(w->shared->code + at);
    t->insns = t->code->insns <= RECORD_BLOCK_INSNS ? t->code->insns : 0;
    t->next = 0;
    t->pc = t->code->va;
}

/* The first thing that a program stores is on its stack. */
static void note_store(struct record_words *w, struct thread *t, uint64_t word)
{
    if (t->wrote || !(word & RECORD_STORE))
        return;
    t->wrote = true;
    record_maps_stack(w->maps, t->process, shape_va(word));
}

static void take_data(struct record_words *w, struct thread *t, uint64_t word)
{
    unsigned insn = word >> RECORD_INSN_SHIFT & (RECORD_BLOCK_INSNS - 1);
    uint16_t size = (uint16_t)((1u << (word >> RECORD_SIZE_SHIFT & 7)) / 2);
    uint8_t kind = word & RECORD_STORE ? MMU_STORE : MMU_LOAD;
    mmu_va va = shape_va(word);
    if (!t->code || !size)
        return;
    if (insn >= t->next)
        fetch(w, t, insn);
    else if (t->has_data && t->in_pieces && t->data.kind == kind && t->data.va + t->data.size == va) {
        t->data.size = (uint16_t)(t->data.size + size);
        return;
    }
    put_data(w, t);
    t->has_data = true;
    t->data = (struct mmu_access){.va = va, .size = size, .kind = kind};
    note_store(w, t, word);
}

/* ---- threads ---- */

static struct thread *find_thread(struct record_words *w, const struct record_slab *slab)
{
    struct thread *t = w->thread;
    uint64_t process = slab->pid | (uint64_t)slab->image << 32;
    if (w->current < w->threads && t[w->current].tid == slab->tid && t[w->current].process == process)
        return &t[w->current];
    for (size_t i = 0; i < w->threads; i++)
        if (t[i].tid == slab->tid && t[i].process == process) {
            w->current = i;
            return &t[i];
        }
    if (w->threads == w->room) {
        size_t room = w->room ? 2 * w->room : 16;
        if (!(t = realloc(t, room * sizeof *t)))
            return NULL;
        w->thread = t;
        w->room = room;
    }
    w->current = w->threads++;
    w->thread[w->current] = (struct thread){.process = process, .tid = slab->tid, .is_i386 = slab->is_i386};
    return &w->thread[w->current];
}

/* ---- system calls ---- */

enum call {
    CALL_OTHER,
    CALL_MMAP,
    CALL_OLD_MMAP,
    CALL_MPROTECT,
    CALL_MUNMAP,
    CALL_BRK,
    CALL_MREMAP,
    CALL_FORK,
    CALL_CLONE,
    CALL_EXIT,
    CALL_WRITE
};

static const struct {
    int16_t x86_64, i386; /* numbers; -1: none */
    uint8_t call;
} CALLS[] = {{9, -1, CALL_MMAP},    {-1, 192, CALL_MMAP},  {-1, 90, CALL_OLD_MMAP}, {10, 125, CALL_MPROTECT},
             {11, 91, CALL_MUNMAP}, {12, 45, CALL_BRK},    {25, 163, CALL_MREMAP},  {57, 2, CALL_FORK},
             {58, 190, CALL_FORK},  {56, 120, CALL_CLONE}, {60, 1, CALL_EXIT},      {231, 252, CALL_EXIT},
             {1, 4, CALL_WRITE},    {20, 146, CALL_WRITE}};

static enum call what_call(const struct thread *t, uint64_t number)
{
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
        if ((t->is_i386 ? CALLS[i].i386 : CALLS[i].x86_64) == (int)number)
            return CALLS[i].call;
    return CALL_OTHER;
}

static void take_call(struct record_words *w, struct thread *t, const uint64_t *words)
{
    if (t->code)
        fetch(w, t, t->insns);
    flush(w);
    memcpy(t->call, words, sizeof t->call);
    uint64_t number = words[0] & 0xffff;
    record_sink_event(w->sink, "syscall %" PRIu64, number);
    enum call what = what_call(t, number);
    if (what == CALL_EXIT)
        record_sink_event(w->sink, "exit");
    if (what == CALL_WRITE && words[1] <= 2)
        w->sink->spoke[words[1]] = true;
}

static void take_return(struct record_words *w, struct thread *t, uint64_t number, uint64_t result)
{
    const uint64_t *a = t->call;
    bool failed = t->is_i386 ? (uint32_t)result >= -4095u : result >= (uint64_t)-4095;
    if (t->is_i386)
        result = (uint32_t)result;
    if (failed || (a[0] & 0xffff) != number)
        return;
    flush(w);
    switch (what_call(t, number)) {
    case CALL_MMAP:
        record_maps_add(w->maps, t->process, result, a[2], (unsigned)a[3]);
        record_sink_event(w->sink, "mmap 0x%" PRIx64 " 0x%" PRIx64 " %" PRIu64 " 0x%" PRIx64, result, a[2],
                          a[3], a[4]);
        break;
    case CALL_OLD_MMAP: /* its arguments are in memory */
        record_sink_event(w->sink, "old-mmap 0x%" PRIx64, result);
        break;
    case CALL_MPROTECT:
        record_maps_protect(w->maps, t->process, a[1], a[2], (unsigned)a[3]);
        record_sink_event(w->sink, "mprotect 0x%" PRIx64 " 0x%" PRIx64 " %" PRIu64, a[1], a[2], a[3]);
        break;
    case CALL_MUNMAP:
        record_sink_event(w->sink, "munmap 0x%" PRIx64 " 0x%" PRIx64, a[1], a[2]);
        break;
    case CALL_BRK:
        record_maps_brk(w->maps, t->process, result);
        record_sink_event(w->sink, "brk 0x%" PRIx64, result);
        break;
    case CALL_MREMAP:
        record_maps_add(w->maps, t->process, result, a[3], 3);
        record_sink_event(w->sink, "mremap 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64, a[1], a[2],
                          result, a[3]);
        break;
    case CALL_CLONE:
    case CALL_FORK:
        if (result && !(what_call(t, number) == CALL_CLONE && a[1] & THREAD))
            record_sink_event(w->sink, "fork %" PRIu64, result);
        break;
    case CALL_EXIT:
    case CALL_WRITE:
    case CALL_OTHER:
        break;
    }
}

/* ---- blocks that did the same before ---- */

/* Data words in a row. */
static size_t count_data(const uint64_t *words, size_t n)
{
    size_t i = 0;
    while (i < n && RECORD_TYPE(words[i]) == RECORD_DATA)
        i++;
    return i;
}

/* Learns what a block does from the n words behind its own. */
static struct shape *learn(struct record_words *w, struct thread *t, uint64_t number, const uint64_t *words,
                           size_t n)
{
    const struct record_code *code =
        (const struct record_code *)(w->shared->code + number * RECORD_CODE_UNIT);
    struct shape *s = NULL;
    for (size_t i = 0; i < n && !t->wrote; i++)
        note_store(w, t, words[i]);
    if (number * RECORD_CODE_UNIT + sizeof *code + RECORD_BLOCK_INSNS <= RECORD_CODE_BYTES)
        s = shape_learn(w->sink->writer, (uint32_t)number, code, words, n);
    return w->shape[number] = s ? s : w->hopeless;
}

/* Passes over a block that lies before the window, if it does what it did the first time. Returns how many
 * words of n. */
static size_t pass(struct record_words *w, const struct shape *s, const uint64_t *words, size_t n)
{
    size_t used = (size_t)s->n_words + 1;
    return used < n && RECORD_TYPE(words[used]) != RECORD_DATA && shape_fits(s, words + 1) &&
                   record_sink_pass(w->sink, s->references)
               ? used
               : 0;
}

/*
 * A block's word, n words from the slab's end. Takes this block and those behind it at once as long as they
 * do what they did the first time, and returns how many words. The slab's last block may have more data in
 * the next one.
 */
static size_t take_known(struct record_words *w, struct thread *t, const uint64_t *words, size_t n)
{
    uint64_t number = words[0] & (BLOCKS - 1);
    struct shape *s = w->shape[number];
    if (!s) {
        size_t data = count_data(words + 1, n - 1);
        if (data + 1 == n)
            return 0;
        s = learn(w, t, number, words + 1, data);
    }
    if (s == w->hopeless)
        return 0;
    if (t->code) { /* the end of a block that was taken word by word */
        fetch(w, t, t->insns);
        t->code = NULL;
    }
    flush(w);
    return record_sink_is_open(w->sink) ? record_sink_code(w->sink, words, n) : pass(w, s, words, n);
}

/* ---- slabs ---- */

/* Words that belong together, from the first one. */
static size_t length_of(uint64_t word)
{
    switch (RECORD_TYPE(word)) {
    case RECORD_CALL:
        return 1 + RECORD_CALL_ARGUMENTS;
    case RECORD_RETURN:
        return 2;
    case RECORD_MAPS:
        return 1 + ((uint32_t)word + sizeof word - 1) / sizeof word;
    default:
        return 1;
    }
}

/* Takes the words that belong together, from the first of n on, and returns how many; 0: a process was killed
 * while it wrote, and there are no more. */
static size_t take(struct record_words *w, struct thread *t, const uint64_t *words, size_t n)
{
    size_t length = length_of(*words), known;
    if (RECORD_TYPE(*words) == RECORD_END || length > n)
        return 0;
    if (record_sink_full(w->sink) && length == 1)
        return length; /* of what is left only the maps count */
    switch (RECORD_TYPE(*words)) {
    case RECORD_BLOCK:
        known = take_known(w, t, words, n);
        if (known)
            return known;
        take_block(w, t, *words);
        break;
    case RECORD_DATA:
        take_data(w, t, *words);
        break;
    case RECORD_CALL:
        take_call(w, t, words);
        break;
    case RECORD_RETURN:
        take_return(w, t, words[0] & 0xffff, words[1]);
        break;
    case RECORD_MAPS:
        record_maps_text(w->maps, t->process, (const char *)(words + 1), (uint32_t)*words,
                         *words & RECORD_FIRST_PART, *words & RECORD_LAST_PART, w->base);
        break;
    default:
        break;
    }
    return length;
}

void record_words_take(struct record_words *w, const struct record_slab *slab, const uint64_t *words,
                       size_t n)
{
    struct thread *t = find_thread(w, slab);
    if (!t)
        return;
    w->sink->pid = t->process;
    w->sink->tid = t->tid;
    w->base = slab->base;
    for (size_t i = 0, taken; i < n && (taken = take(w, t, words + i, n - i)); i += taken)
        ;
    flush(w);
}

static struct shape **map_shapes(void)
{
    void *shapes = mmap(NULL, BLOCKS * sizeof(struct shape *), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return shapes == MAP_FAILED ? NULL : shapes;
}

struct record_words *record_words_new(struct record_shared *shared, struct record_sink *sink)
{
    struct record_words *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->shared = shared;
    w->sink = sink;
    w->maps = record_maps_new(RECORD_UNDER_QEMU);
    w->hopeless = calloc(1, sizeof *w->hopeless);
    w->shape = map_shapes();
    if (w->maps && w->hopeless && w->shape)
        return w;
    record_words_free(w);
    return NULL;
}

/* The descriptions of code, one behind the other: the one at *at, which moves on. NULL: there are no more. */
static const struct record_code *next_code(const struct record_words *w, uint64_t *at)
{
    uint64_t used = w->shared->code_used < RECORD_CODE_BYTES ? w->shared->code_used : 0;
    if (*at >= used || *at + sizeof(struct record_code) + RECORD_BLOCK_INSNS > RECORD_CODE_BYTES)
        return NULL;
    const struct record_code *code = (const struct record_code *)(w->shared->code + *at);
    uint64_t size = sizeof *code + (code->insns <= RECORD_BLOCK_INSNS ? code->insns : 0);
    *at += (size + RECORD_CODE_UNIT - 1) & ~(RECORD_CODE_UNIT - 1);
    return code;
}

/* Tells the maps where code was. */
static void show_code(struct record_words *w)
{
    const struct record_code *code;
    for (uint64_t at = 0; (code = next_code(w, &at));)
        record_maps_ran(w->maps, code->va);
}

void record_words_finish(struct record_words *w)
{
    for (size_t i = 0; i < w->threads; i++) {
        if (!w->thread[i].has_data)
            continue;
        w->sink->pid = w->thread[i].process;
        w->sink->tid = w->thread[i].tid;
        put_data(w, &w->thread[i]);
        flush(w);
    }
    show_code(w);
    record_maps_write(w->maps, w->sink);
}

void record_words_free(struct record_words *w)
{
    if (!w)
        return;
    for (uint64_t at = 0, here = 0; w->shape && next_code(w, &at); here = at)
        if (w->shape[here / RECORD_CODE_UNIT] != w->hopeless)
            free(w->shape[here / RECORD_CODE_UNIT]);
    if (w->shape)
        munmap(w->shape, BLOCKS * sizeof *w->shape);
    free(w->hopeless);
    record_maps_free(w->maps);
    free(w->thread);
    free(w);
}
