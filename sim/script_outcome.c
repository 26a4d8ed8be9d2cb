/*
 * sim/script_outcome.c: what becomes of a call or an access that is not done, in one word: the kernel's
 * outcomes, errors of system calls, signals, exceptions.
 */
#include "script_commands.h"
#include <string.h>

#define MMU_X(name, text) #name,
static const char *const OUTCOMES[] = {MMU_OS_OUTCOMES(MMU_X)};
static const char *const SIGNALS[] = {MMU_OS_SIGNALS(MMU_X)};
#undef MMU_X
static const char *const FAULTS[] = {"done", "PF", "GP", "UD", "MEMORY"};

/* Errors that the modelled calls give, as Linux numbers them. */
static const struct {
    int number;
    const char *name;
} ERRORS[] = {{1, "EPERM"},     {2, "ENOENT"},  {3, "ESRCH"},   {5, "EIO"},           {7, "E2BIG"},
              {8, "ENOEXEC"},   {9, "EBADF"},   {11, "EAGAIN"}, {12, "ENOMEM"},       {13, "EACCES"},
              {14, "EFAULT"},   {16, "EBUSY"},  {17, "EEXIST"}, {19, "ENODEV"},       {20, "ENOTDIR"},
              {21, "EISDIR"},   {22, "EINVAL"}, {27, "EFBIG"},  {36, "ENAMETOOLONG"}, {40, "ELOOP"},
              {75, "EOVERFLOW"}};

#define COUNT(array) (sizeof array / sizeof *array)

const char *script_fault(unsigned outcome)
{
    return outcome < COUNT(FAULTS) ? FAULTS[outcome] : "?";
}

const char *script_signal(unsigned kind)
{
    return kind < COUNT(SIGNALS) ? SIGNALS[kind] : "?";
}

static const char *outcome_name(const struct script *s, int outcome)
{
    if (outcome == MMU_OS_ERROR)
        for (size_t i = 0; i < COUNT(ERRORS); i++)
            if (ERRORS[i].number == mmu_os_report(s->os)->error)
                return ERRORS[i].name;
    return outcome > 0 && outcome < MMU_OS_OUTCOME_COUNT ? OUTCOMES[outcome] : "ERROR";
}

bool script_called(struct script *s, int outcome, struct script_result *r)
{
    if (outcome < 0)
        result_bad(r, "%s", mmu_status_text(outcome));
    if (outcome <= 0)
        return outcome == 0;
    const char *text = mmu_os_report(s->os)->text;
    result_outcome(r, outcome_name(s, outcome),
                   *text && mmu_os_report(s->os)->outcome == outcome ? text : mmu_os_outcome_text(outcome));
    return false;
}

int read_outcome(struct script *s, char text[SCRIPT_TEXT])
{
    const char *known[COUNT(OUTCOMES) + COUNT(SIGNALS) + COUNT(FAULTS) + COUNT(ERRORS)];
    const char *start = (read_blanks(s), s->at);
    size_t n = 0;
    int status = read_text(s, "an outcome", text);
    if (status != CLI_GO)
        return status;
    for (size_t i = 1; i < COUNT(OUTCOMES); i++) /* the first of each is that it was done */
        known[n++] = OUTCOMES[i];
    for (size_t i = 1; i < COUNT(SIGNALS); i++)
        known[n++] = SIGNALS[i];
    for (size_t i = 1; i < COUNT(FAULTS); i++)
        known[n++] = FAULTS[i];
    for (size_t i = 0; i < COUNT(ERRORS); i++)
        known[n++] = ERRORS[i].name;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(known[i], text))
            return CLI_GO;
    return script_unknown(s, start, "outcome", text, known, n);
}
