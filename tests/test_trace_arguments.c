/*
 * test_trace_arguments.c: formats and levels that are none: an error by value, and no file.
 */
#include "trace_files.h"

#include <unistd.h>

static void formats_that_are_none_are_not_read(void **state)
{
    (void)state;
    for (int format = -1; format <= MMU_TRACE_FORMATS; format += MMU_TRACE_FORMATS + 1) {
        struct mmu_trace_reader *reader;
        struct mmu_error err;
        char message[32];
        snprintf(message, sizeof message, "%d is no format", format);
        assert_int_equal(mmu_trace_open(in_scratch("a"), (enum mmu_trace_format)format, &reader, &err),
                         MMU_ERR_INVALID);
        assert_string_equal(err.message, message);
    }
}

static void writers_of_nothing_known(void **state)
{
    static const struct {
        struct mmu_trace_write_options options;
        const char *message;
    } wrong[] = {
        {{.level = 20}, "level 20, expected -7 to 19"},
        {{.level = -8}, "level -8, expected -7 to 19"},
        {{.format = MMU_TRACE_FORMATS}, "9 is no format"},
        {{.format = (enum mmu_trace_format) - 1}, "-1 is no format"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mmu_trace_writer *writer;
        struct mmu_error err;
        assert_int_equal(mmu_trace_create_with(in_scratch("never"), &wrong[i].options, &writer, &err),
                         MMU_ERR_INVALID);
        assert_string_equal(err.message, wrong[i].message);
        assert_int_equal(access(in_scratch("never"), F_OK), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_that_are_none_are_not_read),
        cmocka_unit_test(writers_of_nothing_known),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
