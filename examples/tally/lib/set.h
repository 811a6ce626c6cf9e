/* Sets of numbers, each sorted and without doubles. */
#ifndef TALLY_SET_H
#define TALLY_SET_H

#include <stdbool.h>
#include <stddef.h>

struct set {
    size_t *numbers;
    size_t count, capacity;
};

/* The number must not be smaller than the last; the last again is not added twice. */
void set_append(struct set *set, size_t number);
bool set_has(const struct set *set, size_t number);

struct set set_range(size_t first, size_t behind_last);
struct set set_union(const struct set *a, const struct set *b);
struct set set_intersection(const struct set *a, const struct set *b);
struct set set_difference(const struct set *a, const struct set *b);
void set_free(struct set *set);

#endif
