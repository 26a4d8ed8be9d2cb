/* sim/script_ask_process.c: questions about processes: tasks, VMAs, texts of /proc/PID, why an address is as
 * it is. */
#define _POSIX_C_SOURCE 200809L
#include "script_commands.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const KINDS[] = {"process", "thread", "kernel"};

/* ----- tasks ----- */

COMMAND(task)
{
    struct mmu_os_task t;
    uint32_t pid;
    if (!script_task(s, &a[0], &pid, r) || !script_called(s, mmu_os_task(s->os, pid, &t), r))
        return;
    result_number(r, "pid", t.pid);
    result_number(r, "tgid", t.tgid);
    result_number(r, "parent", t.parent);
    result_word(r, "comm", t.comm);
    result_word(r, "kind", KINDS[t.kind]);
    result_number(r, "running", t.running);
    result_number(r, "cpu", t.cpu);
    result_number(r, "mm", t.mm);
    result_number(r, "users", t.mm_users);
    result_hex(r, "root", t.root);
    result_number(r, "rss", t.rss_anon + t.rss_file + t.rss_shmem);
    result_number(r, "rss_anon", t.rss_anon);
    result_number(r, "rss_file", t.rss_file);
    result_number(r, "rss_shmem", t.rss_shmem);
    result_number(r, "total_vm", t.total_vm);
    result_number(r, "locked_vm", t.locked_vm);
    result_number(r, "page_table_bytes", t.page_table_bytes);
    result_number(r, "minor_faults", t.minor_faults);
    result_number(r, "major_faults", t.major_faults);
    result_hex(r, "start_code", t.start_code);
    result_hex(r, "end_code", t.end_code);
    result_hex(r, "start_data", t.start_data);
    result_hex(r, "end_data", t.end_data);
    result_hex(r, "start_brk", t.start_brk);
    result_hex(r, "brk", t.brk);
    result_hex(r, "start_stack", t.start_stack);
    result_hex(r, "mmap_base", t.mmap_base);
    result_hex(r, "task_size", t.task_size);
}

struct listing {
    FILE *out;
    uint64_t n;
};

static void print_task(void *ctx, const struct mmu_os_task *t)
{
    struct listing *list = ctx;
    list->n++;
    fprintf(list->out,
            "%5" PRIu32 " %5" PRIu32 " %6" PRIu32 "  %-8s %-15s %4" PRIu64 "  %-4s  0x%" PRIx64 "\n", t->pid,
            t->tgid, t->parent, KINDS[t->kind], t->comm, t->mm, t->running ? "yes" : "-", t->root);
}

COMMAND(tasks)
{
    char *text = NULL;
    size_t size = 0;
    struct listing list = {.out = open_memstream(&text, &size)};
    (void)a;
    if (!list.out) {
        result_bad(r, "out of memory");
        return;
    }
    fprintf(list.out, "  pid  tgid parent  kind     comm              mm  runs  pgd\n");
    mmu_os_tasks(s->os, print_task, &list);
    fclose(list.out);
    result_number(r, "tasks", list.n);
    r->text = text;
}

COMMAND(current)
{
    (void)a;
    result_number(r, "pid", mmu_os_current(s->os, s->cpu));
}

/* ----- texts ----- */

COMMAND(task_view)
{
    enum mmu_task_view view = (enum mmu_task_view)s->command->which;
    uint32_t pid;
    if (!script_task(s, &a[0], &pid, r))
        return;
    size_t size = mmu_os_task_view(s->os, pid, view, NULL, 0) + 1;
    char *text = malloc(size);
    if (!text) {
        result_bad(r, "out of memory");
        return;
    }
    text[0] = 0;
    mmu_os_task_view(s->os, pid, view, text, size);
    result_text(r, text);
}

static void take_vmstat(struct script_result *r, const char *wanted, const char *name, uint64_t value)
{
    if (!*wanted || !strcmp(wanted, name))
        result_number(r, name, value);
}

COMMAND(vmstat)
{
    struct mmu_os_vmstat v;
    mmu_os_vmstat(s->os, &v);
#define MMU_X(field, what) take_vmstat(r, a[0].text, #field, v.field);
    MMU_OS_VMSTAT(MMU_X)
#undef MMU_X
    if (!r->n)
        result_bad(r, "no counter is called '%s'; 'vmstat' prints all", a[0].text);
}

/* ----- addresses of a process ----- */

COMMAND(vma)
{
    struct mmu_os_vma v;
    uint32_t pid;
    if (!script_task(s, &a[1], &pid, r))
        return;
    if (mmu_os_vma(s->os, pid, a[0].number, &v)) {
        result_outcome(r, "REFUSED", "no VMA holds this address, and none lies above it");
        return;
    }
    char prot[8];
    snprintf(prot, sizeof prot, "%c%c%c%c", v.prot & MMU_PROT_READ ? 'r' : '-',
             v.prot & MMU_PROT_WRITE ? 'w' : '-', v.prot & MMU_PROT_EXEC ? 'x' : '-',
             v.flags & MMU_MAP_SHARED ? 's' : 'p');
    result_hex(r, "start", v.start);
    result_hex(r, "end", v.end);
    result_number(r, "holds", a[0].number >= v.start);
    result_word(r, "prot", prot);
    result_hex(r, "flags", (uint64_t)v.flags);
    result_number(r, "file", v.file);
    result_hex(r, "offset", v.offset);
    result_number(r, "anon_vma", v.anon_vma);
    result_word(r, "name", *v.name ? v.name : "-");
}

/* What of the address space holds it: "[stack]", a file's name; or a region of the kernel's part. */
static const char *area_name(struct script *s, uint32_t pid, mmu_va va, struct mmu_os_vma *v,
                             struct script_result *r)
{
    if (mmu_os_vma(s->os, pid, va, v) == MMU_OS_DONE && va >= v->start)
        return *v->name ? v->name : "anonymous";
    return script_region(s, va, r);
}

COMMAND(why)
{
    static const char *const WORDS[MMU_WHYS] = {"UNALLOCATED",    "UNTOUCHED",    "UNTOUCHED_FILE_CACHED",
                                                "UNTOUCHED_FILE", "MAPPED",       "MAPPED_ZERO",
                                                "MAPPED_COW",     "PROT_NONE",    "STACK_GAP",
                                                "KERNEL",         "NON_CANONICAL"};
    struct mmu_os_why why;
    struct mmu_os_vma v;
    uint32_t pid = 0; /* idle knows the kernel's part, too */
    if ((a[1].given || mmu_os_current(s->os, s->cpu)) && !script_task(s, &a[1], &pid, r))
        return;
    if (!script_called(s, mmu_os_why(s->os, pid, a[0].number, &why), r))
        return;
    result_word(r, "why", WORDS[why.why]);
    result_word(r, "area", area_name(s, pid, a[0].number, &v, r));
    result_number(r, "mapped", why.mapped);
    result_number(r, "in_tlb", why.in_tlb);
    if (why.mapped)
        result_hex(r, "pa", why.pa);
    result_word(r, "text", why.text);
}

COMMAND(pagemap)
{
    uint64_t entry = 0;
    uint32_t pid;
    if (!script_task(s, &a[1], &pid, r) ||
        !script_called(s, mmu_os_pagemap(s->os, pid, a[0].number, 1, &entry), r))
        return;
    result_hex(r, "entry", entry);
    result_number(r, "present", entry >> 63 & 1);
    result_hex(r, "pfn", entry >> 63 & 1 ? entry & ((UINT64_C(1) << 55) - 1) : 0);
    result_number(r, "swapped", entry >> 62 & 1);
    result_number(r, "file", entry >> 61 & 1);
    result_number(r, "exclusive", entry >> 56 & 1);
    result_number(r, "soft_dirty", entry >> 55 & 1);
}

static void print_mapping(void *ctx, const struct mmu_os_mapping *where)
{
    struct listing *list = ctx;
    list->n++;
    fprintf(list->out, "process %" PRIu32 " at 0x%" PRIx64 ", entry 0x%" PRIx64 "\n", where->pid, where->va,
            where->entry);
}

COMMAND(rmap)
{
    char *text = NULL;
    size_t size = 0;
    struct listing list = {.out = open_memstream(&text, &size)};
    if (!list.out) {
        result_bad(r, "out of memory");
        return;
    }
    mmu_os_rmap(s->os, a[0].number, print_mapping, &list);
    if (!list.n)
        fprintf(list.out, "no process maps it\n");
    fclose(list.out);
    result_number(r, "mappings", list.n);
    r->text = text;
}

/* ----- page directories ----- */

/* The top-level entry of an address, of the page directory at root. */
static uint64_t top_entry(const struct script *s, mmu_pa root, mmu_va va, unsigned *index)
{
    static const struct {
        unsigned shift, bits, bytes;
    } TOP[MMU_MODES] = {[MMU_MODE_I386] = {22, 10, 4},
                        [MMU_MODE_PAE] = {30, 2, 8},
                        [MMU_MODE_4L] = {39, 9, 8},
                        [MMU_MODE_5L] = {48, 9, 8}};
    enum mmu_mode mode = mmu_core_mode(script_core(s));
    uint64_t entry = 0;
    *index = (unsigned)(va >> TOP[mode].shift & ((1u << TOP[mode].bits) - 1));
    mmu_machine_read(s->machine, root + *index * TOP[mode].bytes, &entry, TOP[mode].bytes);
    return entry;
}

COMMAND(pgd)
{
    mmu_pa swapper = mmu_os_pgd_root(mmu_os_swapper(s->os), false);
    struct mmu_os_task t = {.root = swapper};
    uint32_t pid;
    unsigned index;
    if ((a[1].given || mmu_os_current(s->os, s->cpu)) &&
        (!script_task(s, &a[1], &pid, r) || !script_called(s, mmu_os_task(s->os, pid, &t), r)))
        return;
    if (!t.root && t.kind == MMU_TASK_KERNEL) /* it borrows nobody's: init_mm's */
        t.root = swapper;
    result_hex(r, "root", t.root);
    result_hex(r, "swapper", swapper);
    result_hex(r, "cr3", mmu_core_get(script_core(s), MMU_REG_CR3));
    if (!a[0].given)
        return;
    uint64_t own = t.root ? top_entry(s, t.root, a[0].number, &index) : 0,
             kernel = top_entry(s, swapper, a[0].number, &index);
    result_number(r, "index", index);
    result_hex(r, "entry", own);
    result_hex(r, "swapper_entry", kernel);
    result_number(r, "same", own == kernel);
}
