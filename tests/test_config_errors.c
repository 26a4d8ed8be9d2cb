/* test_config_errors.c: every line that a wrong text, key, value or --set gets: its place, its words, its
 * suggestion. */
#include "refusal.h"
#include <mmusim/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Before any key is looked at. */
static const struct refusal REFUSED_BY_YAML[] = {
    {"", MMU_ERR_FORMAT, "t.yaml:1:1: empty; expected a mapping of a machine's keys"},
    {"# only a comment\n", MMU_ERR_FORMAT, "t.yaml:1:1: empty; expected a mapping of a machine's keys"},
    {"---\n", MMU_ERR_FORMAT, "t.yaml:2:1: expected a mapping of a machine's keys, got nothing"},
    {"just text\n", MMU_ERR_FORMAT, "t.yaml:1:1: expected a mapping of a machine's keys, got text"},
    {"[1, 2]\n", MMU_ERR_FORMAT, "t.yaml:1:1: expected a mapping of a machine's keys, got a list"},
    {"cpi: 1\n--- \ncpi: 2\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: a second document; expected one machine in a file"},
    {"cpi: 1\nseed: 2\ncpi: 1\n", MMU_ERR_FORMAT,
     "t.yaml:3:1: key 'cpi' is given twice, first at line 1; expected it once"},
    {"cpu: {nx: true, wp: true,\n  nx: false}\n", MMU_ERR_FORMAT,
     "t.yaml:2:3: key 'nx' is given twice, first at line 1; expected it once"},
    {"cpi: 1\n\twindow: 1\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: a tab; expected blanks (YAML is not indented with tabs)"},
    {"tlb:\n\tA: {}\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: a tab; expected blanks (YAML is not indented with tabs)"},
    {"title: \tx\n\tcpi: 1\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: a tab; expected blanks (YAML is not indented with tabs)"},
    {"title: \"a\xff\"\n", MMU_ERR_FORMAT,
     "t.yaml:1:10: invalid leading UTF-8 octet (0xff); expected UTF-8 text"},
    {"title: \"a\\0b\"\n", MMU_ERR_FORMAT, "t.yaml:1:8: a NUL character; expected text"},
    {"title: \"\\x01\"\n", MMU_ERR_INVALID,
     "t.yaml:1:1: title: expected UTF-8 text without control characters"},
    {"cpi: &x 1\n", MMU_ERR_FORMAT,
     "t.yaml:1:6: anchors and aliases are not taken here; expected the value itself, or inherit"},
    {"a: &x [1]\nb: [*x, *x]\n", MMU_ERR_FORMAT,
     "t.yaml:1:4: anchors and aliases are not taken here; expected the value itself, or inherit"},
    {"cpi: !!int 1\n", MMU_ERR_FORMAT, "t.yaml:1:6: tags are not taken here; expected the value itself"},
    {"cpi: [1\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: not YAML: while parsing a flow sequence, did not find expected ',' or ']'"},
    {"cpi: {\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: not YAML: while parsing a flow node, did not find expected node content"},
    {"cpi: 1\n  window: 2\n", MMU_ERR_FORMAT,
     "t.yaml:2:9: not YAML: mapping values are not allowed in this context"},
    {"cpi: \"1\n", MMU_ERR_FORMAT,
     "t.yaml:2:1: not YAML: while scanning a quoted scalar, found unexpected end of stream"},
    {"? [a]\n: 1\n", MMU_ERR_FORMAT, "t.yaml:1:3: a key that is a list; expected a word"},
    {"\xef\xbb\xbf"
     "cpi: 1\nwindw: 2\n",
     MMU_ERR_FORMAT, "t.yaml:2:1: unknown key 'windw'; did you mean 'window'?"},
    {"a: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n", MMU_ERR_FORMAT,
     "t.yaml:1:19: nested deeper than any machine needs"},
    {"cpi: @\n", MMU_ERR_FORMAT,
     "t.yaml:1:6: not YAML: while scanning for the next token, found character that cannot start any token"},
};

static void refused_by_yaml(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED_BY_YAML / sizeof REFUSED_BY_YAML[0]; i++)
        check_refusal(REFUSED_BY_YAML[i].text, NULL, &REFUSED_BY_YAML[i]);
    struct mmu_config config; /* nothing at all, as a caller may name it */
    struct mmu_error err = {0};
    assert_int_equal(mmu_config_parse(&config, NULL, 0, NULL, NULL, 0, &err), MMU_ERR_FORMAT);
    assert_string_equal(err.message, "empty; expected a mapping of a machine's keys");
}

/* Keys that mean nothing. */
static const struct refusal REFUSED_KEYS[] = {
    {"windwo: 1\n", MMU_ERR_FORMAT, "t.yaml:1:1: unknown key 'windwo'; did you mean 'window'?"},
    {"zzzzzzzz: 1\n", MMU_ERR_FORMAT,
     "t.yaml:1:1: unknown key 'zzzzzzzz'; expected one of name, inherit, title, seed, cores, cpi, window, "
     "cpu, levels, tlb, psc, walk, memory, pager, barrier, os"},
    {"cpu: {maxphyadr: 46}\n", MMU_ERR_FORMAT,
     "t.yaml:1:7: cpu: unknown key 'maxphyadr'; did you mean 'maxphyaddr'?"},
    {"cpu: {qqqq: 1}\n", MMU_ERR_FORMAT,
     "t.yaml:1:7: cpu: unknown key 'qqqq'; expected one of maxphyaddr, features, wp, invlpg, pse, pse36, "
     "pae, pge, long-mode, nx, page1g, la57, pcid, invpcid, smep, smap, pku, pks"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    wyas: 4\n",
     MMU_ERR_FORMAT, "t.yaml:8:5: tlb.A: unknown key 'wyas'; did you mean 'ways'?"},
    {"psc: {pde: {entires: 4}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:13: psc.pde: unknown key 'entires'; did you mean 'entries'?"},
    {"pager: {ranges: [{strat: 0}]}\n", MMU_ERR_FORMAT,
     "t.yaml:1:19: pager.ranges.0: unknown key 'strat'; did you mean 'start'?"},
    {"levels: {0: {latency: 1}}\n", MMU_ERR_RANGE, "t.yaml:1:10: levels.0: expected a number from 1 to 4"},
    {"levels: {5: {latency: 1}}\n", MMU_ERR_RANGE, "t.yaml:1:10: levels.5: expected a number from 1 to 4"},
    {"levels: {one: {latency: 1}}\n", MMU_ERR_RANGE,
     "t.yaml:1:10: levels.one: expected a number from 1 to 4"},
    {"Cpi: 1\n", MMU_ERR_FORMAT, "t.yaml:1:1: unknown key 'Cpi'; did you mean 'cpi'?"},
    {"\"a\\nb\": 1\n", MMU_ERR_FORMAT,
     "t.yaml:1:1: unknown key 'a?b'; expected one of name, inherit, title, seed, cores, cpi, window, cpu, "
     "levels, tlb, psc, walk, memory, pager, barrier, os"},
    {"1: 2\n", MMU_ERR_FORMAT,
     "t.yaml:1:1: unknown key '1'; expected one of name, inherit, title, seed, cores, cpi, window, cpu, "
     "levels, tlb, psc, walk, memory, pager, barrier, os"},
    {"memory: {ram: {start: 0}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:15: memory.ram: expected a list of mappings, got a mapping"},
};

static void refused_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED_KEYS / sizeof REFUSED_KEYS[0]; i++)
        check_refusal(REFUSED_KEYS[i].text, NULL, &REFUSED_KEYS[i]);
}

/* Values that are none, or out of range. */
static const struct refusal REFUSED_VALUES[] = {
    {"window: 0\n", MMU_ERR_RANGE, "t.yaml:1:9: window: expected a number from 1 to 1024, got '0'"},
    {"window: 1025\n", MMU_ERR_RANGE, "t.yaml:1:9: window: expected a number from 1 to 1024, got '1025'"},
    {"window: -1\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '-1'"},
    {"window: 1.5\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '1.5'"},
    {"window: 010\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '010'"},
    {"window: 1K\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '1K'"},
    {"window: \"\"\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got ''"},
    {"window:\n", MMU_ERR_FORMAT, "t.yaml:1:8: window: expected a number from 1 to 1024, got nothing"},
    {"window: ~\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got nothing"},
    {"window: [1]\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got a list"},
    {"window: {a: 1}\n", MMU_ERR_FORMAT,
     "t.yaml:1:9: window: expected a number from 1 to 1024, got a mapping"},
    {"window: 1e3\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '1e3'"},
    {"window: 0x\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '0x'"},
    {"window: + 1\n", MMU_ERR_FORMAT, "t.yaml:1:9: window: expected a number from 1 to 1024, got '+ 1'"},
    {"seed: 18446744073709551616\n", MMU_ERR_FORMAT,
     "t.yaml:1:7: seed: expected a number from 0 to 18446744073709551615, got '18446744073709551616'"},
    {"seed: 0x10000000000000000\n", MMU_ERR_FORMAT,
     "t.yaml:1:7: seed: expected a number from 0 to 18446744073709551615, got '0x10000000000000000'"},
    {"window: 18446744073709551615\n", MMU_ERR_RANGE,
     "t.yaml:1:9: window: expected a number from 1 to 1024, got '18446744073709551615'"},
    {"cores: 18446744073709551616\n", MMU_ERR_FORMAT,
     "t.yaml:1:8: cores: expected a number from 1 to 64, got '18446744073709551616'"},
    {"walk: {walkers: 0}\n", MMU_ERR_RANGE,
     "t.yaml:1:17: walk.walkers: expected a number from 1 to 64, got '0'"},
    {"walk: {start: 1000000001}\n", MMU_ERR_RANGE,
     "t.yaml:1:15: walk.start: expected a number from 0 to 1000000000, got '1000000001'"},
    {"cpu: {maxphyaddr: 53}\n", MMU_ERR_RANGE,
     "t.yaml:1:19: cpu.maxphyaddr: expected a number from 32 to 52, got '53'"},
    {"cpu: {maxphyaddr: 31}\n", MMU_ERR_RANGE,
     "t.yaml:1:19: cpu.maxphyaddr: expected a number from 32 to 52, got '31'"},
    {"cpu: {nx: maybe}\n", MMU_ERR_FORMAT, "t.yaml:1:11: cpu.nx: expected true or false, got 'maybe'"},
    {"cpu: {nx: 1}\n", MMU_ERR_FORMAT, "t.yaml:1:11: cpu.nx: expected true or false, got '1'"},
    {"cpu: {nx: [true]}\n", MMU_ERR_FORMAT, "t.yaml:1:11: cpu.nx: expected true or false, got a list"},
    {"cpu: {features: [nx, pxe]}\n", MMU_ERR_FORMAT,
     "t.yaml:1:22: cpu.features: unknown value 'pxe'; did you mean 'pse'? expected one of wp, invlpg, pse, "
     "pse36, pae, pge, long-mode, nx, page1g, la57, pcid, invpcid, smep, smap, pku, pks"},
    {"cpu: {features: nx}\n", MMU_ERR_FORMAT,
     "t.yaml:1:17: cpu.features: expected a list of features, as [wp, invlpg, pse], got 'nx'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "replacement: lur\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:18: tlb.A.replacement: unknown value 'lur'; did you mean 'lru'? expected one of lru, plru, "
     "tree-plru, fifo, random, nmru, not-mru, mru3plru4, user"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "replacement: [lru]\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:18: tlb.A.replacement: expected one of lru, plru, tree-plru, fifo, random, nmru, not-mru, "
     "mru3plru4, user, got a list"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "replacement: ~\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:18: tlb.A.replacement: expected one of lru, plru, tree-plru, fifo, random, nmru, not-mru, "
     "mru3plru4, user, got nothing"},
    {"tlb:\n  A:\n    level: 1\n    serves: [load, stoer]\n    pages: 4K\n    entries: 64\n    ways: 4\n",
     MMU_ERR_FORMAT,
     "t.yaml:4:20: tlb.A.serves: unknown value 'stoer'; did you mean 'store'? expected one of fetch, load, "
     "store, data, all"},
    {"tlb:\n  A:\n    level: 1\n    serves: []\n    pages: 4K\n    entries: 64\n    ways: 4\n",
     MMU_ERR_FORMAT,
     "t.yaml:4:13: tlb.A.serves: expected a list of some of fetch, load, store, data, all, got an empty "
     "list"},
    {"tlb:\n  A:\n    level: 1\n    serves: {load: 1}\n    pages: 4K\n    entries: 64\n    ways: 4\n",
     MMU_ERR_FORMAT,
     "t.yaml:4:13: tlb.A.serves: expected a list of some of fetch, load, store, data, all, got a mapping"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: [4k]\n    entries: 64\n    ways: 4\n",
     MMU_ERR_FORMAT,
     "t.yaml:5:13: tlb.A.pages: unknown value '4k'; did you mean '4K'? expected one of 4K, 2M, 4M, 1G"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 8K\n    entries: 64\n    ways: 4\n",
     MMU_ERR_FORMAT,
     "t.yaml:5:12: tlb.A.pages: unknown value '8K'; did you mean '4K'? expected one of 4K, 2M, 4M, 1G"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    index: "
     "xor-0\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:12: tlb.A.index: expected linear, xor, or xor-N with N from 1 to 31, got 'xor-0'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    index: "
     "xor-32\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:12: tlb.A.index: expected linear, xor, or xor-N with N from 1 to 31, got 'xor-32'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    index: "
     "xor-x\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:12: tlb.A.index: expected linear, xor, or xor-N with N from 1 to 31, got 'xor-x'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    index: "
     "liner\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:12: tlb.A.index: unknown value 'liner'; did you mean 'linear'? expected one of linear, xor"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    pcids: "
     "none\n",
     MMU_ERR_FORMAT, "t.yaml:8:12: tlb.A.pcids: expected a number from 0 to 4096, or unlimited, got 'none'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    pcids: "
     "4097\n",
     MMU_ERR_FORMAT, "t.yaml:8:12: tlb.A.pcids: expected a number from 0 to 4096, or unlimited, got '4097'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 0\n",
     MMU_ERR_RANGE, "t.yaml:7:11: tlb.A.ways: expected a number from 1 to 4096, or full, got '0'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: ful\n",
     MMU_ERR_FORMAT, "t.yaml:7:11: tlb.A.ways: expected a number from 1 to 4096, or full, got 'ful'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4097\n",
     MMU_ERR_RANGE, "t.yaml:7:11: tlb.A.ways: expected a number from 1 to 4096, or full, got '4097'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 0\n    ways: 4\n",
     MMU_ERR_RANGE, "t.yaml:6:14: tlb.A.entries: expected a number from 1 to 1048576, got '0'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 1048577\n    ways: 4\n",
     MMU_ERR_RANGE, "t.yaml:6:14: tlb.A.entries: expected a number from 1 to 1048576, got '1048577'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: 0xf\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:16: tlb.A.way-masks: expected a mapping of page sizes to way masks, as {4K: 0xff, 2M: 0xf00}, "
     "got '0xf'"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: {4K: 0}\n",
     MMU_ERR_RANGE,
     "t.yaml:8:21: tlb.A.way-masks: 4K: expected a number from 1 to 0xffffffffffffffff, got 0"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: {4L: 1}\n",
     MMU_ERR_FORMAT,
     "t.yaml:8:17: tlb.A.way-masks: unknown value '4L'; did you mean '4K'? expected one of 4K, 2M, 4M, 1G"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: {4K: 18446744073709551616}\n",
     MMU_ERR_RANGE,
     "t.yaml:8:21: tlb.A.way-masks: 4K: expected a number from 1 to 0xffffffffffffffff, got "
     "18446744073709551616"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: {4K: [1]}\n",
     MMU_ERR_RANGE,
     "t.yaml:8:21: tlb.A.way-masks: 4K: expected a number from 1 to 0xffffffffffffffff, got a list"},
    {"levels: {2: {serial: 7}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:22: levels.2.serial: expected a mapping of page sizes to cycles, as {4K: 7, 2M: 7}, got '7'"},
    {"levels: {2: {serial: {4K: 1000000001}}}\n", MMU_ERR_RANGE,
     "t.yaml:1:27: levels.2.serial: 4K: expected a number from 0 to 0x3b9aca00, got 1000000001"},
    {"levels: {2: 7}\n", MMU_ERR_FORMAT, "t.yaml:1:13: levels.2: expected a mapping of its fields, got text"},
    {"levels: [1]\n", MMU_ERR_FORMAT,
     "t.yaml:1:9: levels: expected a mapping of numbers, from 1, to their fields, got a list"},
    {"tlb: [1]\n", MMU_ERR_FORMAT,
     "t.yaml:1:6: tlb: expected a mapping of names to their fields, got a list"},
    {"tlb: {A: 1}\n", MMU_ERR_FORMAT, "t.yaml:1:10: tlb.A: expected a mapping of its fields, got text"},
    {"tlb: {A: null}\n", MMU_ERR_INVALID, "t.yaml:1:7: tlb.A: there is none to remove"},
    {"memory: {caches: {L1: {size: 32k}}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:30: memory.caches.L1.size: expected a number from 1 to 4G (K, M, G, T are powers of 1024), "
     "got '32k'"},
    {"memory: {caches: {L1: {size: 99999999999999999999G}}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:30: memory.caches.L1.size: expected a number from 1 to 4G (K, M, G, T are powers of 1024), "
     "got '99999999999999999999G'"},
    {"memory: {caches: {L1: {size: 5G}}}\n", MMU_ERR_RANGE,
     "t.yaml:1:30: memory.caches.L1.size: expected a number from 1 to 4G (K, M, G, T are powers of 1024), "
     "got '5G'"},
    {"memory: {ram: [0]}\n", MMU_ERR_FORMAT,
     "t.yaml:1:16: memory.ram.0: expected a mapping of its fields, got text"},
    {"memory: {ram: 64G}\n", MMU_ERR_FORMAT,
     "t.yaml:1:15: memory.ram: expected a list of mappings, got text"},
    {"memory: {caches: {A: {}, B: {}, C: {}, D: {}, E: {}}}\n", MMU_ERR_RANGE,
     "t.yaml:1:47: memory.caches.E: too many; expected at most 4"},
    {"title: [a]\n", MMU_ERR_FORMAT, "t.yaml:1:8: title: expected text of at most 127 bytes, got a list"},
    {"name: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n", MMU_ERR_FORMAT,
     "t.yaml:1:7: name: expected text of at most 63 bytes, got "
     "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...'"},
    {"title: "
     "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
     "ttttttttttttttttttttttttt\n",
     MMU_ERR_FORMAT,
     "t.yaml:1:8: title: expected text of at most 127 bytes, got "
     "'tttttttttttttttttttttttttttttttttttttttttttt...'"},
    {"name: \"\"\n", MMU_ERR_INVALID, "t.yaml:1:1: name: empty; expected a name"},
    {"name: \"a\\tb\"\n", MMU_ERR_INVALID, "t.yaml:1:1: name: expected printable ASCII characters"},
    {"title: \"a\\nb\"\n", MMU_ERR_INVALID,
     "t.yaml:1:1: title: expected UTF-8 text without control characters"},
    {"tlb: {xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: {level: 1}}\n", MMU_ERR_RANGE,
     "t.yaml:1:7: tlb.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: expected a name of at most 63 bytes"},
    {"inherit: [a]\n", MMU_ERR_FORMAT,
     "t.yaml:1:10: inherit: expected the name of a machine, or a file, got a list"},
    {"inherit:\n", MMU_ERR_FORMAT,
     "t.yaml:1:9: inherit: expected the name of a machine, or a file, got nothing"},
    {"inherit: /\n", MMU_ERR_IO, "t.yaml:1:10: inherit: '/' is not a regular file; expected a YAML file"},
    {"inherit: /dev/null\n", MMU_ERR_IO,
     "t.yaml:1:10: inherit: '/dev/null' is not a regular file; expected a YAML file"},
    {"psc: 4\n", MMU_ERR_FORMAT, "t.yaml:1:6: psc: expected a mapping of its keys, got text"},
    {"psc: {pde: 4}\n", MMU_ERR_FORMAT, "t.yaml:1:12: psc.pde: expected a mapping of its keys, got text"},
    {"psc: {pde: {entries: 4, ways: 4}, unified: {entries: 4, ways: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:35: psc: 'pde' and 'unified' exclude each other; expected one of them"},
    {"pager: {mode: x86-64}\n", MMU_ERR_FORMAT,
     "t.yaml:1:15: pager.mode: unknown value 'x86-64'; did you mean 'x86_64'? expected one of off, i386, "
     "i386_pae, pae, x86_64, 4-level, x86_64_la57, 5-level"},
    {"pager: {frames: rnadom}\n", MMU_ERR_FORMAT,
     "t.yaml:1:17: pager.frames: unknown value 'rnadom'; did you mean 'random'? expected one of sequential, "
     "random"},
    {"pager: {page: 2m}\n", MMU_ERR_FORMAT,
     "t.yaml:1:15: pager.page: unknown value '2m'; did you mean '2M'? expected one of 4K, 2M, 4M, 1G"},
    {"tlb: {T0: {level: 1}, T1: {level: 1}, T2: {level: 1}, T3: {level: 1}, T4: {level: 1}, T5: {level: 1}, "
     "T6: {level: 1}, T7: {level: 1}, T8: {level: 1}, T9: {level: 1}, T10: {level: 1}, T11: {level: 1}, T12: "
     "{level: 1}, T13: {level: 1}, T14: {level: 1}, T15: {level: 1}, T16: {level: 1}}\n",
     MMU_ERR_RANGE, "t.yaml:1:269: tlb.T16: too many; expected at most 16"},
};

static void refused_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED_VALUES / sizeof REFUSED_VALUES[0]; i++)
        check_refusal(REFUSED_VALUES[i].text, NULL, &REFUSED_VALUES[i]);
}

static const char BASE[] = "tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    "
                           "ways: 4\n  B: {level: 2, serves: all, pages: [4K, 2M], entries: 96, ways: "
                           "6}\nlevels: {2: {latency: 7}}\nmemory: {ram: [{start: 0, size: 4G}]}\n";

/* The same quality for --set, which has no line. */
static const struct refusal REFUSED_SETS[] = {
    {"", MMU_ERR_FORMAT, "--set : expected path=value, as tlb.STLB.entries=1024"},
    {"=", MMU_ERR_FORMAT, "--set =: expected path=value, as tlb.STLB.entries=1024"},
    {"window", MMU_ERR_FORMAT, "--set window: expected path=value, as tlb.STLB.entries=1024"},
    {"=3", MMU_ERR_FORMAT, "--set =3: expected path=value, as tlb.STLB.entries=1024"},
    {"window=", MMU_ERR_FORMAT, "--set window=: expected a number from 1 to 1024, got nothing"},
    {"window=x", MMU_ERR_FORMAT, "--set window=x: expected a number from 1 to 1024, got 'x'"},
    {"windwo=3", MMU_ERR_FORMAT, "--set windwo=3: unknown key 'windwo'; did you mean 'window'?"},
    {"tlb.A.ways=5", MMU_ERR_INVALID,
     "--set tlb.A.ways=5: tlb.A.entries: 64 entries cannot be divided into sets of 5 ways; expected a "
     "multiple of 5"},
    {"tlb.B.entries=97", MMU_ERR_INVALID,
     "--set tlb.B.entries=97: tlb.B.entries: 97 entries cannot be divided into sets of 6 ways; expected a "
     "multiple of 6"},
    {"tlb.C.ways=4", MMU_ERR_INVALID, "--set tlb.C.ways=4: tlb: there is no 'C'; expected a name, or 0 to 1"},
    {"tlb.AA=~", MMU_ERR_INVALID, "--set tlb.AA=~: there is none to remove"},
    {"tlb.2.ways=4", MMU_ERR_INVALID, "--set tlb.2.ways=4: tlb: there is no '2'; expected a name, or 0 to 1"},
    {"tlb.A.wyas=3", MMU_ERR_FORMAT, "--set tlb.A.wyas=3: tlb.A: unknown key 'wyas'; did you mean 'ways'?"},
    {"tlb.A", MMU_ERR_FORMAT, "--set tlb.A: expected path=value, as tlb.STLB.entries=1024"},
    {"tlb.A=3", MMU_ERR_FORMAT, "--set tlb.A=3: expected a mapping of its fields, got text"},
    {"tlb=3", MMU_ERR_FORMAT, "--set tlb=3: expected a mapping of names to their fields, got text"},
    {"tlb=", MMU_ERR_INVALID,
     "t.yaml:9:1: levels: no structure under tlb has level 1; expected one, or no such level (levels=null "
     "removes all)"},
    {"tlb={}", MMU_ERR_INVALID,
     "t.yaml:9:1: levels: no structure under tlb has level 1; expected one, or no such level (levels=null "
     "removes all)"},
    {"tlb.A.ways.x=3", MMU_ERR_FORMAT,
     "--set tlb.A.ways.x=3: tlb.A.ways: has no parts; expected tlb.A.ways=value"},
    {"window.x=3", MMU_ERR_FORMAT, "--set window.x=3: window: has no parts; expected window=value"},
    {"cpu.pxe=true", MMU_ERR_FORMAT, "--set cpu.pxe=true: cpu: unknown key 'pxe'; did you mean 'pse'?"},
    {"cpu.nx.x=1", MMU_ERR_FORMAT, "--set cpu.nx.x=1: cpu.nx: has no parts; expected cpu.nx=value"},
    {"cpu=4", MMU_ERR_FORMAT, "--set cpu=4: expected a mapping of its keys, got text"},
    {"cpu.features=[nx", MMU_ERR_FORMAT,
     "--set cpu.features=[nx: column 1 of the value: not YAML: while parsing a flow sequence, did not find "
     "expected ',' or ']'"},
    {"cpu.features=nx", MMU_ERR_FORMAT,
     "--set cpu.features=nx: expected a list of features, as [wp, invlpg, pse], got 'nx'"},
    {"levels.3.latency=4", MMU_ERR_INVALID,
     "--set levels.3.latency=4: levels: there is no '3'; expected 1 to 2"},
    {"levels.0.latency=1", MMU_ERR_INVALID,
     "--set levels.0.latency=1: levels: there is no '0'; expected 1 to 2"},
    {"levels.1=~", MMU_ERR_INVALID, "--set levels.1=~: only the last one, 2, can be removed"},
    {"levels.2=~", MMU_ERR_INVALID,
     "--set levels.2=~: tlb.B.level: level 2 is not described; expected its latency under levels.2"},
    {"tlb.A=~", MMU_ERR_INVALID,
     "t.yaml:9:1: levels: no structure under tlb has level 1; expected one, or no such level"},
    {"tlb.B=~", MMU_ERR_INVALID,
     "t.yaml:9:1: levels: no structure under tlb has level 2; expected one, or no such level"},
    {"memory.ram.1.start=4G", MMU_ERR_INVALID,
     "--set memory.ram.1.start=4G: memory.ram: there is no '1'; expected 0 to 0"},
    {"memory.ram.0.size=0", MMU_ERR_RANGE,
     "--set memory.ram.0.size=0: expected a number from 4K to 4096T (K, M, G, T are powers of 1024), got "
     "'0'"},
    {"memory.ram.0=5", MMU_ERR_FORMAT,
     "--set memory.ram.0=5: expected one of its fields, as memory.ram.0.start"},
    {"memory.ram=[{start: 1}]", MMU_ERR_INVALID,
     "--set memory.ram=[{start: 1}]: memory.ram.0.size: 0 (or not given) is out of range; expected 4096 to "
     "4503599627370496"},
    {"memory.ram.0.start=1", MMU_ERR_INVALID,
     "--set memory.ram.0.start=1: memory.ram.0.start: 0x1 is not aligned; expected a multiple of 4K"},
    {"inherit=zen2", MMU_ERR_INVALID, "--set inherit=zen2: cannot be set; expected a file that inherits"},
    {"name=", MMU_ERR_INVALID, "--set name=: name: empty; expected a name"},
    {"tlb..ways=3", MMU_ERR_INVALID, "--set tlb..ways=3: tlb: there is no ''; expected a name, or 0 to 1"},
    {".=1", MMU_ERR_FORMAT,
     "--set .=1: unknown key ''; expected one of name, inherit, title, seed, cores, cpi, window, cpu, "
     "levels, tlb, psc, walk, memory, pager, barrier, os"},
    {"tlb.A.=1", MMU_ERR_FORMAT,
     "--set tlb.A.=1: tlb.A: unknown key ''; expected one of level, serves, pages, entries, ways, index, "
     "replacement, pcids, way-masks"},
    {"seed=99999999999999999999", MMU_ERR_FORMAT,
     "--set seed=99999999999999999999: expected a number from 0 to 18446744073709551615, got "
     "'99999999999999999999'"},
    {"cpu.pae=false", MMU_ERR_INVALID,
     "--set cpu.pae=false: cpu.nx: a processor with this feature also has cpu.pae"},
    {"cpu.page1g=false\nx", MMU_ERR_FORMAT,
     "--set cpu.page1g=false?x: expected true or false, got 'false?x'"},
    {"window=1 2", MMU_ERR_FORMAT, "--set window=1 2: expected a number from 1 to 1024, got '1 2'"},
    {"tlb.N={level: 1}", MMU_ERR_INVALID,
     "--set tlb.N={level: 1}: tlb.N.serves: empty, or not given; expected at least one"},
    {"psc.unified.entries=8", MMU_ERR_INVALID,
     "--set psc.unified.entries=8: psc.unified.ways: 0 (or not given) ways of 8 entries; expected 1 to 8, or "
     "full"},
    {"tlb.A={level: 1, level: 2}", MMU_ERR_FORMAT,
     "--set tlb.A={level: 1, level: 2}: column 12 of the value: key 'level' is given twice, first at line 1; "
     "expected it once"},
    {"memory.caches.L1.size=1", MMU_ERR_INVALID,
     "--set memory.caches.L1.size=1: memory.caches: there is no 'L1'; the machine has none"},
    {"title="
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     MMU_ERR_FORMAT,
     "--set "
     "title="
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: "
     "expected text of at most 127 bytes, got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'"},
};

static void refused_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED_SETS / sizeof REFUSED_SETS[0]; i++)
        check_refusal(BASE, REFUSED_SETS[i].text, &REFUSED_SETS[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_by_yaml),
        cmocka_unit_test(refused_keys),
        cmocka_unit_test(refused_values),
        cmocka_unit_test(refused_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
