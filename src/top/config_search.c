/*
 * The search path of machines: $MMUSIM_CONFIG_PATH, then beside the program, then where the library was
 * installed.
 */
#include "config_search.h"
#include "config_yaml.h"
#include "error.h"
#include <mmusim/config.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

bool search_is_path(const char *name)
{
    return strchr(name, '/') || ends_with(name, ".yaml") || ends_with(name, ".yml");
}

void search_stem(const char *path, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    size_t n = strlen(last);
    n -= ends_with(last, ".yaml") ? 5 : ends_with(last, ".yml") ? 4 : 0;
    snprintf(name, size, "%.*s", n < size ? (int)n : (int)size - 1, last);
}

static int search_listed(const char *list, int (*each)(void *ctx, const char *folder), void *ctx)
{
    int stop = 0;
    char *copy = strdup(list), *rest = copy, *folder;
    while (!stop && (folder = strsep(&rest, ":")))
        stop = *folder ? each(ctx, folder) : 0;
    free(copy);
    return stop;
}

static int search_beside_program(int (*each)(void *ctx, const char *folder), void *ctx)
{
    static const char *const places[] = {"/../configs", "/../share/mmusim/configs"};
    char program[PATH_MAX], folder[PATH_MAX + 32], real[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    int stop = 0;
    if (n <= 0)
        return 0;
    program[n] = '\0';
    *strrchr(program, '/') = '\0';
    for (size_t i = 0; i < 2 && !stop; i++) {
        snprintf(folder, sizeof folder, "%s%s", program, places[i]);
        stop = realpath(folder, real) ? each(ctx, real) : 0;
    }
    return stop;
}

int search_folders(int (*each)(void *ctx, const char *folder), void *ctx)
{
    const char *list = getenv("MMUSIM_CONFIG_PATH");
    int stop = list ? search_listed(list, each, ctx) : 0;
    if (!stop)
        stop = search_beside_program(each, ctx);
#ifdef MMUSIM_INSTALL_DATADIR
    if (!stop)
        stop = each(ctx, MMUSIM_INSTALL_DATADIR "/configs");
#endif
    return stop;
}

/* --- one machine --- */

struct lookup {
    const char *name;
    char *path;
};

static int look_in(void *ctx, const char *folder)
{
    struct lookup *l = ctx;
    int n = snprintf(l->path, PATH_MAX, "%s/%s.yaml", folder, l->name);
    return n < PATH_MAX && access(l->path, F_OK) == 0;
}

/* --- all machines --- */

struct machine {
    char *name, *path;
};

struct machines {
    struct machine *item;
    size_t n, room;
    size_t folders;
    bool failed;
    char looked[300]; /* the folders, for a complaint */
};

static void free_machines(struct machines *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->item[i].name);
        free(m->item[i].path);
    }
    free(m->item);
}

/* Adds folder/file unless a folder before has a machine of its name. */
static bool add_machine(struct machines *m, const char *folder, const char *file)
{
    char name[NAME_MAX + 1], path[PATH_MAX];
    search_stem(file, name, sizeof name);
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->item[i].name, name))
            return true;
    if (snprintf(path, sizeof path, "%s/%s", folder, file) >= PATH_MAX)
        return true;
    if (m->n == m->room) {
        size_t room = m->room ? 2 * m->room : 32;
        struct machine *item = realloc(m->item, room * sizeof *item);
        if (!item)
            return false;
        m->item = item;
        m->room = room;
    }
    struct machine *k = &m->item[m->n];
    *k = (struct machine){strdup(name), strdup(path)};
    m->n++;
    return k->name && k->path;
}

static int add_folder(void *ctx, const char *folder)
{
    struct machines *m = ctx;
    size_t used = strlen(m->looked);
    snprintf(m->looked + used, sizeof m->looked - used, "%s%s", used ? ", " : "", folder);
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    m->folders++;
    for (struct dirent *entry; (entry = readdir(dir)) && !m->failed;)
        if (ends_with(entry->d_name, ".yaml") && entry->d_name[0] != '.')
            m->failed = !add_machine(m, folder, entry->d_name);
    closedir(dir);
    return m->failed;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct machine *)a)->name, ((const struct machine *)b)->name);
}

static int find_machines(struct machines *m, struct mmu_error *err)
{
    *m = (struct machines){.item = NULL};
    search_folders(add_folder, m);
    if (m->failed)
        return err_set(err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    if (m->n)
        qsort(m->item, m->n, sizeof *m->item, by_name);
    return MMU_OK;
}

static int not_found(const char *name, struct mmu_error *err)
{
    struct machines m;
    char shown[YAML_SHOWN];
    int status = find_machines(&m, err);
    const char **names = status ? NULL : calloc(m.n + 1, sizeof *names);
    if (names) {
        for (size_t i = 0; i < m.n; i++)
            names[i] = m.item[i].name;
        const char *near = err_suggest(name, names, m.n);
        status =
            near ? err_set(err, MMU_ERR_NOTFOUND, "no machine is named '%s'; did you mean '%s'?",
                           yaml_shown(name, shown), near)
                 : err_set(
                       err, MMU_ERR_NOTFOUND,
                       "no machine is named '%s'; expected the path of a .yaml file, or a name found in %s",
                       yaml_shown(name, shown), m.looked);
    } else if (!status) {
        status = err_set(err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    }
    free(names);
    free_machines(&m);
    return status;
}

int search_machine(const char *name, char path[PATH_MAX], struct mmu_error *err)
{
    struct lookup l = {name, path};
    return *name && search_folders(look_in, &l) ? MMU_OK : not_found(name, err);
}

int mmu_config_list(void (*each)(void *ctx, const char *name, const char *title, const char *path), void *ctx,
                    struct mmu_error *err)
{
    struct machines m;
    int status = find_machines(&m, err);
    if (!status && !m.folders)
        status = err_set(err, MMU_ERR_NOTFOUND, "no folder of machines; looked for %s", m.looked);
    for (size_t i = 0; i < m.n && !status; i++) {
        struct mmu_config config;
        struct mmu_error why;
        char text[sizeof why.file + sizeof why.message + 32];
        bool ok = mmu_config_load(&config, m.item[i].path, NULL, 0, &why) == MMU_OK;
        each(ctx, m.item[i].name, ok ? config.title : mmu_error_format(&why, text, sizeof text),
             m.item[i].path);
    }
    free_machines(&m);
    return status;
}
