#include "sort.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

struct sorting {
    char *spare;
    size_t size;
    int (*compare)(const void *, const void *);
};

static void merge(const struct sorting *how, char *items, size_t middle, size_t count)
{
    size_t size = how->size, i = 0, j = middle, k = 0;

    while (i < middle && j < count) {
        int order = how->compare(items + i * size, items + j * size);
        size_t from = order <= 0 ? i++ : j++;
        memcpy(how->spare + k++ * size, items + from * size, size);
    }
    /* What is left of the second half is where it belongs. */
    memcpy(how->spare + k * size, items + i * size, (middle - i) * size);
    memcpy(items, how->spare, (k + middle - i) * size);
}

static void sort(const struct sorting *how, char *items, size_t count)
{
    if (count < 2)
        return;
    sort(how, items, count / 2);
    sort(how, items + count / 2 * how->size, count - count / 2);
    merge(how, items, count / 2, count);
}

void sort_stably(void *items, size_t count, size_t size,
                 int (*compare)(const void *, const void *))
{
    struct sorting how = {memory_new(count, size), size, compare};

    sort(&how, items, count);
    free(how.spare);
}
