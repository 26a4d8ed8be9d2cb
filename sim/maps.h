/*
 * sim/maps.h: the regions of address spaces, from the text of /proc/PID/maps.
 */
#ifndef SIM_MAPS_H
#define SIM_MAPS_H

#include <mmusim/types.h>

/* One line: [start, end), what may be done, whose it is. */
struct maps_region {
    uint64_t process;
    bool any; /* of every process */
    mmu_va start, end;
    char rights[5];                     /* r-xp */
    char name[256];                     /* a file, [heap], or "" */
    uint64_t pages, touches[MMU_KINDS]; /* for who counts: distinct pages touched, references */
};

/* Regions, sorted by process and start when maps_sort() was called. Zero-initialise; maps_free(). */
struct maps {
    struct maps_region *region;
    size_t n, room;
};

/*
 * Adds the regions of a text of n bytes; file: its name for messages. any: they are every process's, else
 * that of `process`. Returns -1 (CLI_GO), or the exit status after a complaint about a line that is none.
 */
int maps_add(struct maps *maps, const char *file, const char *text, size_t n, uint64_t process, bool any);
/* The same with a file's text. */
int maps_add_file(struct maps *maps, const char *path);
void maps_sort(struct maps *maps);
/* The region of an address; NULL: none. */
struct maps_region *maps_find(const struct maps *maps, uint64_t process, mmu_va va);
void maps_free(struct maps *maps);

#endif
