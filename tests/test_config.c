/*
 * test_config.c: machines that are possible: what YAML says is what the struct holds, inheriting, --set,
 * files, the search path, and that what is written reads back to the same bytes: every shipped machine and
 * random ones.
 */
#include "dice.h"
#include <mmusim/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void parse_sets(struct mmu_config *config, const char *text, const char *const *sets, size_t n)
{
    struct mmu_error err = {0};
    char line[1024];
    if (mmu_config_parse(config, text, strlen(text), "machine.yaml", sets, n, &err))
        fail_msg("%s", mmu_error_format(&err, line, sizeof line));
}

static void parse(struct mmu_config *config, const char *text)
{
    parse_sets(config, text, NULL, 0);
}

static void write_text(const struct mmu_config *config, char **text)
{
    size_t size;
    FILE *out = open_memstream(text, &size);
    assert_int_equal(mmu_config_write(config, out), MMU_OK);
    fclose(out);
}

/* Written and read again: the same bytes, padding included, and the same text. */
static void check_round_trip(const struct mmu_config *config)
{
    struct mmu_config again;
    char *text, *text_again;
    write_text(config, &text);
    parse(&again, text);
    write_text(&again, &text_again);
    assert_string_equal(text, text_again);
    assert_memory_equal(config, &again, sizeof again);
    free(text);
    free(text_again);
}

/* --- values --- */

static void defaults_are_a_possible_machine(void **state)
{
    struct mmu_config config, other;
    struct mmu_error err;
    (void)state;
    memset(&config, 0xff, sizeof config);
    memset(&other, 0x55, sizeof other);
    mmu_config_init(&config);
    mmu_config_init(&other);
    assert_memory_equal(&config, &other, sizeof config);
    assert_int_equal(mmu_config_check(&config, &err), MMU_OK);
    assert_int_equal(config.cpu.maxphyaddr, 46);
    assert_true(config.cpu.wp && config.cpu.pks && config.pager.enabled);
    assert_int_equal(config.pager.mode, MMU_MODE_4L);
    check_round_trip(&config);
}

static void every_kind_of_value_is_read(void **state)
{
    struct mmu_config c;
    (void)state;
    parse(
        &c,
        "name: m\ntitle: \"A \\\"title\\\" \xc3\xa9\"\nseed: 0xffffffffffffffff\nwindow: 10\n"
        "cpu: {maxphyaddr: 0x28, features: [wp, pae, long-mode, pcid, pse], pge: yes}\n"
        "levels:\n  1: {latency: 1}\n  2: {serial: {2M: 7, 4K: 9}, fracture: false}\n"
        "tlb:\n"
        "  A: {level: 1, serves: [load, fetch], pages: [2M, 4K], entries: 48, ways: full, replacement: "
        "not-mru, pcids: 3}\n"
        "  B: {level: 2, serves: all, pages: [4K, 2M], entries: 96, ways: 12, index: xor-3, replacement: "
        "mru3plru4,\n"
        "      way-masks: {4K: 0xff, 2M: 0xf00}}\n"
        "psc: {latency: 2, pde: {entries: 32, ways: 4, replacement: fifo}, pml4e: {entries: 2, ways: full}}\n"
        "walk: {walkers: 4, start: 5, ad-update: 6, rewalk-before-fault: true}\n"
        "memory:\n  reads: cached\n  caches: {L1: {size: 32K, ways: 8, line: 64, latency: 4}, L2: {size: "
        "64K, "
        "ways: full, line: 64, latency: 9}}\n"
        "  dram-latency: 200\n  data: shared\n  ram: [{start: 0, size: 3G}, {start: 4G, size: 512G}]\n"
        "pager: {mode: x86_64, page: 2M, frames: random, fault-cycles: 7, ranges: [{start: 0, end: 4M, page: "
        "4K}]}\n"
        "barrier: {mov-cr: 1, invlpg: 2, invpcid: 3, fault: 4}\n");
    assert_string_equal(c.title, "A \"title\" \xc3\xa9");
    assert_true(c.seed == UINT64_MAX);
    assert_int_equal(c.cpu.maxphyaddr, 40);
    assert_true(c.cpu.wp && c.cpu.pge && c.cpu.pcid && !c.cpu.nx && !c.cpu.la57);
    assert_int_equal(c.levels, 2);
    assert_int_equal(c.level[1].serial_count, 2);
    assert_int_equal(c.level[1].serial_page[0], MMU_2M);
    assert_int_equal(c.level[1].serial_latency[1], 9);
    assert_true(c.level[1].no_fracture && !c.level[0].no_fracture);
    assert_int_equal(c.tlbs, 2);
    assert_string_equal(c.tlb[0].name, "A");
    assert_int_equal(c.tlb[0].kinds, 1 << MMU_FETCH | 1 << MMU_LOAD);
    assert_int_equal(c.tlb[0].pages, 1 << MMU_4K | 1 << MMU_2M);
    assert_int_equal(c.tlb[0].ways, 48);
    assert_int_equal(c.tlb[0].policy, MMU_NMRU);
    assert_true(c.tlb[0].pcid_bound && c.tlb[0].pcids == 3 && !c.tlb[1].pcid_bound);
    assert_int_equal(c.tlb[1].index, MMU_INDEX_XOR);
    assert_int_equal(c.tlb[1].way_mask[MMU_2M], 0xf00);
    assert_int_equal(c.psc.array[MMU_PSC_PML4E].ways, 2);
    assert_int_equal(c.psc.array[MMU_PSC_PDE].policy, MMU_FIFO);
    assert_int_equal(c.memory.cache[1].ways, 1024);
    assert_true(c.memory.ram[1].start == UINT64_C(4) << 30 && c.memory.ram[1].size == UINT64_C(512) << 30);
    assert_int_equal(c.pager.ranges, 1);
    assert_true(c.walk.rewalk_before_fault);
    assert_int_equal(c.barrier.fault, 4);
    check_round_trip(&c);
}

static void the_first_level_needs_no_latency(void **state)
{
    struct mmu_config c;
    (void)state;
    parse(&c, "tlb: {A: {level: 1, serves: data, pages: 4K, entries: 64, ways: 4}}\n");
    assert_int_equal(c.levels, 1);
    assert_int_equal(c.tlb[0].kinds, 1 << MMU_LOAD | 1 << MMU_STORE);
    assert_string_equal(c.name, "machine"); /* the text's name without .yaml */
}

/* --- --set --- */

static const char SMALL[] = "tlb:\n"
                            "  A: {level: 1, serves: data, pages: 4K, entries: 64, ways: full}\n"
                            "  B: {level: 1, serves: fetch, pages: 4K, entries: 32, ways: 4}\n"
                            "  C: {level: 2, serves: all, pages: 4K, entries: 1024, ways: 8, index: xor-7}\n"
                            "levels: {2: {latency: 7}}\n"
                            "memory: {ram: [{start: 0, size: 4G}, {start: 8G, size: 4G}]}\n"
                            "psc: {latency: 3, pde: {entries: 4, ways: full}}\n";

static void sets_apply_in_order(void **state)
{
    static const char *const sets[] = {"window=3",
                                       "window=5",
                                       "tlb.A.entries=16",
                                       "tlb.1.ways=2",
                                       "tlb.C.serves=[load, store]",
                                       "memory.ram.1.size=1G",
                                       "levels.2.latency=9",
                                       "title=a: b # c",
                                       "cpu.nx=false",
                                       "tlb.D={level: 2, serves: fetch, pages: 2M, entries: 8, ways: full}",
                                       "seed=0x10",
                                       "name=two words"};
    struct mmu_config c;
    (void)state;
    parse_sets(&c, SMALL, sets, sizeof sets / sizeof sets[0]);
    assert_int_equal(c.window, 5);
    assert_int_equal(c.tlb[0].ways, 16); /* full stays full */
    assert_int_equal(c.tlb[1].ways, 2);
    assert_int_equal(c.tlb[2].kinds, 1 << MMU_LOAD | 1 << MMU_STORE);
    assert_true(c.memory.ram[1].size == UINT64_C(1) << 30);
    assert_int_equal(c.level[1].latency, 9);
    assert_string_equal(c.title, "a: b # c");
    assert_false(c.cpu.nx);
    assert_int_equal(c.tlbs, 4);
    assert_string_equal(c.tlb[3].name, "D");
    assert_int_equal(c.seed, 16);
    check_round_trip(&c);
}

static void null_removes(void **state)
{
    static const char *const sets[] = {"tlb.B=null", "memory.ram=", "psc.pde=~"};
    static const char *const last[] = {"tlb.C=~", "levels.2=~"};
    static const char *const all[] = {"tlb=~", "levels=~"};
    static const char *const none[] = {"tlb={}", "levels={}"};
    struct mmu_config c, empty;
    (void)state;
    parse_sets(&c, SMALL, sets, 3);
    assert_int_equal(c.tlbs, 2);
    assert_string_equal(c.tlb[1].name, "C");
    assert_int_equal(c.memory.ram_ranges, 0);
    assert_int_equal(c.psc.array[0].entries, 0);
    check_round_trip(&c);
    parse_sets(&c, SMALL, last, 2);
    assert_int_equal(c.levels, 1);
    check_round_trip(&c);
    mmu_config_init(&empty);
    for (unsigned i = 0; i < 2; i++) {
        parse_sets(&c, SMALL, i ? none : all, 2);
        assert_int_equal(c.tlbs + c.levels, 0);
        assert_memory_equal(c.tlb, empty.tlb, sizeof c.tlb);
        assert_memory_equal(c.level, empty.level, sizeof c.level);
        check_round_trip(&c);
    }
}

static void paging_structure_caches_have_two_faces(void **state)
{
    static const char *const unify[] = {"psc.unified={entries: 24, ways: full}"};
    static const char *const both_ways[] = {"psc.unified={entries: 24, ways: full}",
                                            "psc.pde={entries: 8, ways: 2}"};
    struct mmu_config c;
    (void)state;
    parse_sets(&c, SMALL, unify, 1);
    assert_true(c.psc.unified);
    assert_int_equal(c.psc.levels, 15);
    assert_int_equal(c.psc.latency, 3);
    check_round_trip(&c);
    parse_sets(&c, SMALL, both_ways, 2);
    assert_false(c.psc.unified);
    assert_int_equal(c.psc.levels, 0);
    assert_int_equal(c.psc.array[MMU_PSC_PDE].entries, 8);
    check_round_trip(&c);
}

/* --- files --- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, P_tmpdir "/mmusim-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    unsetenv("MMUSIM_CONFIG_PATH");
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void check_refused(const char *name, int code, const char *expected)
{
    struct mmu_config config;
    struct mmu_error err;
    char line[1024], whole[1024];
    assert_int_equal(mmu_config_load(&config, path_of(name), NULL, 0, &err), code);
    snprintf(whole, sizeof whole, "%s/%s", folder, expected);
    assert_string_equal(mmu_error_format(&err, line, sizeof line), whole);
}

static void files_inherit(void **state)
{
    struct mmu_config c;
    struct mmu_error err;
    (void)state;
    put("base.yaml", SMALL);
    put("middle.yaml", "inherit: base\ntitle: Middle\nwindow: 4\ntlb:\n  B: ~\n  A: {entries: 32}\n  Z: "
                       "{level: 1, serves: fetch, pages: 4K, entries: 8, ways: 2}\n");
    put("heir.yaml", "window: 8\ninherit: ./middle.yaml\nmemory: {ram: [{start: 0, size: 1M}]}\n");
    assert_int_equal(mmu_config_load(&c, path_of("heir.yaml"), NULL, 0, &err), MMU_OK);
    assert_string_equal(c.name, "heir");
    assert_string_equal(c.title, "Middle");
    assert_int_equal(c.window, 8);
    assert_int_equal(c.tlbs, 3);
    assert_string_equal(c.tlb[0].name, "A"); /* in its old place */
    assert_string_equal(c.tlb[1].name, "C");
    assert_string_equal(c.tlb[2].name, "Z"); /* new ones go last */
    assert_int_equal(c.tlb[0].ways, 32);
    assert_int_equal(c.memory.ram_ranges, 1); /* what has no names is replaced */
    check_round_trip(&c);
}

static void errors_name_the_file_that_said_it(void **state)
{
    (void)state;
    put("base.yaml", SMALL);
    put("ways.yaml", "inherit: base\ntlb:\n  B: {ways: 5}\n");
    check_refused("ways.yaml", MMU_ERR_INVALID,
                  "ways.yaml:3:7: tlb.B.entries: 32 entries cannot be divided into sets of 5 ways; expected "
                  "a multiple of 5");
    put("xor.yaml", "inherit: base\ntlb:\n  C:\n    entries: 512\n");
    check_refused("xor.yaml", MMU_ERR_INVALID,
                  "xor.yaml:4:5: tlb.C.index: xor-7 needs 2^7 = 128 sets; 512 entries of 8 ways are 64");
    put("cpu.yaml", "inherit: base\ntlb: {C: {pcids: 4}}\n");
    put("nopcid.yaml", "inherit: cpu\ncpu: {pcid: false}\n");
    check_refused(
        "nopcid.yaml", MMU_ERR_INVALID,
        "nopcid.yaml:2:7: tlb.C.pcids: a bound on PCIDs on a processor without PCID; expected cpu.pcid");
    put("bad.yaml", "windwo: 1\n");
    put("heir.yaml", "inherit: bad\n");
    check_refused("heir.yaml", MMU_ERR_FORMAT, "bad.yaml:1:1: unknown key 'windwo'; did you mean 'window'?");
}

static void what_is_no_machine_is_refused(void **state)
{
    char name[32], text[64], *large = calloc(1, (1 << 20) + 2);
    struct mmu_config config;
    struct mmu_error err;
    (void)state;
    check_refused("absent.yaml", MMU_ERR_NOTFOUND, "absent.yaml: No such file or directory");
    put("empty.yaml", "");
    check_refused("empty.yaml", MMU_ERR_FORMAT,
                  "empty.yaml:1:1: empty; expected a mapping of a machine's keys");
    assert_int_equal(mkdir(path_of("dir.yaml"), 0700), 0);
    check_refused("dir.yaml", MMU_ERR_IO, "dir.yaml: a directory; expected a YAML file");
    put("heir.yaml", "inherit: dir\n");
    check_refused("heir.yaml", MMU_ERR_IO,
                  "heir.yaml:1:10: inherit: 'dir' is not a regular file; expected a YAML file");
    put("a.yaml", "inherit: b\n");
    put("b.yaml", "cpi: 1\ninherit: a\n");
    check_refused("a.yaml", MMU_ERR_INVALID,
                  "b.yaml:2:10: inherit: 'a' inherits, directly or not, from this file; expected no cycle");
    put("self.yaml", "inherit: ./self.yaml\n");
    check_refused("self.yaml", MMU_ERR_INVALID,
                  "self.yaml:1:10: inherit: './self.yaml' inherits, directly or not, from this file; "
                  "expected no cycle");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "chain%d.yaml", i);
        snprintf(text, sizeof text, "inherit: chain%d\n", i + 1);
        put(name, text);
    }
    check_refused("chain0.yaml", MMU_ERR_RANGE,
                  "chain15.yaml:1:10: inherit: more than 16 machines inherit from each other");
    memset(large, '#', (1 << 20) + 1);
    put("large.yaml", large);
    check_refused("large.yaml", MMU_ERR_FORMAT,
                  "large.yaml: 1048577 bytes; expected a machine's YAML of at most 1048576");
    free(large);
    assert_int_equal(mmu_config_load(&config, "", NULL, 0, &err), MMU_ERR_NOTFOUND);
}

static void a_misspelt_machine_gets_a_suggestion(void **state)
{
    struct mmu_config config;
    struct mmu_error err;
    (void)state;
    setenv("MMUSIM_CONFIG_PATH", MMUSIM_CONFIGS, 1);
    assert_int_equal(mmu_config_load(&config, "skylke-sp", NULL, 0, &err), MMU_ERR_NOTFOUND);
    assert_string_equal(err.message, "no machine is named 'skylke-sp'; did you mean 'skylake-sp'?");
    put("heir.yaml", "inherit: golden-cov\n");
    check_refused("heir.yaml", MMU_ERR_NOTFOUND,
                  "heir.yaml:1:10: inherit: no machine is named 'golden-cov'; did you mean 'golden-cove'?");
}

static void a_file_may_inherit_from_the_shipped_machine_of_its_name(void **state)
{
    struct mmu_config c;
    (void)state;
    setenv("MMUSIM_CONFIG_PATH", "::/nowhere:" MMUSIM_CONFIGS, 1);
    put("haswell.yaml", "inherit: haswell\nwindow: 7\n");
    assert_int_equal(mmu_config_load(&c, path_of("haswell.yaml"), NULL, 0, NULL), MMU_OK);
    assert_int_equal(c.window, 7);
    assert_int_equal(c.level[1].latency, 8);
}

struct seen {
    char names[64][64], titles[64][256];
    unsigned n;
};

static void see(void *ctx, const char *name, const char *title, const char *path)
{
    struct seen *s = ctx;
    assert_true(s->n < 64 && path[0] == '/');
    snprintf(s->names[s->n], sizeof s->names[0], "%s", name);
    snprintf(s->titles[s->n++], sizeof s->titles[0], "%s", title);
}

static void the_list_is_sorted_and_the_first_folder_wins(void **state)
{
    struct seen s = {.n = 0};
    struct mmu_error err;
    char path[256];
    (void)state;
    put("zen2.yaml", "title: Mine\n");
    put("aaa.yaml", "oops: 1\n");
    snprintf(path, sizeof path, "%s:%s", folder, MMUSIM_CONFIGS);
    setenv("MMUSIM_CONFIG_PATH", path, 1);
    assert_int_equal(mmu_config_list(see, &s, &err), MMU_OK);
    bool found = false;
    for (unsigned i = 0; i < s.n; i++) {
        assert_true(i == 0 || strcmp(s.names[i - 1], s.names[i]) < 0);
        if (!strcmp(s.names[i], "aaa"))
            assert_non_null(strstr(s.titles[i], "aaa.yaml:1:1: unknown key 'oops'"));
        if (!strcmp(s.names[i], "zen2")) {
            assert_string_equal(s.titles[i], "Mine");
            found = true;
        }
    }
    assert_true(found);
}

/* --- the struct without YAML --- */

static void the_check_names_the_field(void **state)
{
    struct mmu_config c;
    struct mmu_error err;
    (void)state;
    parse(&c, SMALL);
    c.tlb[1].entries = 30;
    assert_int_equal(mmu_config_check(&c, &err), MMU_ERR_INVALID);
    assert_string_equal(
        err.message,
        "tlb.B.entries: 30 entries cannot be divided into sets of 4 ways; expected a multiple of 4");
    assert_int_equal(mmu_config_check(&c, NULL), MMU_ERR_INVALID);
    assert_int_equal(mmu_config_write(&c, stderr), MMU_ERR_INVALID);
    parse(&c, SMALL);
    c.tlb[1].policy = 99;
    mmu_config_check(&c, &err);
    assert_string_equal(err.message, "tlb.B.replacement: 99 is no value of this field");
    c.tlb[1].policy = 0;
    c.tlb[1].kinds = 8;
    mmu_config_check(&c, &err);
    assert_string_equal(err.message, "tlb.B.serves: 0x8 has bits that mean nothing");
    c.tlbs = 17;
    mmu_config_check(&c, &err);
    assert_string_equal(err.message, "tlb: 17 of them; expected at most 16");
    mmu_config_init(&c);
    memset(c.title, 'x', sizeof c.title);
    mmu_config_check(&c, &err);
    assert_string_equal(err.message, "title: not terminated; expected at most 127 bytes of text");
    mmu_config_init(&c);
    strcpy(c.title, "\xed\xa0\x80"); /* a surrogate */
    assert_int_equal(mmu_config_check(&c, &err), MMU_ERR_INVALID);
    parse(&c, SMALL);
    strcpy(c.tlb[2].name, "A");
    mmu_config_check(&c, &err);
    assert_string_equal(err.message, "tlb.A: the name is used twice; expected one of its own for each");
    parse(&c, SMALL);
    c.levels = UINT32_MAX;
    assert_int_equal(mmu_config_check(&c, &err), MMU_ERR_INVALID);
}

static void a_failed_write_shows(void **state)
{
    struct mmu_config c;
    FILE *full = fopen("/dev/full", "w");
    (void)state;
    mmu_config_init(&c);
    assert_non_null(full);
    assert_int_equal(mmu_config_write(&c, full), MMU_ERR_IO);
    fclose(full);
}

static void count_key(void *ctx, const char *path, const char *expected, const char *text)
{
    unsigned *n = ctx;
    assert_true(path[0] && expected[0] && text[0]);
    ++*n;
}

static void every_key_is_explained(void **state)
{
    unsigned n = 0;
    (void)state;
    mmu_config_keys(count_key, &n);
    assert_true(n > 80);
}

/* --- random machines --- */

static void roll_geometry(struct dice *d, uint32_t *entries, uint32_t *ways)
{
    *ways = 1 + dice_below(d, 16);
    *entries = *ways * (1 + dice_below(d, 64));
}

static void roll_tlbs(struct dice *d, struct mmu_config *c)
{
    c->levels = 1 + dice_below(d, MMU_MAX_LEVELS);
    c->tlbs = c->levels + dice_below(d, MMU_MAX_TLBS - c->levels + 1);
    for (uint32_t i = 0; i < c->tlbs; i++) {
        struct mmu_tlb_config *t = &c->tlb[i];
        snprintf(t->name, sizeof t->name, i % 3 ? "T %u:{\"'#\\" : "%u", (unsigned)i);
        t->level = i < c->levels ? i + 1 : 1 + dice_below(d, c->levels);
        t->kinds = 1 + dice_below(d, 7);
        t->pages = 1 + dice_below(d, 15);
        roll_geometry(d, &t->entries, &t->ways);
        if (dice_below(d, 2)) {
            t->index = MMU_INDEX_XOR;
            t->entries = t->ways << (1 + dice_below(d, 8));
        }
        t->policy = dice_below(d, MMU_POLICIES);
        if (t->policy == MMU_MRU3PLRU4) {
            t->entries = t->entries / t->ways * 12;
            t->ways = 12;
        }
        t->pcid_bound = dice_below(d, 2);
        t->pcids = t->pcid_bound ? dice_below(d, 4097) : 0;
        for (uint32_t p = 0; p < MMU_PAGES; p++)
            if ((t->pages >> p & 1) && dice_below(d, 2))
                t->way_mask[p] = dice_next(d) & ((UINT64_C(1) << t->ways) - 1);
    }
    for (uint32_t l = 0; l < c->levels; l++) {
        c->level[l].latency = dice_below(d, 100);
        c->level[l].no_fracture = dice_below(d, 2);
    }
}

static void roll_memory(struct dice *d, struct mmu_config *c)
{
    struct mmu_memory_config *m = &c->memory;
    m->caches = dice_below(d, MMU_MAX_CACHES + 1);
    for (uint32_t i = 0; i < m->caches; i++) {
        struct mmu_cache_config *k = &m->cache[i];
        snprintf(k->name, sizeof k->name, "L%u", (unsigned)i + 1);
        k->ways = 1 + dice_below(d, 16);
        k->line = 64;
        k->size = (uint64_t)k->line * k->ways * (1 + dice_below(d, 5000));
        k->latency = i * 50 + dice_below(d, 50);
        k->policy = dice_below(d, MMU_MRU3PLRU4);
    }
    m->dram_latency = 200 + dice_below(d, 1000);
    m->reads = m->caches ? dice_below(d, 2) : MMU_READS_FIXED;
    m->data = dice_below(d, m->reads == MMU_READS_CACHED ? 3 : 2);
    m->ram_ranges = dice_below(d, MMU_MAX_RAM_RANGES + 1);
    for (uint32_t i = 0; i < m->ram_ranges; i++)
        m->ram[i] = (struct mmu_ram_range){
            .start = (uint64_t)i << 34,
            .size = (1 + (dice_next(d) & 0x3fffff)) * 4096 % (UINT64_C(1) << 34) + 4096};
    for (uint32_t i = 0; i < m->ram_ranges; i++)
        if (m->ram[i].size > UINT64_C(1) << 34)
            m->ram[i].size = UINT64_C(1) << 34;
}

static void roll(struct dice *d, struct mmu_config *c)
{
    mmu_config_init(c);
    c->seed = dice_next(d);
    c->cores = 1 + dice_below(d, MMU_MAX_CORES);
    c->window = 1 + dice_below(d, MMU_MAX_WINDOW);
    roll_tlbs(d, c);
    roll_memory(d, c);
    c->psc.unified = dice_below(d, 2);
    c->psc.levels = c->psc.unified ? 1 + dice_below(d, 15) : 0;
    for (uint32_t i = 0; i < (c->psc.unified ? 1 : MMU_PSC_LEVELS); i++) {
        roll_geometry(d, &c->psc.array[i].entries, &c->psc.array[i].ways);
        c->psc.array[i].policy = dice_below(d, MMU_MRU3PLRU4);
    }
    c->pager.ranges = dice_below(d, MMU_MAX_PAGER_RANGES + 1);
    for (uint32_t i = 0; i < c->pager.ranges; i++) {
        c->pager.range[i].start = dice_next(d) & ~UINT64_C(0x3fffffff) & ~(UINT64_C(1) << 63);
        c->pager.range[i].end = c->pager.range[i].start + ((uint64_t)(1 + dice_below(d, 9)) << 30);
        c->pager.range[i].page = (uint32_t[]){MMU_4K, MMU_2M, MMU_1G}[dice_below(d, 3)];
    }
}

static void random_machines_round_trip(void **state)
{
    struct dice d = {.state = 20261122};
    struct mmu_config c;
    struct mmu_error err;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)d.state);
    for (unsigned i = 0; i < 500; i++) {
        roll(&d, &c);
        if (mmu_config_check(&c, &err))
            fail_msg("round %u: %s", i, err.message);
        check_round_trip(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_a_possible_machine),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(the_first_level_needs_no_latency),
        cmocka_unit_test(sets_apply_in_order),
        cmocka_unit_test(null_removes),
        cmocka_unit_test(paging_structure_caches_have_two_faces),
        cmocka_unit_test_setup_teardown(files_inherit, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(errors_name_the_file_that_said_it, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_machine_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_misspelt_machine_gets_a_suggestion, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_may_inherit_from_the_shipped_machine_of_its_name, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_list_is_sorted_and_the_first_folder_wins, make_folder,
                                        remove_folder),
        cmocka_unit_test(the_check_names_the_field),
        cmocka_unit_test(a_failed_write_shows),
        cmocka_unit_test(every_key_is_explained),
        cmocka_unit_test(random_machines_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
