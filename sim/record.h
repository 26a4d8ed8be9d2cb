/*
 * sim/record.h: the parts of mmusim trace record.
 *
 * A program is found (record_program.c) and run (record_child.c) under QEMU (record_qemu.c) or Valgrind
 * (record_lackey.c); what they tell becomes references (record_words.c), marks and maps (record_maps.c), of
 * which a window goes into the trace (record_sink.c).
 */
#ifndef SIM_RECORD_H
#define SIM_RECORD_H

#include "cli.h"
#include "progress.h"
#include "record_shared.h"
#include <mmusim/trace.h>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

/* ---- the program ---- */

/* What is to be run: a path that the kernel could execute, and the arguments with argv[0]. A script's
 * interpreter stands before it already. Zero-initialise; record_program_free(). */
struct record_program {
    char *path;
    char **argv; /* NULL-terminated */
    size_t argc;
    char *owned[16]; /* words that argv points to and that belong to nobody else */
    size_t n_owned;
    bool is_i386;
    bool is_dynamic;
};
/* Looks for words[0] as a shell does, and into the file. CLI_GO, or CLI_BAD after a complaint. */
int record_program_find(struct record_program *program, const char *const *words, size_t n);
void record_program_free(struct record_program *program);
/* An executable file of this name in $PATH, or the name itself if it holds a slash; NULL: none. Caller frees.
 */
char *record_find_command(const char *name);

/* ---- the trace ---- */

/*
 * A window of the references, and the marks in it. kept <= max; kept + passed: references that came so far.
 * Zero-initialise; writer, skip and max are the caller's to set.
 */
struct record_sink {
    struct mmu_trace_writer *writer;
    uint64_t skip, max; /* references to pass over; then to keep at most */
    uint64_t passed, kept;
    uint64_t pid, tid;           /* of what comes */
    bool spoke[3];               /* the program has written to this file descriptor; 0: not looked at */
    uint64_t told_pid, told_tid; /* in the last marks */
    bool failed;                 /* err says why */
    struct mmu_error err;
};
/* Is there no use in more? */
static inline bool record_sink_full(const struct record_sink *sink)
{
    return sink->kept == sink->max || sink->failed;
}
/* Does the window begin with what comes, or has it begun? */
static inline bool record_sink_is_open(const struct record_sink *sink)
{
    return sink->passed == sink->skip;
}
/* n references lie before the window, all of them? Then they are passed over. */
static inline bool record_sink_pass(struct record_sink *sink, size_t n)
{
    bool before = n <= sink->skip - sink->passed;
    sink->passed += before ? n : 0;
    return before;
}
void record_sink_write(struct record_sink *sink, const struct mmu_access *from, size_t n);
/* Executions as mmu_trace_write_code() takes them, if the sink is open. Returns how many words it took. */
size_t record_sink_code(struct record_sink *sink, const uint64_t *words, size_t n);
void record_sink_event(struct record_sink *sink, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void record_sink_maps(struct record_sink *sink, uint64_t pid, const char *text, size_t n);

/* ---- the process ---- */

/*
 * The process that runs. A thread of ours waits for it and for signals: those of the terminal reach the
 * program by themselves, others are handed on, and a second one within a second ends the program.
 */
struct record_child {
    pid_t pid;
    pthread_t waiter;
    sigset_t old;
    uint32_t *bell; /* futex: counted up and woken when the process has ended; NULL: none */
    uint32_t ended; /* read it with record_child_ended() */
    int status;     /* as waitpid() gives it */
};
/* Runs path with argv; keep: a file descriptor that it inherits under the same number, or -1. CLI_GO or
 * CLI_BAD. */
int record_child_start(struct record_child *child, const char *path, char *const *argv, int keep,
                       uint32_t *bell);
bool record_child_ended(struct record_child *child);
/* Waits, and returns the exit status to pass on: the program's, or 128 and its signal. */
int record_child_finish(struct record_child *child);

/* ---- words of the plugin ---- */

struct record_words;
struct record_words *record_words_new(struct record_shared *shared, struct record_sink *sink);
void record_words_take(struct record_words *w, const struct record_slab *slab, const uint64_t *words,
                       size_t n);
/* No more will come: what is held goes into the trace. */
void record_words_finish(struct record_words *w);
void record_words_free(struct record_words *w);

/* ---- the tools ---- */

struct record {
    struct record_program program;
    struct record_sink sink;
    struct progress progress;
    char *self; /* folder of this program */
    const char *output;
    bool started; /* the program ran, and its exit status is worth passing on */
    double begun; /* when, by progress_seconds() */
};
/* Draws how far it is, unless the program writes to the same terminal: then the line is the program's. */
void record_show(struct record *r);
/* Each runs the program and fills the sink. Returns the exit status; complains when it must. */
int record_qemu(struct record *r);
int record_lackey(struct record *r);
/* Complains, and returns false, when the tool is not installed. */
bool record_qemu_ready(struct record *r);
bool record_lackey_ready(struct record *r);

#endif
