#include "map.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "memory.h"

/* The slot where the key is, or where it would be put. */
static size_t *slot_for(const struct map *map, const char *key, size_t length, uint64_t hash)
{
    size_t place = hash & (map->slot_count - 1);

    for (;; place = (place + 1) & (map->slot_count - 1)) {
        const struct map_entry *entry;
        if (map->slots[place] == 0)
            return &map->slots[place];
        entry = &map->entries[map->slots[place] - 1];
        if (entry->hash == hash && entry->length == length && !memcmp(entry->key, key, length))
            return &map->slots[place];
    }
}

static void grow(struct map *map)
{
    free(map->slots);
    map->slot_count = map->slot_count ? map->slot_count * 2 : 64;
    map->slots = memory_new(map->slot_count, sizeof *map->slots);
    for (size_t i = 0; i < map->count; i++) {
        const struct map_entry *entry = &map->entries[i];
        *slot_for(map, entry->key, entry->length, entry->hash) = i + 1;
    }
}

size_t *map_at(struct map *map, const char *key, size_t length)
{
    uint64_t hash = hash_bytes(key, length);
    size_t *slot;

    if (map->count * 2 >= map->slot_count)
        grow(map);
    slot = slot_for(map, key, length, hash);
    if (*slot == 0) {
        if (map->count == map->capacity) {
            map->capacity = map->capacity ? map->capacity * 2 : 32;
            map->entries = memory_resize(map->entries, map->capacity, sizeof *map->entries);
        }
        map->entries[map->count] =
            (struct map_entry){memory_copy(key, length), length, hash, 0};
        *slot = ++map->count;
    }
    return &map->entries[*slot - 1].value;
}

const struct map_entry *map_find(const struct map *map, const char *key, size_t length)
{
    size_t number;

    if (map->slot_count == 0)
        return NULL;
    number = *slot_for(map, key, length, hash_bytes(key, length));
    return number ? &map->entries[number - 1] : NULL;
}

void map_free(struct map *map)
{
    for (size_t i = 0; i < map->count; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->slots);
    *map = (struct map){0};
}
