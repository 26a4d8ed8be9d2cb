/*
 * A machine from files: the one asked for, those that it inherits from, and --set, in that order of growing
 * authority.
 *
 * A base named NAME is NAME.yaml in the folder of the file that inherits, unless that is the file itself,
 * else a shipped machine; a path is relative to that folder. Leaves out what the values mean.
 */
#include "config_apply.h"
#include "config_search.h"
#include "config_value.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 16 }; /* files that inherit from each other */

/* A file being read, and the one that inherits from it. */
struct source {
    const char *path; /* or the origin of a text in memory */
    bool is_file;
    dev_t device;
    ino_t inode;
    unsigned depth;
    const struct source *heir;
};

static int load_file(struct apply *a, const char *path, const struct source *heir);

static int refuse_file(struct apply *a, const char *path, int code, const char *why)
{
    return err_at(a->err, code, path, 0, 0, "%s", why);
}

/* Reads up to one byte more than is taken, so that a larger file shows. */
static int read_all(struct apply *a, int fd, const char *path, char *text, size_t *size)
{
    for (*size = 0; *size <= YAML_MAX_BYTES;) {
        ssize_t n = read(fd, text + *size, YAML_MAX_BYTES + 1 - *size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse_file(a, path, MMU_ERR_IO,
                               errno == EISDIR ? "a directory; expected a YAML file" : strerror(errno));
        if (n == 0)
            break;
        *size += (size_t)n;
    }
    return MMU_OK;
}

/* --- inheriting --- */

static const struct yaml_node *find_key(const struct yaml_node *root, const char *key,
                                        const struct yaml_node **key_node)
{
    if (root->kind == YAML_MAP)
        for (const struct yaml_node *k = root->first; k; k = k->next->next)
            if (!strcmp(k->text, key)) {
                *key_node = k;
                return k->next;
            }
    return NULL;
}

/* path of `name`, as seen from the file `from`. */
static bool beside(const char *from, const char *name, const char *ending, char path[PATH_MAX])
{
    const char *slash = *name == '/' ? NULL : strrchr(from, '/');
    int n = snprintf(path, PATH_MAX, "%.*s%s%s", slash ? (int)(slash - from + 1) : 0, from, name, ending);
    return n < PATH_MAX;
}

static int find_base(struct apply *a, const struct source *s, const char *name, char path[PATH_MAX])
{
    struct stat st;
    if (search_is_path(name))
        return beside(s->path, name, "", path)
                   ? MMU_OK
                   : err_set(a->err, MMU_ERR_RANGE, "a path longer than this system allows");
    if (s->is_file && beside(s->path, name, ".yaml", path) && stat(path, &st) == 0 &&
        (st.st_dev != s->device || st.st_ino != s->inode))
        return MMU_OK;
    return search_machine(name, path, a->err);
}

static int apply_base(struct apply *a, const struct source *s, const struct yaml_node *key,
                      const struct yaml_node *node)
{
    char path[PATH_MAX], shown[YAML_SHOWN], why[sizeof a->err->message];
    strcpy(a->path, "inherit");
    if (node->kind != YAML_TEXT || yaml_is_null(node) || !*node->text)
        return value_refuse(a, node, MMU_ERR_FORMAT, "expected the name of a machine, or a file, got %s",
                            yaml_kind_name(node));
    int status = find_base(a, s, node->text, path);
    if (status) {
        snprintf(why, sizeof why, "%s", a->err->message);
        return value_refuse(a, node, status, "%s", why);
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return value_refuse(a, node, MMU_ERR_IO, "%s: %s", yaml_shown(node->text, shown), strerror(errno));
    if (!S_ISREG(st.st_mode))
        return value_refuse(a, node, MMU_ERR_IO, "'%s' is not a regular file; expected a YAML file",
                            yaml_shown(node->text, shown));
    for (const struct source *h = s; h; h = h->heir)
        if (h->is_file && h->device == st.st_dev && h->inode == st.st_ino)
            return value_refuse(a, node, MMU_ERR_INVALID,
                                "'%s' inherits, directly or not, from this file; expected no cycle",
                                yaml_shown(node->text, shown));
    if (s->depth + 1 >= MAX_DEPTH)
        return value_refuse(a, node, MMU_ERR_RANGE, "more than %d machines inherit from each other",
                            MAX_DEPTH);
    (void)key;
    return load_file(a, path, s);
}

/* --- one text --- */

static int load_text(struct apply *a, const char *text, size_t size, const struct source *s)
{
    struct yaml_tree tree;
    const struct yaml_node *key = NULL, *base;
    int status = yaml_tree_read(&tree, text, size, s->path, a->err);
    if (!status)
        status = apply_origin(a, "", s->path);
    if (!status && (base = find_key(tree.root, "inherit", &key))) {
        status = apply_base(a, s, key, base);
        if (!status)
            status = apply_origin(a, "", s->path); /* again: this text is the one being read */
    }
    if (!status)
        status = apply_tree(a, tree.root);
    if (!status && !find_key(tree.root, "name", &key)) {
        memset(a->config->name, 0, sizeof a->config->name);
        search_stem(s->path, a->config->name, sizeof a->config->name);
    }
    yaml_tree_free(&tree);
    return status;
}

static int load_file(struct apply *a, const char *path, const struct source *heir)
{
    struct source s = {.path = path, .is_file = true, .depth = heir ? heir->depth + 1 : 0, .heir = heir};
    struct stat st;
    size_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse_file(a, path, errno == ENOENT ? MMU_ERR_NOTFOUND : MMU_ERR_IO, strerror(errno));
    char *text = malloc(YAML_MAX_BYTES + 1);
    int status = text ? MMU_OK : err_set(a->err, MMU_ERR_NOMEM, "%s", mmu_status_text(MMU_ERR_NOMEM));
    if (!status && fstat(fd, &st) == 0) {
        s.device = st.st_dev;
        s.inode = st.st_ino;
    }
    if (!status)
        status = read_all(a, fd, path, text, &size);
    close(fd);
    if (!status)
        status = load_text(a, text, size, &s);
    free(text);
    return status;
}

/* --- the public face --- */

static int finish(struct apply *a, int status, const char *const *sets, size_t n)
{
    for (size_t i = 0; i < n && !status; i++)
        status = apply_set(a, sets[i]);
    if (!status)
        status = apply_finish(a);
    apply_free(a);
    return status;
}

int mmu_config_load(struct mmu_config *config, const char *name, const char *const *sets, size_t n,
                    struct mmu_error *err)
{
    struct mmu_error own;
    struct apply a = {.config = config, .err = err ? err : &own};
    char path[PATH_MAX];
    int status = MMU_OK;
    mmu_config_init(config);
    if (!search_is_path(name)) {
        status = search_machine(name, path, a.err);
        name = path;
    }
    if (!status)
        status = load_file(&a, name, NULL);
    return finish(&a, status, sets, n);
}

int mmu_config_parse(struct mmu_config *config, const char *text, size_t size, const char *origin,
                     const char *const *sets, size_t n, struct mmu_error *err)
{
    struct mmu_error own;
    struct apply a = {.config = config, .err = err ? err : &own};
    struct source s = {.path = origin ? origin : "text"};
    mmu_config_init(config);
    return finish(&a, load_text(&a, size ? text : "", size, &s), sets, n);
}
