/*
 * sim/script_access.c: accesses through the MMU, of one address or of many at a distance; contents of memory.
 *
 * An access is a user's unless the statement says whose else. It runs in the address space that the CPU has
 * loaded. The kernel's own accesses to user memory are of two kinds: those of copy_from_user() and its kin
 * check the address, run between STAC and CLAC and have a fixup, so that a bad address is -EFAULT
 * (arch/x86/lib/usercopy_64.c, getuser.S); any other instruction has none, and a fault that cannot be
 * resolved is an oops. Contents are real bytes: they are read and written where the MMU would find them.
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

/* ----- whose access it is ----- */

enum mmu_priv script_priv(enum script_who who)
{
    return who == WHO_USER ? MMU_USER : who == WHO_IMPLICIT ? MMU_IMPLICIT : MMU_SUPERVISOR;
}

bool script_may(enum mmu_kind kind, enum script_who who, struct script_result *r)
{
    if (kind == MMU_FETCH && (who == WHO_IMPLICIT || who == WHO_UACCESS))
        result_bad(r, "a fetch is never %s", who == WHO_IMPLICIT ? "implicit" : "a uaccess");
    return !r->bad;
}

void script_stac(struct mmu_core *core, enum script_who who)
{
    if (who == WHO_UACCESS)
        mmu_core_set(core, MMU_REG_AC, 1);
}

void script_clac(struct mmu_core *core, enum script_who who)
{
    if (who == WHO_UACCESS)
        mmu_core_set(core, MMU_REG_AC, 0);
}

/* Is this an address of user space? */
static bool is_users(const struct script *s, mmu_va va)
{
    uint64_t size;
    return s->os && script_constant(s, "TASK_SIZE", &size) && va < size;
}

/* access_ok(): the first check of a uaccess. */
static bool access_ok(const struct script *s, mmu_va last, struct script_result *r)
{
    if (!s->os || is_users(s, last))
        return true;
    char why[SCRIPT_WORD];
    snprintf(why, sizeof why, "access_ok() refuses 0x%" PRIx64 ", which is not user space: -EFAULT", last);
    result_outcome(r, "EFAULT", why);
    result_word(r, "outcome", "EFAULT");
    result_hex(r, "address", last);
    r->telling = r->n;
    return false;
}

bool script_runs_user(const struct script *s, struct script_result *r)
{
    struct mmu_os_task task = {0};
    uint32_t pid = s->os ? mmu_os_current(s->os, s->cpu) : 0;
    if (s->os && !pid)
        result_bad(
            r, "no process runs on this CPU, expected 'switch PID' before a user's access, or 'as kernel'");
    else if (pid && mmu_os_task(s->os, pid, &task) == MMU_OS_DONE && task.kind == MMU_TASK_KERNEL)
        result_bad(r, "task %u is a kernel thread and has no user mode, expected 'as kernel'", (unsigned)pid);
    return !r->bad;
}

/* ----- accesses ----- */

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

/* What an error code says, as the oops message of Linux does: "a user's write, no entry". */
static const char *error_text(uint32_t code, char *buf, size_t size)
{
    snprintf(buf, size, "error code 0x%" PRIx32 ": a %s's %s, %s", code,
             code & MMU_PF_U ? "user" : "supervisor",
             code & MMU_PF_I   ? "fetch"
             : code & MMU_PF_W ? "write"
                               : "read",
             code & MMU_PF_RSVD ? "a reserved bit in an entry"
             : code & MMU_PF_PK ? "a protection key"
             : code & MMU_PF_P  ? "no right"
                                : "no entry");
    return buf;
}

/* The signal of a fault that nobody resolved. Without a fixup the kernel's own is an oops, and the SMAP fault
 * of one that has none, too. */
static const char *signal_text(const struct script *s, enum script_who who, struct mmu_os_signal *signal)
{
    if (signal->kind == MMU_SIG_EFAULT && who != WHO_UACCESS)
        signal->kind = MMU_SIG_OOPS;
    bool smap = mmu_core_get(script_core(s), MMU_REG_CR4) >> 21 & 1;
    if (signal->kind == MMU_SIG_OOPS && who == WHO_KERNEL && smap && is_users(s, signal->address))
        return "oops: user memory, which SMAP allows the kernel only between STAC and CLAC (as uaccess)";
    return mmu_os_signal_text((enum mmu_os_signal_kind)signal->kind);
}

/* What became of an access that failed: the signal that the kernel sent, or else the exception itself. */
static void failed(struct script *s, const struct mmu_result *bad, enum script_who who,
                   struct script_result *r)
{
    char why[SCRIPT_WORD], code[128];
    struct mmu_os_signal signal = {0};
    const char *word = script_fault(bad->outcome);
    if (s->os && bad->outcome == MMU_FAULT_PF)
        mmu_os_signal(s->os, s->cpu, &signal);
    error_text(bad->error_code, code, sizeof code);
    if (signal.kind != MMU_SIG_NONE) {
        const char *text = signal_text(s, who, &signal);
        word = script_signal(signal.kind);
        snprintf(why, sizeof why, "%s, 0x%" PRIx64 " (%s)", text, bad->cr2, code);
    } else if (bad->outcome == MMU_FAULT_PF) {
        snprintf(why, sizeof why, "#PF at 0x%" PRIx64 " that nobody resolved (%s)", bad->cr2, code);
    } else if (bad->outcome == MMU_FAULT_GP) {
        snprintf(why, sizeof why, "#GP: 0x%" PRIx64 " is not canonical", bad->cr2);
    } else {
        snprintf(why, sizeof why, "#%s at 0x%" PRIx64, word, bad->cr2);
    }
    result_outcome(r, word, why);
    result_word(r, "outcome", word);
    result_hex(r, "address", bad->cr2);
    result_hex(r, "error_code", bad->error_code);
    r->telling = r->n;
}

/* The accesses from number `first` on. */
static void run_batch(struct script *s, const struct mmu_access *access, uint64_t first, size_t n,
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
    } else {
        result_bad(r, "%s", mmu_status_text(status));
    }
}

/* How faults were resolved between two counts: "cow", "file|around|major"; "-": there was none. */
static void tell_faults(const struct mmu_os_vmstat *before, const struct mmu_os_vmstat *after, char *buf,
                        size_t size)
{
    static const char PREFIX[] = "fault_";
    const struct {
        const char *name;
        uint64_t n;
    } count[] = {
#define MMU_X(field, text) {#field, after->field - before->field},
        MMU_OS_VMSTAT(MMU_X)
#undef MMU_X
            {"fault_major", after->pgmajfault - before->pgmajfault},
    };
    size_t used = 0;
    snprintf(buf, size, "-");
    for (size_t i = 0; i < sizeof count / sizeof *count && used < size; i++)
        if (count[i].n && !strncmp(count[i].name, PREFIX, sizeof PREFIX - 1))
            used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? "|" : "",
                                     count[i].name + sizeof PREFIX - 1);
}

void script_access(struct script *s, const struct mmu_access *access, uint64_t count, uint64_t stride,
                   enum script_who who, struct script_result *r)
{
    struct sum sum = {0};
    uint64_t far, last;
    if (who == WHO_USER && !script_runs_user(s, r))
        return;
    if (__builtin_mul_overflow(count - 1, stride, &far) || __builtin_add_overflow(far, access->va, &last) ||
        __builtin_add_overflow(last, access->size - 1u, &last) ||
        (script_address_bits(s) == 32 && last >> 32)) {
        result_bad(r, "the last access reaches beyond the %u-bit address space", script_address_bits(s));
        return;
    }
    if (who == WHO_UACCESS && !access_ok(s, last, r))
        return;
    struct mmu_os_signal other; /* of somebody else: forget it */
    struct mmu_os_vmstat before, after;
    if (s->os) {
        mmu_os_signal(s->os, s->cpu, &other);
        mmu_os_vmstat(s->os, &before);
    }
    script_stac(script_core(s), who);
    for (uint64_t i = 0; i < count && !sum.failed && !r->bad; i += BATCH)
        run_batch(s, access, i, count - i < BATCH ? (size_t)(count - i) : BATCH, stride, &sum, r);
    script_clac(script_core(s), who);
    if (r->bad)
        return;
    if (sum.failed) {
        failed(s, &sum.bad, who, r);
    } else {
        result_word(r, "outcome", "done");
        result_hex(r, "pa", sum.last.pa);
        result_word(r, "where", script_where(sum.last.where));
        result_number(r, "page", sum.last.page_shift ? UINT64_C(1) << sum.last.page_shift : 0);
    }
    result_number(r, "faults", sum.faults);
    if (s->os) {
        char how[SCRIPT_WORD];
        mmu_os_vmstat(s->os, &after);
        tell_faults(&before, &after, how, sizeof how);
        result_word(r, "how", how);
    }
    result_number(r, "cycles", sum.end - sum.begin);
    result_number(r, "count", sum.done);
}

static void access_as(struct script *s, const struct script_argument *a, enum mmu_kind kind,
                      struct script_result *r)
{
    enum script_who who = (enum script_who)a[4].number;
    struct mmu_access access = {
        .va = a[0].number, .size = (uint16_t)a[1].number, .kind = MMU_KIND_PRIV(kind, script_priv(who))};
    if (a[1].number > 4096)
        result_bad(r, "size %" PRIu64 ", expected 1 to 4096 bytes; 'count' and 'stride' make a range",
                   a[1].number);
    else if (!script_may(kind, who, r))
        return;
    else if (a[2].number > UINT32_MAX)
        result_bad(r, "count %" PRIu64 ", expected less than 2^32", a[2].number);
    else
        script_access(s, &access, a[2].number, a[3].given ? a[3].number : a[1].number, who, r);
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
    return is_users(s, va) ? mmu_os_current(s->os, s->cpu) : 0;
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
        result_bad(r, "0x%" PRIx64 " does not fit %" PRIu64 " byte%s", a[1].number, a[2].number,
                   a[2].number == 1 ? "" : "s");
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
