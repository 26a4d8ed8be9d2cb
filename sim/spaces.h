/*
 * sim/spaces.h: address spaces for the processes of a trace, under a machine's kernel.
 *
 * A kernel brings pages only where a VMA is. Those of a process are the lines of its maps: the trace's own,
 * or a file's (--maps). What the trace touches outside of them, or all of it without maps, gets VMAs that are
 * inferred: a first pass notes the pages; those that are at most 1 MiB apart, and both fetched from or both
 * not, make one, with the rights that the trace uses.
 */
#ifndef SIM_SPACES_H
#define SIM_SPACES_H

#include <mmusim/mmusim.h>
#include <mmusim/process.h>

/* What is known of a trace's processes. */
struct spaces;

/*
 * The first pass, over at most `end` references. maps: a file for every process, NULL: the trace's own. *out
 * is to be freed. CLI_GO, or CLI_BAD after a complaint: a trace that can be read only once ("-") and has no
 * maps.
 */
int spaces_plan(const char *path, const struct mmu_trace_options *options, const char *maps, uint64_t end,
                struct spaces **out);
void spaces_free(struct spaces *spaces); /* NULL is allowed */

/* The tasks of one machine: number of a process x cores, 0: none yet. */
struct spaces_tasks {
    uint32_t *pid;
    uint32_t cores;
};

/* Makes the processes. machine: its name, for complaints. CLI_GO or CLI_BAD. */
int spaces_make(const struct spaces *spaces, struct mmu_os *os, const char *machine, uint32_t cores,
                struct spaces_tasks *tasks);
/* The core runs that process from now on: its leader, or a thread of it. MMU_OK or an outcome of os.h. */
int spaces_enter(const struct spaces *spaces, struct mmu_os *os, uint32_t core, uint64_t process,
                 struct spaces_tasks *tasks);
void spaces_tasks_free(struct spaces_tasks *tasks);

#endif
