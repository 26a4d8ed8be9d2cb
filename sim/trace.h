/*
 * sim/trace.h: the parts of mmusim trace.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

/* Words of --trace-format, in the order of enum mmu_trace_format. */
extern const char *const trace_formats[];

/* argv[0] is the part's name; the exit status is returned. */
int trace_convert(int argc, char **argv);
int trace_info(int argc, char **argv);

#endif
