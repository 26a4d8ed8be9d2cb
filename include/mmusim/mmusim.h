/*
 * mmusim/mmusim.h: everything. See machine.h to begin.
 */
#ifndef MMUSIM_MMUSIM_H
#define MMUSIM_MMUSIM_H

#include <mmusim/config.h>
#include <mmusim/event.h>
#include <mmusim/executions.h>
#include <mmusim/file.h>
#include <mmusim/machine.h>
#include <mmusim/os.h>
#include <mmusim/process.h>
#include <mmusim/runs.h>
#include <mmusim/space.h>
#include <mmusim/split.h>
#include <mmusim/stats.h>
#include <mmusim/trace.h>
#include <mmusim/types.h>
#include <mmusim/walk.h>

#define MMU_VERSION_MAJOR 0
#define MMU_VERSION_MINOR 1
#define MMU_VERSION_PATCH 0
#define MMU_VERSION       "0.1.0"

#endif
