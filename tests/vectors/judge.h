/*
 * judge.h: makes the access of a vector on a simulated machine, through the public interface alone, and
 * compares.
 */
#ifndef VECTORS_JUDGE_H
#define VECTORS_JUDGE_H

#include "vector.h"

#include <stdbool.h>
#include <stdio.h>

struct judge; /* the machines, one for each processor that the vectors ask for; opaque */

struct judge *judge_new(void); /* NULL: the host is out of memory */
void judge_free(struct judge *judge);

/*
 * 1: the machine agrees; 0: it does not, and a line for each difference, opened by `place`, went to out; -1:
 * the vector cannot be set up, why (size bytes) says why.
 */
int judge_vector(struct judge *judge, const struct vector *v, const char *place, FILE *out, char *why,
                 size_t size);

#endif
