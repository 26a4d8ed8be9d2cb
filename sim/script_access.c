/*
 * sim/script_access.c: accesses through the MMU, of one address or of many at a distance; contents of memory.
 *
 * An access is a user's unless the statement says `as kernel`. It runs in the address space that the CPU has
 * loaded. Contents are real bytes: they are read and written where the MMU would find them.
 */
#include "script_commands.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 1024 };

const char *script_where(unsigned where)
{
    static const char *const WORDS[] = {"L1", "L2", "L3", "L4", "walk", "merge", "nopaging", "fault"};
    return where < sizeof WORDS / sizeof *WORDS ? WORDS[where] : "?";
}

const char *script_fault(unsigned outcome)
{
    static const char *const WORDS[] = {"done", "PF", "GP", "UD", "MEMORY"};
    return outcome < sizeof WORDS / sizeof *WORDS ? WORDS[outcome] : "?";
}

/* What a run of accesses adds up to. */
struct sum {
    uint64_t done, faults, failed;
    mmu_cycle begin, end;
    bool begun;
    struct mmu_result last, bad; /* the last one; the first that failed */
};

static void add(struct sum *sum, const struct mmu_result *result)
{
    sum->last = *result;
    sum->faults += result->faults;
    if (!sum->begun)
        sum->begin = result->issued;
    sum->begun = true;
    sum->end = result->completed > sum->end ? result->completed : sum->end;
    if (result->outcome == MMU_DONE)
        sum->done++;
    else if (!sum->failed++)
        sum->bad = *result;
}

/* The signal's name: "SEGV_MAPERR". */
static const char *signal_word(uint32_t kind)
{
    static const char *const WORDS[] = {
#define MMU_X(name, text) #name,
        MMU_OS_SIGNALS(MMU_X)
#undef MMU_X
    };
    return kind < MMU_OS_SIGNAL_KINDS ? WORDS[kind] : "?";
}

/* What became of an access that failed: the signal that the kernel sent, or else the exception itself. */
static void failed(struct script *s, const struct mmu_result *bad, struct script_result *r)
{
    char why[SCRIPT_WORD];
    struct mmu_os_signal signal = {0};
    const char *word = script_fault(bad->outcome);
    if (s->os && bad->outcome == MMU_FAULT_PF)
        mmu_os_signal(s->os, s->cpu, &signal);
    if (signal.kind != MMU_SIG_NONE) {
        word = signal_word(signal.kind);
        snprintf(why, sizeof why, "%s, 0x%" PRIx64, mmu_os_signal_text((enum mmu_os_signal_kind)signal.kind),
                 bad->cr2);
    } else if (bad->outcome == MMU_FAULT_PF) {
        snprintf(why, sizeof why, "#PF at 0x%" PRIx64 ", error code 0x%" PRIx32 ", that nobody resolved",
                 bad->cr2, bad->error_code);
    } else {
        snprintf(why, sizeof why, "#%s at 0x%" PRIx64, word, bad->cr2);
    }
    result_outcome(r, word, why);
    result_word(r, "outcome", word);
    result_hex(r, "address", bad->cr2);
    result_hex(r, "error_code", bad->error_code);
}

/* The accesses from number `first` on. False: told in r. */
static bool run_batch(struct script *s, const struct mmu_access *access, uint64_t first, size_t n,
                      uint64_t stride, struct sum *sum, struct script_result *r)
{
    struct mmu_access batch[BATCH];
    struct mmu_result result[BATCH];
    struct mmu_core *core = script_core(s);
    memset(result, 0, sizeof result);
    for (size_t i = 0; i < n; i++) {
        batch[i] = *access;
        batch[i].va += (first + i) * stride;
    }
    int status = n == 1 ? (int)mmu_core_access(core, batch, result) : mmu_core_run(core, batch, n, result);
    if (n == 1 || status == MMU_OK || status == MMU_ERR_EXHAUSTED) {
        for (size_t i = 0; i < n; i++)
            add(sum, &result[i]);
        return true;
    }
    result_bad(r, "%s", mmu_status_text(status));
    return false;
}

void script_access(struct script *s, const struct mmu_access *access, uint64_t count, uint64_t stride,
                   struct script_result *r)
{
    struct sum sum = {0};
    uint64_t far, last;
    if (__builtin_mul_overflow(count - 1, stride, &far) || __builtin_add_overflow(far, access->va, &last) ||
        __builtin_add_overflow(last, access->size - 1u, &last) ||
        (script_address_bits(s) == 32 && last >> 32)) {
        result_bad(r, "the last access reaches beyond the %u-bit address space", script_address_bits(s));
        return;
    }
    struct mmu_os_signal before; /* of somebody else: forget it */
    if (s->os)
        mmu_os_signal(s->os, s->cpu, &before);
    for (uint64_t i = 0; i < count && !sum.failed; i += BATCH)
        if (!run_batch(s, access, i, count - i < BATCH ? (size_t)(count - i) : BATCH, stride, &sum, r))
            return;
    if (sum.failed) {
        failed(s, &sum.bad, r);
    } else {
        result_word(r, "outcome", "done");
        result_hex(r, "pa", sum.last.pa);
        result_word(r, "where", script_where(sum.last.where));
        result_number(r, "page", sum.last.page_shift ? UINT64_C(1) << sum.last.page_shift : 0);
    }
    result_number(r, "faults", sum.faults);
    result_number(r, "cycles", sum.end - sum.begin);
    result_number(r, "count", sum.done);
}

static void access_as(struct script *s, const struct script_argument *a, enum mmu_kind kind,
                      struct script_result *r)
{
    struct mmu_access access = {.va = a[0].number,
                                .size = (uint16_t)a[1].number,
                                .kind = MMU_KIND_PRIV(kind, (enum mmu_priv)a[4].number)};
    if (a[1].number > 4096)
        result_bad(r, "size %" PRIu64 ", expected 1 to 4096 bytes; 'count' and 'stride' make a range",
                   a[1].number);
    else if (kind == MMU_FETCH && a[4].number == MMU_IMPLICIT)
        result_bad(r, "a fetch is never implicit");
    else if (a[2].number > UINT32_MAX)
        result_bad(r, "count %" PRIu64 ", expected less than 2^32", a[2].number);
    else
        script_access(s, &access, a[2].number, a[3].given ? a[3].number : a[1].number, r);
}

COMMAND(access)
{
    access_as(s, a, (enum mmu_kind)s->command->which, r);
}

/* ----- contents ----- */

/* The physical address of a byte, as a supervisor's walk finds it. */
static bool locate(struct script *s, mmu_va va, mmu_pa *pa, struct script_result *r)
{
    struct mmu_access access = {.va = va, .size = 1, .kind = MMU_KIND_PRIV(MMU_LOAD, MMU_IMPLICIT)};
    struct mmu_walk walk;
    mmu_core_walk(script_half(s, MMU_SUPERVISOR), &access, &walk);
    *pa = walk.pa;
    if (walk.page_shift)
        return true;
    char why[SCRIPT_WORD];
    snprintf(why, sizeof why, "0x%" PRIx64 " is not mapped", va);
    result_outcome(r, "EFAULT", why);
    return false;
}

static bool check_bytes(uint64_t size, struct script_result *r)
{
    if (size > 8)
        result_bad(r, "size %" PRIu64 ", expected 1 to 8 bytes", size);
    return size <= 8;
}

/* Is this an address of the present process? Then the kernel reads and writes it, bringing pages in. */
static uint32_t owner(const struct script *s, mmu_va va)
{
    uint64_t size;
    bool user = s->os && script_name_find(s, "TASK_SIZE", &size) && va < size;
    return user ? mmu_os_current(s->os, s->cpu) : 0;
}

COMMAND(peek)
{
    uint64_t value = 0;
    if (!check_bytes(a[1].number, r))
        return;
    uint32_t pid = owner(s, a[0].number);
    if (pid) {
        if (script_called(s, mmu_os_peek(s->os, pid, a[0].number, &value, (size_t)a[1].number), r))
            result_hex(r, "value", value);
        return;
    }
    for (unsigned i = 0; i < a[1].number; i++) {
        mmu_pa pa;
        uint8_t byte;
        if (!locate(s, a[0].number + i, &pa, r))
            return;
        int status = mmu_machine_read(s->machine, pa, &byte, 1);
        if (status) {
            result_bad(r, "%s", mmu_status_text(status));
            return;
        }
        value |= (uint64_t)byte << 8 * i;
    }
    result_hex(r, "value", value);
}

COMMAND(poke)
{
    if (!check_bytes(a[2].number, r))
        return;
    if (a[2].number < 8 && a[1].number >> 8 * a[2].number) {
        result_bad(r, "0x%" PRIx64 " does not fit %" PRIu64 " bytes", a[1].number, a[2].number);
        return;
    }
    uint32_t pid = owner(s, a[0].number);
    if (pid) {
        uint64_t value = a[1].number;
        script_called(s, mmu_os_poke(s->os, pid, a[0].number, &value, (size_t)a[2].number), r);
        return;
    }
    for (unsigned i = 0; i < a[2].number; i++) {
        mmu_pa pa;
        uint8_t byte = (uint8_t)(a[1].number >> 8 * i);
        if (!locate(s, a[0].number + i, &pa, r))
            return;
        int status = mmu_machine_write(s->machine, pa, &byte, 1);
        if (status) {
            result_bad(r, "%s", mmu_status_text(status));
            return;
        }
    }
}

COMMAND(phys)
{
    uint64_t value = 0;
    if (!check_bytes(a[1].number, r))
        return;
    int status = mmu_machine_read(s->machine, a[0].number, &value, (size_t)a[1].number);
    if (status)
        result_bad(r, "0x%" PRIx64 ": %s", a[0].number, mmu_status_text(status));
    else
        result_hex(r, "value", value);
}
