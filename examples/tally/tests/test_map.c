#include <string.h>

#include "check.h"
#include "map.h"

static void test_many_keys_keep_their_values(void)
{
    struct map map = {0};
    char key[16];

    for (size_t i = 0; i < 5000; i++)
        *map_at(&map, key, (size_t)snprintf(key, sizeof key, "key %zu", i)) = i;
    CHECK(map.count == 5000);
    for (size_t i = 0; i < 5000; i++)
        CHECK(map_find(&map, key, (size_t)snprintf(key, sizeof key, "key %zu", i))->value == i);
    map_free(&map);
}

static void test_a_key_that_is_not_there(void)
{
    struct map map = {0};

    CHECK(map_find(&map, "a", 1) == NULL);
    *map_at(&map, "ab", 2) = 7;
    CHECK(map_find(&map, "a", 1) == NULL);
    CHECK(*map_at(&map, "ab", 2) == 7);
    map_free(&map);
}

int main(void)
{
    test_many_keys_keep_their_values();
    test_a_key_that_is_not_there();
}
