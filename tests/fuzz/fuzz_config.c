/*
 * fuzz_config.c: any bytes as a machine's YAML. They are refused with a message that has a place, or give a
 * possible machine that reads back from what is written. Bytes behind a NUL are a --set.
 */
#include <mmusim/config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz_config: %s\n", what);
        abort();
    }
}

static void check_round_trip(const struct mmu_config *config)
{
    struct mmu_config again;
    struct mmu_error err;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    require(out && mmu_config_write(config, out) == MMU_OK && fclose(out) == 0,
            "a possible machine cannot be written");
    require(mmu_config_parse(&again, text, size, "written", NULL, 0, &err) == MMU_OK, err.message);
    require(!memcmp(config, &again, sizeof again), "what was written reads back to another machine");
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmu_config config;
    struct mmu_error err = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    size_t length = strlen(text);
    const char *set = length < size ? text + length + 1 : NULL;
    int status = mmu_config_parse(&config, text, length, "fuzz", &set, set ? 1 : 0, &err);
    if (status == MMU_OK) {
        require(mmu_config_check(&config, &err) == MMU_OK, err.message);
        check_round_trip(&config);
    } else {
        require(err.code == status, "the error's code is another than the one returned");
        require(err.message[0] && !strchr(err.message, '\n'), err.message);
    }
    free(text);
    return 0;
}

#ifndef __clang__
/* Without libFuzzer: the files named on the command line. */
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        static uint8_t bytes[1 << 20];
        FILE *in = fopen(argv[i], "rb");
        require(in, argv[i]);
        size_t size = fread(bytes, 1, sizeof bytes, in);
        fclose(in);
        LLVMFuzzerTestOneInput(bytes, size);
    }
    return 0;
}
#endif
