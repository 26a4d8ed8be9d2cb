/* split.c placeholder */
#include "machine.h"
void split_free(struct mmu_core *c) { (void)c; }
