/*
 * sim/trace.h: the parts of mmusim trace.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "cli.h"
#include <mmusim/trace.h>

/* --trace-format: a row for a table of options. *choice is the word's place in a list; trace_format_chosen()
 * makes a format of it (0: auto). */
struct cli_option trace_format_option(unsigned *choice);
enum mmu_trace_format trace_format_chosen(unsigned choice);
/* The same for run, which takes scenarios, too. */
struct cli_option run_format_option(unsigned *choice);
bool run_format_is_scenario(unsigned choice);

/* argv[0] is the part's name; the exit status is returned. */
int trace_info(int argc, char **argv);
int trace_convert(int argc, char **argv);
int trace_cut(int argc, char **argv);
int trace_merge(int argc, char **argv);
int trace_stats(int argc, char **argv);
int trace_verify(int argc, char **argv);
int trace_record(int argc, char **argv);

#endif
