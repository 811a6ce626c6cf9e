/* Words, each with a number: a hash table with open addressing. */
#ifndef TALLY_MAP_H
#define TALLY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    char *key;
    size_t length;
    uint64_t hash;
    size_t value;
};

struct map {
    struct map_entry *entries; /* in the order in which they came */
    size_t count, capacity;
    size_t *slots; /* number of an entry + 1, or 0 */
    size_t slot_count;
};

/* The value of the key, which is 0 when the key is new. Good until the next is added. */
size_t *map_at(struct map *map, const char *key, size_t length);

/* NULL when the key is not there. */
const struct map_entry *map_find(const struct map *map, const char *key, size_t length);

void map_free(struct map *map);

#endif
