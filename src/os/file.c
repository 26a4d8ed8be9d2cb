/* file.c: files by number and by name, and their content. See file.h. */
#include "file.h"
#include "hash.h"
#include "linux_errno.h"
#include "rng.h"
#include "task.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int files_init(struct mmu_os *os)
{
    os->procs->files = calloc(1, sizeof *os->procs->files);
    return os->procs->files ? MMU_OK : MMU_ERR_NOMEM;
}

static void free_file(struct file *f)
{
    for (uint64_t i = 0; i < f->written_places; i++)
        free(f->written[i].bytes);
    free(f->written);
    free(f->pages.place);
    free(f->name);
    free(f->path);
    free(f);
}

void files_destroy(struct mmu_os *os)
{
    struct files *all = os->procs->files;
    if (!all)
        return;
    for (uint32_t i = 1; i <= all->count; i++)
        if (all->file[i])
            free_file(all->file[i]);
    free(all->file);
    free(all);
    os->procs->files = NULL;
}

struct file *file_find(const struct mmu_os *os, uint32_t number)
{
    const struct files *all = os->procs->files;
    return number >= 1 && number <= all->count ? all->file[number] : NULL;
}

static struct file *find_name(const struct mmu_os *os, const char *name)
{
    const struct files *all = os->procs->files;
    for (uint32_t i = 1; i <= all->count; i++)
        if (all->file[i] && all->file[i]->kind != FILE_SHMEM && strcmp(all->file[i]->name, name) == 0)
            return all->file[i];
    return NULL;
}

static struct file *new_file(struct mmu_os *os, enum file_kind kind, const char *name, const char *path,
                             uint64_t size)
{
    struct files *all = os->procs->files;
    if (all->count + 1 >= all->room) {
        uint32_t room = all->room ? 2 * all->room : 16;
        struct file **more = realloc(all->file, room * sizeof(struct file *));
        if (!more)
            return NULL;
        all->file = more;
        all->room = room;
    }
    struct file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    *f = (struct file){.kind = kind, .size = size, .name = strdup(name), .path = path ? strdup(path) : NULL};
    if (!f->name || (path && !f->path)) {
        free_file(f);
        return NULL;
    }
    f->number = ++all->count;
    all->file[f->number] = f;
    return f;
}

struct file *file_new_shmem(struct mmu_os *os, uint64_t size)
{
    return new_file(os, FILE_SHMEM, "/dev/zero (deleted)", NULL, size);
}

/* Bytes of a file of the host; false: there is none that can be read. */
static bool host_size(const char *path, uint64_t *size)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, R_OK) != 0)
        return false;
    *size = (uint64_t)st.st_size;
    return true;
}

struct file *file_open(struct mmu_os *os, const char *path)
{
    char *target = path[0] == '/' ? realpath(path, NULL) : NULL;
    const char *name = target ? target : path;
    struct file *f = find_name(os, name);
    uint64_t size = 0;
    if (!f && host_size(name, &size))
        f = new_file(os, FILE_ORDINARY, name, name, size);
    free(target);
    return f;
}

struct file *file_special(struct mmu_os *os, const char *name, uint64_t pages)
{
    struct file *f = find_name(os, name);
    return f ? f : new_file(os, FILE_SPECIAL, name, NULL, pages << PAGE_SHIFT);
}

/* ----- mappings ----- */

void file_map(struct vma *vma)
{
    struct file *f = vma->file;
    vma->file_next = f->vmas;
    vma->file_link = &f->vmas;
    if (vma->file_next)
        vma->file_next->file_link = &vma->file_next;
    f->vmas = vma;
}

void file_unmap(struct mmu_os *os, struct vma *vma)
{
    struct file *f = vma->file;
    *vma->file_link = vma->file_next;
    if (vma->file_next)
        vma->file_next->file_link = vma->file_link;
    if (f->kind != FILE_SHMEM || f->vmas)
        return;
    pagecache_clear(os, f);
    os->procs->files->file[f->number] = NULL;
    free_file(f);
}

/* ----- content ----- */

static struct file_written *written_at(const struct file *f, uint64_t index)
{
    uint64_t mask = f->written_places - 1, i = rng_mix(index) & mask;
    while (f->written[i].bytes && f->written[i].index != index)
        i = (i + 1) & mask;
    return &f->written[i];
}

static void read_host(const struct file *f, uint64_t index, uint8_t *bytes)
{
    size_t done = 0;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && done < PAGE_SIZE) {
        ssize_t n = pread(fd, bytes + done, PAGE_SIZE - done, (off_t)((index << PAGE_SHIFT) + done));
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd >= 0)
        close(fd);
}

const uint8_t *file_stored(const struct file *f, uint64_t index)
{
    return f->written_places ? written_at(f, index)->bytes : NULL;
}

void file_content(const struct file *f, uint64_t index, uint8_t bytes[PAGE_SIZE])
{
    memset(bytes, 0, PAGE_SIZE);
    if (f->path) {
        read_host(f, index, bytes);
    } else if (f->kind == FILE_ORDINARY) {
        uint64_t seed = hash_bytes(f->name, strlen(f->name), index);
        for (uint64_t i = 0; i < PAGE_SIZE / sizeof seed; i++) {
            uint64_t word = rng_mix(seed + i);
            memcpy(bytes + i * sizeof word, &word, sizeof word);
        }
    }
    uint64_t start = index << PAGE_SHIFT, kept = f->size > start ? f->size - start : 0;
    if (kept < PAGE_SIZE) /* the rest of the last page is zeros */
        memset(bytes + kept, 0, (size_t)(PAGE_SIZE - kept));
}

static int widen_written(struct file *f)
{
    struct file_written *before = f->written;
    uint64_t places = f->written_places, wider = places ? 2 * places : 16;
    if (2 * (f->written_count + 1) <= places)
        return MMU_OK;
    struct file_written *more = calloc(wider, sizeof *more);
    if (!more)
        return MMU_ERR_NOMEM;
    f->written = more;
    f->written_places = wider;
    for (uint64_t i = 0; i < places; i++)
        if (before[i].bytes)
            *written_at(f, before[i].index) = before[i];
    free(before);
    return MMU_OK;
}

int file_store(struct file *f, uint64_t index, const uint8_t bytes[PAGE_SIZE])
{
    int status = widen_written(f);
    if (status != MMU_OK)
        return status;
    struct file_written *w = written_at(f, index);
    if (!w->bytes) {
        w->bytes = malloc(PAGE_SIZE);
        if (!w->bytes)
            return MMU_ERR_NOMEM;
        w->index = index;
        f->written_count++;
    }
    memcpy(w->bytes, bytes, PAGE_SIZE);
    return MMU_OK;
}

/* ----- the public face ----- */

int mmu_os_file(struct mmu_os *os, const char *name, const char *path, uint64_t size, uint32_t *file)
{
    struct file *f = find_name(os, name);
    uint64_t host = 0;
    if (size > FILE_SIZE_MAX)
        return mm_error(os, "open", LINUX_EOVERFLOW, "%s: %" PRIu64 " bytes, expected at most 2^44", name,
                        size);
    if (!f) {
        if (path && !host_size(path, &host))
            return mm_error(os, "open", LINUX_ENOENT, "%s: no file that can be read", path);
        f = new_file(os, FILE_ORDINARY, name, path, size ? size : host);
        if (!f)
            return MMU_ERR_NOMEM;
    } else if (path && (!f->path || strcmp(f->path, path) != 0)) {
        return mm_error(os, "open", LINUX_EEXIST, "%s: has other content already", name);
    } else if (size && size < f->size) {
        return mm_error(os, "open", LINUX_EINVAL, "%s: has %" PRIu64 " bytes, and files do not shrink", name,
                        f->size);
    } else if (size) {
        f->size = size;
    }
    *file = f->number;
    return MMU_OS_DONE;
}

int mmu_os_file_info(const struct mmu_os *os, uint32_t file, struct mmu_os_file_info *info)
{
    const struct file *f = file_find(os, file);
    if (!f)
        return MMU_OS_REFUSED;
    *info =
        (struct mmu_os_file_info){.file = file, .size = f->size, .cached = f->pages.count, .dirty = f->dirty};
    snprintf(info->name, sizeof info->name, "%s", f->name);
    return MMU_OS_DONE;
}

void mmu_os_sync(struct mmu_os *os)
{
    const struct files *all = os->procs->files;
    for (uint32_t i = 1; i <= all->count; i++)
        if (all->file[i] && all->file[i]->dirty)
            (void)pagecache_sync(os, all->file[i], 0, UINT64_MAX);
}

void mmu_os_drop_caches(struct mmu_os *os)
{
    const struct files *all = os->procs->files;
    for (uint32_t i = 1; i <= all->count; i++)
        if (all->file[i] && all->file[i]->kind != FILE_SHMEM)
            pagecache_drop(os, all->file[i]);
}
