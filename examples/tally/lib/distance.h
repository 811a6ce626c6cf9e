/* How many letters two words differ in. */
#ifndef TALLY_DISTANCE_H
#define TALLY_DISTANCE_H

#include <stddef.h>

/* Letters changed, added, left out or swapped with their neighbour; at most `most` + 1. */
size_t distance_between(const char *one, const char *other, size_t most);

#endif
