/*
 * sim/record_plugin_quiet.h: what QEMU says of the program's end that the program itself would not.
 */
#ifndef SIM_RECORD_PLUGIN_QUIET_H
#define SIM_RECORD_PLUGIN_QUIET_H

/* QEMU's standard error from now on: without the line that a signal has ended the program, which the exit
 * status tells. All else that QEMU has to say passes. */
void quiet_begin(void);

#endif
