#include "set.h"

#include <stdlib.h>

#include "memory.h"

void set_append(struct set *set, size_t number)
{
    if (set->count > 0 && set->numbers[set->count - 1] == number)
        return;
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? set->capacity * 2 : 4;
        set->numbers = memory_resize(set->numbers, set->capacity, sizeof *set->numbers);
    }
    set->numbers[set->count++] = number;
}

bool set_has(const struct set *set, size_t number)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && set->numbers[low] == number;
}

struct set set_range(size_t first, size_t behind_last)
{
    struct set range = {0};

    for (size_t number = first; number < behind_last; number++)
        set_append(&range, number);
    return range;
}

struct set set_union(const struct set *a, const struct set *b)
{
    struct set both = {0};
    size_t i = 0, j = 0;

    while (i < a->count || j < b->count)
        if (j == b->count || (i < a->count && a->numbers[i] <= b->numbers[j]))
            set_append(&both, a->numbers[i++]);
        else
            set_append(&both, b->numbers[j++]);
    return both;
}

/* Those of `a` that are in `b`, or those that are not. */
static struct set chosen(const struct set *a, const struct set *b, bool in_both)
{
    struct set result = {0};

    for (size_t i = 0; i < a->count; i++)
        if (set_has(b, a->numbers[i]) == in_both)
            set_append(&result, a->numbers[i]);
    return result;
}

struct set set_intersection(const struct set *a, const struct set *b)
{
    return chosen(a, b, true);
}

struct set set_difference(const struct set *a, const struct set *b)
{
    return chosen(a, b, false);
}

void set_free(struct set *set)
{
    free(set->numbers);
    *set = (struct set){0};
}
