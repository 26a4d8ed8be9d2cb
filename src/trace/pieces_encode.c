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
 * near none: then the search is not worth its time for the next few times. */
enum { REST = 7 };

static COLD unsigned search_slot(const struct pieces_encoder *e, uint64_t va, struct code_site *site)
{
    if (site->rest) {
        site->rest--;
    } else {
        site->slot = (uint8_t)slots_choose(&e->slots, va);
        site->rest = zigzag(va - e->slots.at[site->slot]) < 2 * SLOT_NEAR ? 0 : REST;
    }
    return site->slot;
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
    c->found = e->block;
    c->ready = c->n_pieces == 1 ? e->block : 0;
    return true;
}

/* Executions being appended. */
struct appending {
    uint8_t *execution, *place, *payload;
    uint64_t clock;
    uint64_t left; /* as struct code's cost: what there is room for */
};

/* If an execution costs more than is left, one of these bits of the difference is set. */
#define OVERDRAWN UINT64_C(0x8000000080000000)

static void load_streams(const struct pieces_encoder *e, const struct code_run *run, struct appending *a)
{
    uint64_t references = run->most - run->references;

    a->left = (uint64_t)(e->plain.most - e->tokens) << 32 | (references < INT32_MAX ? references : INT32_MAX);
    a->execution = e->streams[EXECUTION] + e->lengths[EXECUTION];
    a->place = e->streams[PLACE] + e->lengths[PLACE];
    a->payload = e->streams[PAYLOAD] + e->lengths[PAYLOAD];
    a->clock = e->slots.clock;
}

/* left: when they were loaded. */
static void save_streams(struct pieces_encoder *e, struct code_run *run, const struct appending *a,
                         uint64_t left)
{
    uint32_t references = (uint32_t)left - (uint32_t)a->left;

    e->tokens = e->plain.most - (uint32_t)(a->left >> 32);
    e->references += references;
    run->references += references;
    e->lengths[EXECUTION] = (uint32_t)(a->execution - e->streams[EXECUTION]);
    e->lengths[PLACE] = (uint32_t)(a->place - e->streams[PLACE]);
    e->lengths[PAYLOAD] = (uint32_t)(a->payload - e->streams[PAYLOAD]);
    e->slots.clock = a->clock;
}

/* Takes back an execution of which `words` words of data were appended. */
static void take_back(struct pieces_encoder *e, struct code *c, size_t words, struct appending *a)
{
    for (size_t i = 0; i < words; i++) {
        uint8_t where;
        uint64_t delta = 0;
        if (c->sites[i].back)
            continue;
        where = *--a->place;
        a->payload -= mmt_data_lengths[where & 7];
        memcpy(&delta, a->payload, mmt_data_lengths[where & 7]);
        e->slots.at[where >> 3] -= delta >> 1 ^ (0 - (delta & 1));
    }
    a->execution -= sizeof c->number * c->n_pieces;
    a->left += c->cost;
    c->runs--;
}

/* Begins an execution of a code that is not ready: it has several pieces, or was not found in this block yet.
 * False: there are too many pieces. */
static COLD bool begin_slowly(struct pieces_encoder *e, struct appending *a, struct code *c)
{
    if (c->found != e->block) {
        e->tokens = e->plain.most - (uint32_t)(a->left >> 32); /* is it a poor block? */
        if (!find_code(e, c))
            return false;
    }
    for (uint32_t i = 0; i < c->n_pieces; i++) {
        memcpy(a->execution, &c->pieces[i].number, sizeof c->number);
        a->execution += sizeof c->number;
    }
    return true;
}

/* The address in a word: bit 47 stands for those above. */
ALWAYS_INLINE uint64_t address_of(uint64_t word)
{
    return (uint64_t)((int64_t)(word << 16) >> 16);
}

/* A word that is not simply an address in the lower half behind its tag. False: it is not what the site was
 * told to be. */
ALWAYS_INLINE bool is_told(const uint64_t *word, const struct code_site *site)
{
    return !((*word ^ site->tag) >> MMU_CODE_TAG_SHIFT) &&
           (!site->back || address_of(*(word - site->back)) + site->bytes == address_of(*word));
}

/* A word of data, if it is what the site was told to be. */
ALWAYS_INLINE bool append_data(struct pieces_encoder *e, struct appending *a, const uint64_t *word,
                               struct code_site *site)
{
    uint64_t va = *word ^ site->tag, delta;
    unsigned s = site->slot, bytes;

    if (UNLIKELY((uint32_t)(va >> (MMU_CODE_TAG_SHIFT - 1)) | site->back)) {
        if (!is_told(word, site) || site->back)
            return site->back && is_told(word, site);
        va = address_of(*word);
        e->highest = va > e->highest ? va : e->highest;
    }
    delta = zigzag(va - e->slots.at[s]);
    if (UNLIKELY(delta >= 2 * SLOT_NEAR)) {
        s = search_slot(e, va, site);
        delta = zigzag(va - e->slots.at[s]);
        bytes = bytes_of(delta);
        *a->place++ = (uint8_t)(spelled[bytes] | s << 3);
        bytes = written[bytes];
    } else {
        bytes = ((31 ^ (unsigned)__builtin_clz((unsigned)delta << 1 | 1)) + 7) / 8;
        *a->place++ = (uint8_t)(bytes | s << 3);
    }
    memcpy(a->payload, &delta, sizeof delta);
    a->payload += bytes;
    e->slots.at[s] = va;
    e->slots.used[s] = a->clock;
    return true;
}

ALWAYS_INLINE unsigned type_of(uint64_t word)
{
    return (unsigned)(word >> MMU_CODE_TYPE_SHIFT);
}

/* The code whose execution begins with this word; NULL: it is none, or not all of its words are there. */
ALWAYS_INLINE struct code *code_of(struct code *const *codes, uint32_t n_codes, const uint64_t *word,
                                   const uint64_t *end)
{
    uint64_t number = *word ^ (uint64_t)MMU_CODE_BEGIN << MMU_CODE_TYPE_SHIFT;
    struct code *c = number < n_codes ? codes[number] : NULL;

    return LIKELY(c && end - word > (ptrdiff_t)c->n_words + 1 &&
                  type_of(word[c->n_words + 1u]) != MMU_CODE_DATA)
               ? c
               : NULL;
}

enum append { APPENDED, REFUSED, NO_ROOM, NO_PIECES };

/* Appends an execution, if it is what was told of its code; *at then goes on behind it. It goes on word by
 * word: how many there are is known to memory later than to the prediction of branches. */
ALWAYS_INLINE enum append append_execution(struct pieces_encoder *e, struct appending *a, struct code *c,
                                           const uint64_t **at)
{
    struct code_site *site = c->sites, *end = site + c->n_words;
    const uint64_t *word = *at + 1;

    if (UNLIKELY((a->left - c->cost) & OVERDRAWN))
        return NO_ROOM;
    if (LIKELY(c->ready == e->block)) {
        memcpy(a->execution, &c->number, sizeof c->number);
        a->execution += sizeof c->number;
    } else {
        struct appending now = *a; /* *a stays where the loop can have it in registers */
        if (!begin_slowly(e, &now, c))
            return NO_PIECES;
        *a = now;
    }
    a->left -= c->cost;
    a->clock++;
    c->runs++;
    for (; site < end; site++, word++)
        if (UNLIKELY(!append_data(e, a, word, site))) {
            struct appending now = *a;
            take_back(e, c, (size_t)(site - c->sites), &now);
            *a = now;
            return REFUSED;
        }
    *at = word;
    return APPENDED;
}

bool pieces_encode_code(struct pieces_encoder *e, struct code *const *codes, uint32_t n_codes,
                        struct code_run *run)
{
    const uint64_t *word = run->words + run->taken, *end = run->words + run->n;
    enum append result = APPENDED;
    struct code *c = NULL;
    struct appending a;
    uint64_t left;

    pieces_encode_settle(e);
    if (!e->is_plain)
        end_piece(e);
    if (e->is_plain)
        return false;
    load_streams(e, run, &a);
    left = a.left;
    while (word < end && LIKELY((c = code_of(codes, n_codes, word, end)) != NULL) &&
           LIKELY((result = append_execution(e, &a, c, &word)) == APPENDED))
        ;
    run->taken = (size_t)(word - run->words);
    save_streams(e, run, &a, left);
    if (result == NO_PIECES)
        go_plain(e);
    return result == NO_ROOM && run->most - run->references >= c->n_references;
}
