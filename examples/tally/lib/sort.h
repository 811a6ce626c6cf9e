/* A stable sort: what compares as equal stays in order. */
#ifndef TALLY_SORT_H
#define TALLY_SORT_H

#include <stddef.h>

void sort_stably(void *items, size_t count, size_t size,
                 int (*compare)(const void *, const void *));

#endif
