/*
 * What mmu_config_check() finds, in a form that the loader can give a position.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include <mmusim/config.h>

struct config_problem {
    size_t field[2]; /* offsets in struct mmu_config of the fields that do not agree; twice the same when
                        there is one */
    char text[384];
};

/* False, and *problem filled with the first rule that is broken, when the config describes no possible
 * machine. */
bool config_possible(const struct mmu_config *config, struct config_problem *problem);

#endif
