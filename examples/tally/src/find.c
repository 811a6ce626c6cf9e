#include <stdio.h>

#include "commands.h"
#include "query.h"
#include "words.h"

static void print(const struct set *found, const struct buffer *text)
{
    struct lines lines = lines_of(text->bytes, text->length);

    for (size_t number = 0; lines_next(&lines); number++)
        if (set_has(found, number))
            printf("%zu: %.*s\n", number + 1, (int)lines.size, lines.line);
}

/* Like grep, 1 when nothing is found. */
int command_find(const struct options *options)
{
    const char *problem;
    struct query *query = query_parse(options->argument, &problem);
    struct buffer text;
    struct index index;
    struct set found;
    int status;

    if (query == NULL)
        options_refuse(options->argument, problem);
    text = read_input(options);
    index = index_of(text.bytes, text.length);
    found = query_lines(query, &index);
    print(&found, &text);
    status = found.count == 0;
    set_free(&found);
    index_free(&index);
    buffer_free(&text);
    query_free(query);
    return status;
}
