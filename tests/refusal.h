/* refusal.h: a machine that must be refused, and the one line that says why. */
#ifndef TESTS_REFUSAL_H
#define TESTS_REFUSAL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <mmusim/config.h>

struct refusal {
    const char *text; /* YAML, or a --set */
    int code;
    const char *line; /* what a person reads */
};

static inline void check_refusal(const char *text, const char *set, const struct refusal *expected)
{
    struct mmu_config config;
    struct mmu_error err;
    char line[1024];
    int status = mmu_config_parse(&config, text, strlen(text), "t.yaml", &set, set ? 1 : 0, &err);
    mmu_error_format(&err, line, sizeof line);
    assert_int_equal(status, expected->code);
    assert_int_equal(err.code, expected->code);
    assert_string_equal(line, expected->line);
    assert_int_equal(mmu_config_parse(&config, text, strlen(text), "t.yaml", &set, set ? 1 : 0, NULL),
                     expected->code);
}

#endif
