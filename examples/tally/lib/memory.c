#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("tally: out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

void *memory_new(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size));
}

void *memory_resize(void *old, size_t count, size_t size)
{
    if (count > SIZE_MAX / size)
        return checked(NULL);
    return checked(realloc(old, count * size));
}

char *memory_copy(const char *bytes, size_t length)
{
    char *copy = memory_new(length + 1, 1);
    memcpy(copy, bytes, length);
    return copy;
}
