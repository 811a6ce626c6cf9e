#include "reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool reader_add_file(struct buffer *buffer, const char *path)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    char block[16384];
    size_t size;
    bool good;

    if (file == NULL)
        return false;
    while ((size = fread(block, 1, sizeof block, file)) > 0)
        buffer_add(buffer, block, size);
    good = !ferror(file);
    if (file != stdin) {
        int reason = errno;
        fclose(file);
        errno = reason;
    }
    return good;
}
