/*
 * The schema of a machine's YAML: one constant table that reading, checking, --set, writing and the list of
 * keys all follow.
 *
 * A row names a key, where its value lies in struct mmu_config, and what it may be. Rows nest as the YAML
 * does. Leaves out every rule that joins two fields: config_check.c.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <mmusim/config.h>

enum schema_type {
    SCHEMA_BOOL,
    SCHEMA_NOT,       /* a bool, stored inverted */
    SCHEMA_NUMBER,    /* decimal or 0x..., 4 or 8 bytes */
    SCHEMA_SIZE,      /* the same with K, M, G, T */
    SCHEMA_AUTO,      /* SCHEMA_NUMBER, or "auto": the bool at count is false; without one, the number is 0 */
    SCHEMA_AUTO_SIZE, /* SCHEMA_SIZE, or "auto" */
    SCHEMA_END,       /* says an element's size by its end: the rows before it are start and size */
    SCHEMA_STRING,    /* char array, terminated */
    SCHEMA_ENUM,      /* one of words */
    SCHEMA_SET,       /* list of words, stored as the union of their bits */
    SCHEMA_WAYS,      /* number, or "full": as many as there are entries */
    SCHEMA_INDEX,     /* linear, xor or xor-N */
    SCHEMA_PCIDS,     /* number, or "unlimited"; covers pcid_bound and pcids */
    SCHEMA_MASKS,     /* mapping page size -> ways */
    SCHEMA_SERIAL,    /* mapping page size -> cycles, in the order of the probes */
    SCHEMA_FEATURES, /* list of the boolean keys of the same table: those listed are true, the others false */
    SCHEMA_MAP,      /* mapping, described by child */
    SCHEMA_NAMED,    /* mapping name -> element */
    SCHEMA_NUMBERED, /* mapping 1, 2, ... -> element */
    SCHEMA_LIST,     /* sequence of elements */
    SCHEMA_INHERIT,  /* the machine to start from; no field */
};

/* When a row applies: the two faces of struct mmu_psc_config; parts that a machine may lack, and has as soon
 * as one of their keys is said. */
enum schema_gate { SCHEMA_ALWAYS, SCHEMA_IF_UNIFIED, SCHEMA_IF_SPLIT, SCHEMA_IF_OS, SCHEMA_IF_AGED };

struct schema_word {
    const char *text; /* NULL ends the table; of several words with one value the first is written */
    uint32_t value;
};

struct schema {
    const char *key; /* NULL ends the table */
    enum schema_type type;
    size_t offset, size; /* in the struct that the table describes; a list: of its whole array */
    uint64_t min, max;   /* numbers; strings and sets: min 1 = must not be empty */
    const struct schema_word *words;
    const struct schema *child; /* rows of a mapping or of an element */
    size_t element;             /* lists: bytes of an element */
    size_t count; /* lists: offset of the 32-bit number of elements, which is at most max; autos: of the bool
                     that says whether the number is given, + 1 */
    enum schema_gate gate;
    bool flow;       /* written on one line; null zeroes it */
    bool unwritten;  /* said by another row */
    const char *doc; /* what it is, with its unit */
};

enum {
    SCHEMA_DEPTH = 6, /* greatest nesting of rows */
    SCHEMA_PATH = 256 /* longest path, terminated */
};

/* The rows of the top level. */
extern const struct schema *const config_schema;

/* Makes a text fit for an error line: control characters become '?'. Returns text. */
char *schema_one_line(char *text);

/* Bits that the words of a SCHEMA_SET cover; the first word of one value, or NULL. */
uint32_t schema_all_bits(const struct schema_word *words);
const char *schema_word(const struct schema_word *words, uint32_t value);

/* Whether a row applies to this config. */
bool schema_applies(const struct schema *row, const struct mmu_config *config);

/*
 * What a row's value may be, for a person: "a number from 1 to 64". Returns buf.
 */
const char *schema_expected(const struct schema *row, char *buf, size_t size);

/* A list of elements? */
bool schema_is_list(const struct schema *row);

/* A size as a person writes it: 64M, 0x800000000000, 100. Returns buf. */
enum { SCHEMA_NUMBER_TEXT = 24 };
const char *schema_size_text(uint64_t value, char buf[SCHEMA_NUMBER_TEXT]);

/* The 32- or 64-bit number of a row whose struct lies at base. */
uint64_t schema_number(const struct schema *row, const void *base);
void schema_set_number(const struct schema *row, void *base, uint64_t value);
uint32_t *schema_count(const struct schema *row, void *base);
/* A number that may be left to the simulator? Was it, and where that is noted (NULL: the number is 0). */
bool schema_is_auto(const struct schema *row);
bool schema_left_auto(const struct schema *row, const void *base);
bool *schema_given(const struct schema *row, void *base);

/* A step on the way from the root to a field: the row, and the offset in struct mmu_config of the field, or
 * of an element of a list. */
struct schema_step {
    const struct schema *row;
    size_t offset;
};

/*
 * Which field lies at a byte of the config? Writes its YAML path, and the steps (outermost first; a list
 * gives two: itself and the element); returns their number. Paths name an element by its name, or by its
 * index where it has none.
 */
unsigned schema_locate(const struct mmu_config *config, size_t offset, char path[SCHEMA_PATH],
                       struct schema_step steps[SCHEMA_DEPTH * 2]);

/* Calls each() for every field of the config that its row describes, lists' present elements included; stops
 * at the first non-zero. */
int schema_each(const struct mmu_config *config,
                int (*each)(void *ctx, const struct schema *row, const void *base), void *ctx);

#endif
