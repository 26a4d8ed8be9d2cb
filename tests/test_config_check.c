/* test_config_check.c: machines that cannot exist, and the line and column of the key to blame. */
#include "refusal.h"
#include <mmusim/config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Each rule of config_check.c. */
static const struct refusal REFUSED_MACHINES[] = {
    {"name: \"\xc3\xa9\"\n", MMU_ERR_INVALID, "t.yaml:1:1: name: expected printable ASCII characters"},
    {"tlb: {\"a.b\": {level: 1, serves: data, pages: 4K, entries: 64, ways: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:7: tlb.a.b: expected a name of printable ASCII characters without '.' and '=', no blank at "
     "either end"},
    {"tlb: {\" a\": {level: 1, serves: data, pages: 4K, entries: 64, ways: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:7: tlb. a: expected a name of printable ASCII characters without '.' and '=', no blank at "
     "either end"},
    {"tlb: {\"\": {level: 1, serves: data, pages: 4K, entries: 64, ways: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:7: tlb.0: expected a name of 1 to 63 characters"},
    {"tlb:\n  A: {}\n", MMU_ERR_INVALID,
     "t.yaml:2:3: tlb.A.level: 0 (or not given) is out of range; expected 1 to 4"},
    {"tlb:\n  A:\n    level: 1\n    pages: 4K\n    entries: 64\n    ways: 4\n", MMU_ERR_INVALID,
     "t.yaml:2:3: tlb.A.serves: empty, or not given; expected at least one"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    entries: 64\n    ways: 4\n", MMU_ERR_INVALID,
     "t.yaml:2:3: tlb.A.pages: empty, or not given; expected at least one"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    ways: 4\n", MMU_ERR_INVALID,
     "t.yaml:2:3: tlb.A.entries: 0 (or not given) is out of range; expected 1 to 1048576"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n", MMU_ERR_INVALID,
     "t.yaml:2:3: tlb.A.ways: 0 (or not given) is out of range; expected 1 to 4096"},
    {"tlb:\n  A:\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n", MMU_ERR_INVALID,
     "t.yaml:2:3: tlb.A.level: 0 (or not given) is out of range; expected 1 to 4"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 63\n    ways: 4\n",
     MMU_ERR_INVALID,
     "t.yaml:6:5: tlb.A.entries: 63 entries cannot be divided into sets of 4 ways; expected a multiple of 4"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 65\n",
     MMU_ERR_INVALID, "t.yaml:7:5: tlb.A.ways: 65 ways of 64 entries; expected 1 to 64, or full"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 48\n",
     MMU_ERR_INVALID,
     "t.yaml:6:5: tlb.A.entries: 64 entries cannot be divided into sets of 48 ways; expected a multiple of "
     "48"},
    {"tlb:\n  A: {level: 1, serves: data, pages: 4K, ways: 7,\n      entries: 64}\n", MMU_ERR_INVALID,
     "t.yaml:3:7: tlb.A.entries: 64 entries cannot be divided into sets of 7 ways; expected a multiple of 7"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    index: "
     "xor-5\n",
     MMU_ERR_INVALID, "t.yaml:8:5: tlb.A.index: xor-5 needs 2^5 = 32 sets; 64 entries of 4 ways are 16"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    index: "
     "xor-7\n",
     MMU_ERR_INVALID, "t.yaml:8:5: tlb.A.index: xor-7 needs 2^7 = 128 sets; 64 entries of 4 ways are 16"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 36\n    ways: 4\n    index: "
     "xor\n",
     MMU_ERR_INVALID,
     "t.yaml:8:5: tlb.A.index: xor with 9 sets (36 entries, 4 ways); expected 2^N sets, N at least 1"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: full\n    index: "
     "xor\n",
     MMU_ERR_INVALID,
     "t.yaml:8:5: tlb.A.index: xor with 1 sets (64 entries, 64 ways); expected 2^N sets, N at least 1"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 30\n    ways: 6\n    "
     "replacement: mru3plru4\n",
     MMU_ERR_INVALID,
     "t.yaml:8:5: tlb.A.replacement: mru3plru4 with 6 ways; expected groups of four (12 ways in Skylake), at "
     "most 48 ways"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 104\n    ways: 52\n    "
     "replacement: mru3plru4\n",
     MMU_ERR_INVALID,
     "t.yaml:8:5: tlb.A.replacement: mru3plru4 with 52 ways; expected groups of four (12 ways in Skylake), "
     "at most 48 ways"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 130\n    ways: 65\n    "
     "replacement: plru\n",
     MMU_ERR_INVALID, "t.yaml:8:5: tlb.A.replacement: plru with 65 ways; expected at most 64 ways"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 8192\n    ways: full\n",
     MMU_ERR_INVALID, "t.yaml:7:5: tlb.A.ways: 8192 is out of range; expected 1 to 4096"},
    {"tlb:\n  A:\n    level: 2\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n",
     MMU_ERR_INVALID,
     "t.yaml:3:5: tlb.A.level: level 2 is not described; expected its latency under levels.2"},
    {"tlb:\n  A:\n    level: 3\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\nlevels: {2: "
     "{latency: 3}}\n",
     MMU_ERR_INVALID,
     "t.yaml:3:5: tlb.A.level: level 3 is not described; expected its latency under levels.3"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\nlevels: {2: "
     "{latency: 3}}\n",
     MMU_ERR_INVALID,
     "t.yaml:8:1: levels: no structure under tlb has level 2; expected one, or no such level"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\nlevels: {1: "
     "{serial: {4K: 3}}}\n",
     MMU_ERR_INVALID, "t.yaml:8:14: levels.1.serial: the first level is looked up at once; expected latency"},
    {"tlb:\n  A:\n    level: 2\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\nlevels: {2: "
     "{serial: {4K: 3, 2M: 4}}}\n",
     MMU_ERR_INVALID,
     "t.yaml:8:1: levels: no structure under tlb has level 1; expected one, or no such level"},
    {"levels: {1: {latency: 0}, 2: {serial: {2M: 4}}}\ntlb:\n  A:\n    level: 2\n    serves: data\n    "
     "pages: [4K, 2M]\n    entries: 64\n    ways: 4\n  B: {level: 1, serves: fetch, pages: 4K, entries: 4, "
     "ways: 4}\n",
     MMU_ERR_INVALID,
     "t.yaml:1:31: levels.2.serial: 4K pages are held but not probed; expected exactly the sizes that the "
     "level's structures hold"},
    {"levels: {2: {serial: {4K: 4}, latency: 3}}\ntlb:\n  A:\n    level: 2\n    serves: data\n    pages: "
     "4K\n    entries: 64\n    ways: 4\n  B: {level: 1, serves: fetch, pages: 4K, entries: 4, ways: 4}\n",
     MMU_ERR_INVALID,
     "t.yaml:1:31: levels.2.latency: both latency and serial are given; expected one of them, the other 0 or "
     "null"},
    {"cpu: {page1g: false}\ntlb:\n  A:\n    level: 1\n    serves: data\n    pages: [4K, 1G]\n    entries: "
     "64\n    ways: 4\n",
     MMU_ERR_INVALID, "t.yaml:6:5: tlb.A.pages: 1G pages on a processor without them; expected cpu.page1g"},
    {"cpu: {features: [wp, pse]}\npager: {mode: i386}\ntlb:\n  A:\n    level: 1\n    serves: data\n    "
     "pages: [4K, 2M]\n    entries: 64\n    ways: 4\n",
     MMU_ERR_INVALID, "t.yaml:7:5: tlb.A.pages: 2M pages on a processor without them; expected cpu.pae"},
    {"cpu: {features: [wp]}\npager: {mode: i386}\ntlb:\n  A:\n    level: 1\n    serves: data\n    pages: "
     "[4M]\n    entries: 64\n    ways: 4\n",
     MMU_ERR_INVALID, "t.yaml:7:5: tlb.A.pages: 4M pages on a processor without them; expected cpu.pse"},
    {"cpu: {pcid: false}\ntlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    "
     "ways: 4\n    pcids: 4\n",
     MMU_ERR_INVALID,
     "t.yaml:9:5: tlb.A.pcids: a bound on PCIDs on a processor without PCID; expected cpu.pcid"},
    {"cpu: {features: []}\npager: {mode: i386}\ntlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n  "
     "  entries: 64\n    ways: 4\n    pcids: 0\n",
     MMU_ERR_INVALID,
     "t.yaml:10:5: tlb.A.pcids: a bound on PCIDs on a processor without PCID; expected cpu.pcid"},
    {"cpu: {features: [pse36]}\npager: {mode: i386}\n", MMU_ERR_INVALID,
     "t.yaml:1:18: cpu.pse36: a processor with this feature also has cpu.pse"},
    {"cpu: {pae: false}\n", MMU_ERR_INVALID,
     "t.yaml:1:7: cpu.nx: a processor with this feature also has cpu.pae"},
    {"cpu: {long-mode: false}\n", MMU_ERR_INVALID,
     "t.yaml:1:7: cpu.page1g: a processor with this feature also has cpu.long-mode"},
    {"cpu: {features: [pae, long-mode, pcid]}\npager: {mode: i386_pae, page: 4M}\n", MMU_ERR_INVALID,
     "t.yaml:2:25: pager.page: 4M pages do not exist in the pager's paging mode"},
    {"cpu: {features: [pae]}\n", MMU_ERR_INVALID,
     "t.yaml:1:7: pager.mode: the processor lacks this paging mode; expected cpu.long-mode"},
    {"cpu: {la57: false}\npager: {mode: x86_64_la57}\n", MMU_ERR_INVALID,
     "t.yaml:2:9: pager.mode: the processor lacks this paging mode; expected cpu.la57"},
    {"pager: {mode: off}\n", MMU_ERR_INVALID,
     "t.yaml:1:9: pager.mode: off, but the pager is enabled; expected a paging mode"},
    {"pager: {mode: i386, page: 2M}\n", MMU_ERR_INVALID,
     "t.yaml:1:21: pager.page: 2M pages do not exist in the pager's paging mode"},
    {"pager: {page: 4M}\n", MMU_ERR_INVALID,
     "t.yaml:1:9: pager.page: 4M pages do not exist in the pager's paging mode"},
    {"cpu: {page1g: false}\npager: {page: 1G}\n", MMU_ERR_INVALID,
     "t.yaml:2:9: pager.page: 1G pages on a processor without them; expected cpu.page1g"},
    {"cpu: {pse: false, pse36: false}\npager: {mode: i386, page: 4M}\n", MMU_ERR_INVALID,
     "t.yaml:2:21: pager.page: 4M pages on a processor without them; expected cpu.pse"},
    {"pager: {ranges: [{start: 0, end: 2M, page: 4M}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:38: pager.ranges.0.page: 4M pages do not exist in the pager's paging mode"},
    {"pager: {ranges: [{start: 2M, end: 1M, page: 4K}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:30: pager.ranges.0.end: 0x100000; expected more than start (0x200000)"},
    {"pager: {ranges: [{start: 1M, end: 2M, page: 2M}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:19: pager.ranges.0.start: 0x100000 cuts a page that is mapped here; expected a multiple of "
     "0x200000"},
    {"pager: {page: 2M, ranges: [{start: 0, end: 4K, page: 4K}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:39: pager.ranges.0.end: 0x1000 cuts a page that is mapped here; expected a multiple of "
     "0x200000"},
    {"pager:\n  ranges:\n    - {start: 4K, end: 8K, page: 4K}\n    - {start: 0, end: 2M, page: 2M}\n",
     MMU_ERR_INVALID,
     "t.yaml:3:8: pager.ranges.0.start: 0x1000 cuts a page that is mapped here; expected a multiple of "
     "0x200000"},
    {"psc: {pde: {entries: 6, ways: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:13: psc.pde.entries: 6 entries cannot be divided into sets of 4 ways; expected a multiple of "
     "4"},
    {"psc: {pde: {entries: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:13: psc.pde.ways: 0 (or not given) ways of 4 entries; expected 1 to 4, or full"},
    {"psc: {pde: {ways: 4}}\n", MMU_ERR_INVALID,
     "t.yaml:1:13: psc.pde.ways: 4 ways of no entries; expected 0 or full"},
    {"psc: {pde: {entries: 4, ways: full, replacement: user}}\n", MMU_ERR_FORMAT,
     "t.yaml:1:50: psc.pde.replacement: unknown value 'user'; expected one of lru, plru, tree-plru, fifo, "
     "random, nmru, not-mru, mru3plru4"},
    {"cpu: {la57: false}\npsc: {pml5e: {entries: 4, ways: full}}\n", MMU_ERR_INVALID,
     "t.yaml:2:15: psc.pml5e.entries: this cache on a processor without cpu.la57"},
    {"cpu: {features: [pae]}\npager: {mode: pae}\npsc: {pdpte: {entries: 4, ways: full}}\n", MMU_ERR_INVALID,
     "t.yaml:3:15: psc.pdpte.entries: this cache on a processor without cpu.long-mode; expected only pde"},
    {"psc: {unified: {entries: 24, ways: 5}}\n", MMU_ERR_INVALID,
     "t.yaml:1:17: psc.unified.entries: 24 entries cannot be divided into sets of 5 ways; expected a "
     "multiple of 5"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: {2M: 0xf}\n",
     MMU_ERR_INVALID, "t.yaml:8:5: tlb.A.way-masks: a mask for 2M pages, which the structure does not hold"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 64\n    ways: 4\n    "
     "way-masks: {4K: 0x10}\n",
     MMU_ERR_INVALID,
     "t.yaml:8:5: tlb.A.way-masks: 0x10 for 4K pages names ways that do not exist; expected at most 0xf"},
    {"tlb:\n  A:\n    level: 1\n    serves: data\n    pages: 4K\n    entries: 128\n    ways: full\n    "
     "way-masks: {4K: 1}\n",
     MMU_ERR_INVALID, "t.yaml:8:5: tlb.A.way-masks: masks with 128 ways; expected at most 64 ways"},
    {"memory: {reads: cached}\n", MMU_ERR_INVALID,
     "t.yaml:1:10: memory.reads: cached without any cache; expected memory.caches, or fixed"},
    {"memory: {data: shared}\n", MMU_ERR_INVALID,
     "t.yaml:1:10: memory.data: data shares the caches of page-table reads; expected memory.reads: cached"},
    {"memory: {reads: cached, caches: {L1: {size: 32K, ways: 8, line: 48, latency: 4}}, dram-latency: 9}\n",
     MMU_ERR_INVALID, "t.yaml:1:59: memory.caches.L1.line: 48 bytes; expected a power of two"},
    {"memory: {reads: cached, caches: {L1: {size: 32K, ways: 8, line: 64, latency: 4}}, dram-latency: 3}\n",
     MMU_ERR_INVALID, "t.yaml:1:83: memory.dram-latency: 3 cycles, fewer than L1 (4)"},
    {"memory:\n  reads: cached\n  dram-latency: 99\n  caches:\n    L1: {size: 32K, ways: 8, line: 64, "
     "latency: 4}\n    L2: {size: 256K, ways: 8, line: 32, latency: 12}\n",
     MMU_ERR_INVALID,
     "t.yaml:6:31: memory.caches.L2.line: 32 bytes, but L1 has 64; expected the same line at every level"},
    {"memory:\n  reads: cached\n  dram-latency: 99\n  caches:\n    L1: {size: 32K, ways: 8, line: 64, "
     "latency: 4}\n    L2: {size: 256K, ways: 8, line: 64, latency: 3}\n",
     MMU_ERR_INVALID,
     "t.yaml:6:41: memory.caches.L2.latency: 3 cycles, fewer than L1 (4); latencies count from the start of "
     "the read"},
    {"memory: {reads: cached, caches: {L1: {size: 33000, ways: 8, line: 64, latency: 4}}, dram-latency: 9}\n",
     MMU_ERR_INVALID,
     "t.yaml:1:39: memory.caches.L1.size: 33000 bytes; expected a multiple of line x ways = 512"},
    {"memory: {reads: cached, caches: {L1: {size: 32K, line: 64, latency: 4}}, dram-latency: 9}\n",
     MMU_ERR_INVALID,
     "t.yaml:1:34: memory.caches.L1.ways: 0 (or not given) is out of range; expected 1 to 4096"},
    {"memory: {reads: cached, caches: {L1: {size: 32K, ways: 8, line: 64, replacement: user}}, dram-latency: "
     "9}\n",
     MMU_ERR_FORMAT,
     "t.yaml:1:82: memory.caches.L1.replacement: unknown value 'user'; expected one of lru, plru, tree-plru, "
     "fifo, random, nmru, not-mru, mru3plru4"},
    {"memory: {ram: [{start: 100, size: 4K}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:17: memory.ram.0.start: 0x64 is not aligned; expected a multiple of 4K"},
    {"memory: {ram: [{start: 0, size: 4097}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:27: memory.ram.0.size: 0x1001 is not aligned; expected a multiple of 4K"},
    {"memory: {ram: [{start: 0, size: 128T}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:27: memory.ram.0.size: memory ends at 0x800000000000; expected at most 2^46 (cpu.maxphyaddr)"},
    {"cpu: {maxphyaddr: 36}\nmemory:\n  ram:\n    - {start: 0, size: 1G}\n    - {start: 60G, size: 5G}\n",
     MMU_ERR_INVALID,
     "t.yaml:5:20: memory.ram.1.size: memory ends at 0x1040000000; expected at most 2^36 (cpu.maxphyaddr)"},
    {"memory:\n  ram:\n    - {start: 0, size: 2G}\n    - {start: 1G, size: 4K}\n", MMU_ERR_INVALID,
     "t.yaml:4:8: memory.ram.1.start: 0x40000000 to 0x40001000 overlaps memory.ram.0"},
    {"memory: {ram: [{start: 0}]}\n", MMU_ERR_INVALID,
     "t.yaml:1:17: memory.ram.0.size: 0 (or not given) is out of range; expected 4096 to 4503599627370496"},
    {"memory: {ram: [{start: 0xffffffffffffffff, size: 4K}]}\n", MMU_ERR_RANGE,
     "t.yaml:1:24: memory.ram.0.start: expected a number from 0 to 0xfffffffffffff (K, M, G, T are powers of "
     "1024), got '0xffffffffffffffff'"},
};

static void refused_machines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED_MACHINES / sizeof REFUSED_MACHINES[0]; i++)
        check_refusal(REFUSED_MACHINES[i].text, NULL, &REFUSED_MACHINES[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
