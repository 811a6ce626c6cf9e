#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "reader.h"

static void add(struct buffer *text, const char *path)
{
    if (!reader_add_file(text, path)) {
        fprintf(stderr, "tally: %s: %s\n", path, strerror(errno));
        exit(1);
    }
}

struct buffer read_input(const struct options *options)
{
    struct buffer text = {0};

    buffer_add(&text, "", 0);
    if (options->file_count == 0)
        add(&text, "-");
    for (size_t i = 0; i < options->file_count; i++)
        add(&text, options->files[i]);
    return text;
}
