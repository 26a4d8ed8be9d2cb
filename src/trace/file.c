/* file.c: the bytes of a file for others than readers of traces. See mmusim/file.h; input.c does the work. */
#include <mmusim/file.h>

#include "error.h"
#include "input.h"

#include <stdlib.h>

struct mmu_file {
    struct input *input;
};

int mmu_file_open(const char *path, struct mmu_file **out, struct mmu_error *err)
{
    struct mmu_file *file = calloc(1, sizeof *file);
    int code;

    *out = NULL;
    if (!file)
        return err_at(err, MMU_ERR_NOMEM, path, 0, 0, "out of memory");
    code = input_open(&file->input, path, NULL, err);
    if (code)
        free(file);
    else
        *out = file;
    return code;
}

int64_t mmu_file_read(struct mmu_file *file, void *to, size_t n, struct mmu_error *err)
{
    return input_read(file->input, to, n, err);
}

void mmu_file_close(struct mmu_file *file)
{
    if (!file)
        return;
    input_close(file->input);
    free(file);
}
