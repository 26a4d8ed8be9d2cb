/*
 * pieces_encode.c: references to executions of pieces of code (see format.h). A piece ends before a fetch
 * that is not where the one before it ends, and behind MMT_PIECE_TOKENS tokens. A table finds a piece that
 * came before.
 *
 * Where pieces hardly come again their tokens stand alone: what was encoded of the block is encoded once
 * more.
 */
#include "block.h"

#include "bits.h"
#include "hash.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Places in the table; tokens of pieces from which on a block may be given up before its end: and when the
 * one before it was. */
enum { TABLE = 4 * MMT_PIECES, GIVE_UP = 1 << 16, GIVE_UP_AGAIN = 1 << 13 };

/* Streams, from MMT_PIECE on. */
enum { PIECE, EXECUTION, PLACE, PAYLOAD };

/* Bytes of each for a token; there is at most a piece a token. */
static const uint32_t bytes_per_token[PIECE_STREAMS] = {
    [PIECE] = 1, [EXECUTION] = 2, [PLACE] = 1, [PAYLOAD] = MMT_DELTA_MAX};

bool pieces_encoder_init(struct pieces_encoder *e, uint32_t most)
{
    bool ok;

    memset(e, 0, sizeof *e);
    ok = block_encoder_init(&e->plain, most);
    for (int s = 0; s < PIECE_STREAMS; s++)
        ok = (e->streams[s] = malloc((size_t)most * bytes_per_token[s] + sizeof(uint64_t))) && ok;
    e->known = malloc(MMT_PIECES * sizeof *e->known);
    e->table = malloc(TABLE * sizeof *e->table);
    e->templates = malloc(2 * (size_t)most * sizeof *e->templates);
    if (!ok || !e->known || !e->table || !e->templates) {
        pieces_encoder_free(e);
        return false;
    }
    return true;
}

void pieces_encoder_free(struct pieces_encoder *e)
{
    block_encoder_free(&e->plain);
    for (int s = 0; s < PIECE_STREAMS; s++)
        free(e->streams[s]);
    free(e->known);
    free(e->table);
    free(e->templates);
    memset(e, 0, sizeof *e);
}

static void forget_piece(struct pieces_encoder *e)
{
    e->piece_n = e->piece_data = e->piece_tokens = 0;
}

void pieces_encode_begin(struct pieces_encoder *e)
{
    e->give_up = e->is_plain ? GIVE_UP_AGAIN : GIVE_UP;
    block_encode_begin(&e->plain);
    memset(e->lengths, 0, sizeof e->lengths);
    memset(&e->slots, 0, sizeof e->slots);
    memset(e->table, 0, TABLE * sizeof *e->table);
    e->tokens = e->references = e->n_known = e->n_templates = 0;
    e->is_plain = e->has_load = false;
    e->next = e->highest = 0;
    e->block++;
    forget_piece(e);
}

/* ---- token by token ---- */

/* A piece's references to tokens; data: the addresses of its data, NULL: 0. */
static void encode_tokens(struct pieces_encoder *e, const struct mmu_access *piece, uint32_t n,
                          const uint64_t *data)
{
    for (uint32_t i = 0; i < n; i++) {
        struct mmu_access a = piece[i];
        if (MMU_KIND_OF(a.kind) != MMU_FETCH) {
            if (a.va != PIECE_SECOND) {
                block_encode_settle(&e->plain);
                a.va = data ? *data++ : 0;
            } else {
                a.va = data ? data[-1] : 0;
            }
        }
        block_encode(&e->plain, &a);
    }
    block_encode_settle(&e->plain);
}

static uint64_t get_data(const uint8_t **place, const uint8_t **payload, uint64_t slot[MMT_SLOTS])
{
    uint8_t where = *(*place)++;
    uint64_t delta = 0;

    memcpy(&delta, *payload, mmt_data_lengths[where & 7]);
    *payload += mmt_data_lengths[where & 7];
    return slot[where >> 3] += delta >> 1 ^ (0 - (delta & 1));
}

/* All references so far, and those to come, token by token. */
static void go_plain(struct pieces_encoder *e)
{
    const uint8_t *place = e->streams[PLACE], *payload = e->streams[PAYLOAD];
    uint64_t slot[MMT_SLOTS] = {0}, data[MMT_PIECE_TOKENS];

    block_encode_begin(&e->plain);
    for (uint32_t at = 0; at < e->lengths[EXECUTION]; at += 2) {
        const struct known_piece *p =
            &e->known[e->streams[EXECUTION][at] | e->streams[EXECUTION][at + 1] << 8];
        for (uint32_t i = 0; i < p->n_data; i++)
            data[i] = get_data(&place, &payload, slot);
        encode_tokens(e, e->templates + p->first, p->n, data);
    }
    encode_tokens(e, e->piece, e->piece_n, e->data);
    forget_piece(e);
    memset(e->lengths, 0, sizeof e->lengths);
    e->is_plain = true;
}

/* Do the pieces come again too seldom? */
static bool is_poor(const struct pieces_encoder *e)
{
    return e->plain.tokens > e->tokens / 2;
}

/* ---- pieces ---- */

/* The number of a piece, which is new or not. False: there are too many. */
static bool find_piece(struct pieces_encoder *e, const struct mmu_access *piece, uint32_t n, uint32_t tokens,
                       uint32_t n_data, uint32_t *number)
{
    uint64_t hash = hash_bytes(piece, n * sizeof *piece, tokens);
    size_t at = hash % TABLE;

    for (; e->table[at]; at = (at + 1) % TABLE) {
        const struct known_piece *p = &e->known[ *number = e->table[at] - 1];
        if (p->hash == hash && p->n == n && e->streams[PIECE][*number] == tokens &&
            !memcmp(piece, e->templates + p->first, n * sizeof *piece))
            return true;
    }
    if (e->n_known == MMT_PIECES || (e->plain.tokens > e->give_up && is_poor(e)))
        return false;
    *number = e->n_known++;
    e->table[at] = e->n_known;
    e->known[*number] = (struct known_piece){hash, e->n_templates, (uint8_t)n, (uint8_t)n_data};
    memcpy(e->templates + e->n_templates, piece, n * sizeof *piece);
    e->n_templates += n;
    e->streams[PIECE][e->lengths[PIECE]++] = (uint8_t)tokens;
    encode_tokens(e, piece, n, NULL);
    return true;
}

static void put_execution(struct pieces_encoder *e, uint32_t number)
{
    e->streams[EXECUTION][e->lengths[EXECUTION]++] = (uint8_t)number;
    e->streams[EXECUTION][e->lengths[EXECUTION]++] = (uint8_t)(number >> 8);
}

static uint64_t zigzag(uint64_t delta)
{
    return delta << 1 ^ (0 - (delta >> 63));
}

/* Bytes that hold x, 0 to 8. */
static inline unsigned bytes_of(uint64_t x)
{
    return UNLIKELY(x >> 56) ? 8 : (70u - (unsigned)__builtin_clzll(x << 1 | 1)) / 8;
}

/* By bytes that are needed: bytes that are written, and how the place says so. */
static const uint8_t written[9] = {0, 1, 2, 3, 4, 5, 6, 8, 8}, spelled[9] = {0, 1, 2, 3, 4, 5, 6, 7, 7};

/* An address, as a delta to this slot. */
ALWAYS_INLINE void put_data(struct pieces_encoder *e, uint64_t va, unsigned slot, uint64_t delta)
{
    unsigned bytes = bytes_of(delta);

    e->streams[PLACE][e->lengths[PLACE]++] = (uint8_t)(spelled[bytes] | slot << 3);
    memcpy(e->streams[PAYLOAD] + e->lengths[PAYLOAD], &delta, sizeof delta);
    e->lengths[PAYLOAD] += written[bytes];
    e->slots.at[slot] = va;
}

/* The piece that grows is an execution now. */
static void end_piece(struct pieces_encoder *e)
{
    uint32_t number;

    if (!e->piece_n)
        return;
    if (!find_piece(e, e->piece, e->piece_n, e->piece_tokens, e->piece_data, &number)) {
        go_plain(e);
        return;
    }
    put_execution(e, number);
    for (uint32_t i = 0; i < e->piece_data; i++) {
        unsigned slot = slots_choose(&e->slots, e->data[i]);
        put_data(e, e->data[i], slot, zigzag(e->data[i] - e->slots.at[slot]));
        e->slots.used[slot] = ++e->slots.clock;
    }
    forget_piece(e);
}

static bool encode_plain(struct pieces_encoder *e, const struct mmu_access *a)
{
    bool taken = block_encode(&e->plain, a);

    e->references = e->plain.references;
    e->tokens = e->plain.tokens + e->plain.has_load;
    return taken;
}

bool pieces_encode(struct pieces_encoder *e, const struct mmu_access *a)
{
    bool second = e->has_load && text_is_modify(&e->load, a), fetch = MMU_KIND_OF(a->kind) == MMU_FETCH;
    struct mmu_access *to;

    if (e->is_plain)
        return encode_plain(e, a);
    if (!second && e->tokens == e->plain.most)
        return false;
    if (!second && (e->piece_tokens == MMT_PIECE_TOKENS || (fetch && a->va != e->next))) {
        end_piece(e);
        if (e->is_plain)
            return encode_plain(e, a);
    }
    to = &e->piece[e->piece_n++];
    *to = *a;
    if (!(a->flags & MMU_AF_GAP))
        to->gap = 0;
    if (fetch)
        e->next = a->va + a->size;
    else
        to->va = second ? PIECE_SECOND : 0;
    if (!fetch && !second)
        e->data[e->piece_data++] = a->va;
    e->piece_tokens += !second;
    e->tokens += !second;
    e->references++;
    e->has_load = MMU_KIND_OF(a->kind) == MMU_LOAD;
    e->load = *a;
    return true;
}

void pieces_encode_settle(struct pieces_encoder *e)
{
    e->has_load = false;
    if (e->is_plain)
        block_encode_settle(&e->plain);
}

uint32_t pieces_encode_end(struct pieces_encoder *e)
{
    if (!e->is_plain)
        end_piece(e);
    if (!e->is_plain && is_poor(e))
        go_plain(e);
    return block_encode_end(&e->plain);
}

/* ---- code ---- */

/* A slot for an address that is far from the one that it had the last time. An address that goes anywhere is
 * near none: then the search is not worth its time for the next few times, which the hint's upper bits count.
 */
enum { HINT = 32 };

static unsigned search_slot(const struct pieces_encoder *e, uint64_t va, uint8_t *hint)
{
    unsigned s = *hint % HINT;

    if (*hint >= HINT) {
        *hint = (uint8_t)(*hint - HINT);
        return s;
    }
    s = slots_choose(&e->slots, va);
    *hint = (uint8_t)(zigzag(va - e->slots.at[s]) < 2 * SLOT_NEAR ? s : s | (256 - HINT));
    return s;
}

/* Finds the pieces of a code in this block. False: there are too many. */
static bool find_code(struct pieces_encoder *e, struct code *c)
{
    const struct mmu_access *at = c->references;

    for (uint32_t i = 0; i < c->n_pieces; i++) {
        const struct code_piece *p = &c->pieces[i];
        uint32_t number;
        if (!find_piece(e, at, p->n, p->tokens, p->data, &number))
            return false;
        c->pieces[i].number = (uint16_t)number;
        at += p->n;
    }
    c->number = c->pieces[0].number;
    c->block = e->block;
    return true;
}

/* Executions being appended. What the open one appended is taken back if it does something else than was
 * told.
 */
struct appending {
    uint8_t *execution, *place, *payload;
    uint64_t highest, clock;
    uint32_t tokens;           /* of the block */
    uint64_t references, most; /* of the run */
    const uint64_t
        *begun; /* the open one's first word, and where the streams were; code NULL: none is open */
    uint8_t *begun_execution, *begun_place;
    struct code *code;
};

static void load_streams(const struct pieces_encoder *e, const struct code_run *run, struct appending *a)
{
    a->tokens = e->tokens;
    a->references = run->references;
    a->most = run->most;
    a->execution = e->streams[EXECUTION] + e->lengths[EXECUTION];
    a->place = e->streams[PLACE] + e->lengths[PLACE];
    a->payload = e->streams[PAYLOAD] + e->lengths[PAYLOAD];
    a->highest = e->highest;
    a->clock = e->slots.clock;
    a->code = NULL;
}

ALWAYS_INLINE void save_streams(struct pieces_encoder *e, struct code_run *run, const struct appending *a)
{
    e->tokens = a->tokens;
    e->references += (uint32_t)(a->references - run->references);
    run->references = a->references;
    e->lengths[EXECUTION] = (uint32_t)(a->execution - e->streams[EXECUTION]);
    e->lengths[PLACE] = (uint32_t)(a->place - e->streams[PLACE]);
    e->lengths[PAYLOAD] = (uint32_t)(a->payload - e->streams[PAYLOAD]);
    e->highest = a->highest;
    e->slots.clock = a->clock;
}

/* The open execution is none. */
static COLD void take_back(struct pieces_encoder *e, struct appending *a)
{
    while (a->place > a->begun_place) {
        uint8_t where = *--a->place;
        uint64_t delta = 0;
        a->payload -= mmt_data_lengths[where & 7];
        memcpy(&delta, a->payload, mmt_data_lengths[where & 7]);
        e->slots.at[where >> 3] -= delta >> 1 ^ (0 - (delta & 1));
    }
    a->execution = a->begun_execution;
    a->tokens -= a->code->n_tokens;
    a->references -= a->code->n_references;
    a->code->runs--;
    a->code = NULL;
}

/* Begins an execution. False: it cannot be begun; *full: for want of room in the block. */
ALWAYS_INLINE bool begin(struct pieces_encoder *e, struct appending *a, struct code *c, struct code_run *run,
                         bool *full)
{
    if (UNLIKELY(!c || a->most - a->references < c->n_references))
        return false;
    if (UNLIKELY(a->tokens + c->n_tokens > e->plain.most)) {
        *full = true;
        return false;
    }
    if (UNLIKELY(c->block != e->block)) {
        e->tokens = a->tokens; /* is it a poor block? */
        if (!find_code(e, c)) {
            save_streams(e, run, a);
            go_plain(e);
            return false;
        }
    }
    a->code = c;
    a->begun_execution = a->execution;
    a->begun_place = a->place;
    memcpy(a->execution, &c->number, sizeof c->number);
    a->execution += sizeof c->number;
    for (uint32_t i = 1; UNLIKELY(i < c->n_pieces); i++) {
        memcpy(a->execution, &c->pieces[i].number, sizeof c->number);
        a->execution += sizeof c->number;
    }
    a->clock++;
    a->tokens += c->n_tokens;
    a->references += c->n_references;
    c->runs++;
    return true;
}

/* The address in a word: bit 47 stands for those above. */
ALWAYS_INLINE uint64_t address_of(uint64_t word)
{
    return (uint64_t)((int64_t)(word << 16) >> 16);
}

/* A word of data, if it is what the site was told to be. */
ALWAYS_INLINE bool append_data(struct pieces_encoder *e, struct appending *a, const uint64_t *word,
                               struct code_site *site)
{
    uint64_t va = address_of(*word), delta;
    unsigned s = site->hint % HINT, bytes;

    if (UNLIKELY(*word >> MMU_CODE_TAG_SHIFT != site->tag))
        return false;
    if (site->back)
        return address_of(*(word - site->back)) + site->bytes == va;
    delta = zigzag(va - e->slots.at[s]);
    if (UNLIKELY(delta >= 2 * SLOT_NEAR)) {
        s = search_slot(e, va, &site->hint);
        delta = zigzag(va - e->slots.at[s]);
    }
    bytes = bytes_of(delta);
    *a->place++ = (uint8_t)(spelled[bytes] | s << 3);
    memcpy(a->payload, &delta, sizeof delta);
    a->payload += written[bytes];
    e->slots.at[s] = va;
    e->slots.used[s] = a->clock;
    a->highest = va > a->highest ? va : a->highest;
    return true;
}

ALWAYS_INLINE unsigned type_of(uint64_t word)
{
    return (unsigned)(word >> MMU_CODE_TYPE_SHIFT);
}

/* One flat loop over the words: how many belong to an execution no branch depends on. */
bool pieces_encode_code(struct pieces_encoder *e, struct code *const *codes, uint32_t n_codes,
                        struct code_run *run)
{
    const uint64_t *word = run->words + run->taken, *end = run->words + run->n;
    struct code_site *site = NULL, *behind = NULL; /* the next word's; behind the last one */
    struct appending a;
    bool full = false;

    pieces_encode_settle(e);
    if (!e->is_plain)
        end_piece(e);
    if (e->is_plain)
        return false;
    load_streams(e, run, &a);
    for (; word < end; word++) {
        if (type_of(*word) == MMU_CODE_BEGIN && site == behind) {
            uint64_t number = *word << 3 >> 3;
            a.code = NULL; /* complete */
            if (UNLIKELY(!begin(e, &a, number < n_codes ? codes[number] : NULL, run, &full)))
                break;
            a.begun = word;
            site = a.code->sites;
            behind = site + a.code->n_words;
        } else if (LIKELY(site != behind && append_data(e, &a, word, site))) {
            site++;
        } else {
            break;
        }
    }
    run->taken = (size_t)(word - run->words);
    if (a.code && (site != behind || word == end || type_of(*word) == MMU_CODE_DATA)) {
        struct appending open = a; /* a stays where the loop can have it in registers */
        take_back(e, &open);
        run->taken = (size_t)(open.begun - run->words);
        a = open;
    }
    if (!e->is_plain)
        save_streams(e, run, &a);
    return full;
}
