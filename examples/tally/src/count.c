#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "utf8.h"

static void print(const struct options *options, const struct map *counts, const char *name)
{
    struct count *ranking = counter_ranking(counts);
    size_t count = counts->count < options->limit ? counts->count : options->limit;
    struct rows rows = {.format = options->format, .name = name, .value = "count"};

    for (size_t i = 0; i < count; i++) {
        size_t width = utf8_length(ranking[i].word);
        rows.width = width > rows.width ? width : rows.width;
    }
    rows_begin(&rows);
    for (size_t i = 0; i < count; i++)
        rows_add(&rows, ranking[i].word, (double)ranking[i].count);
    rows_end(&rows);
    fwrite(rows.output.bytes, 1, rows.output.length, stdout);
    buffer_free(&rows.output);
    free(ranking);
}

int command_count(const struct options *options)
{
    struct buffer text = read_input(options);
    struct map counts = {0};

    counter_add(&counts, text.bytes, text.length, options->counting);
    print(options, &counts, "word");
    map_free(&counts);
    buffer_free(&text);
    return 0;
}

int command_pairs(const struct options *options)
{
    struct buffer text = read_input(options);
    struct map counts = {0};

    counter_add_pairs(&counts, text.bytes, text.length);
    print(options, &counts, "pair");
    map_free(&counts);
    buffer_free(&text);
    return 0;
}
