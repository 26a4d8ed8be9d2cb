/*
 * dice.c: seeds and rounds from the environment.
 */
#include "dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return otherwise;
    char *end;
    uint64_t value = strtoull(text, &end, 0);
    if (*end != '\0') {
        fprintf(stderr, "%s: \"%s\" is no number\n", name, text);
        exit(2);
    }
    return value;
}

struct dice dice_new(const char *test, uint64_t seed)
{
    struct dice d = {from_environment("MMUSIM_SEED", seed)};
    printf("%s: MMUSIM_SEED=%" PRIu64 "\n", test, d.state);
    return d;
}

unsigned dice_rounds(unsigned rounds)
{
    return (unsigned)from_environment("MMUSIM_ROUNDS", rounds);
}
