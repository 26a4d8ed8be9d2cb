/*
 * sim/record_plugin_exec.h: the recorded program becomes another one by execve().
 */
#ifndef SIM_RECORD_PLUGIN_EXEC_H
#define SIM_RECORD_PLUGIN_EXEC_H

#include "record_shared.h"
#include <stdbool.h>

/* The arguments of execve(), as addresses of the program. */
struct exec_request {
    const struct record_shared *shared;
    uint64_t base, path, argv, envp;
    bool is_i386;
    uint32_t image; /* the number of what it becomes */
};

/* Starts QEMU with the plugin for the other program. Returns when that is none for us, or cannot be: the
 * program's own call does then what it would have done. */
void exec_recorded(const struct exec_request *request);

#endif
