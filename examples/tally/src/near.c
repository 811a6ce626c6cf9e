#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "distance.h"
#include "memory.h"
#include "sort.h"
#include "utf8.h"

/* Words that differ in more letters are not near. */
#define FARTHEST 2

struct candidate {
    const char *word;
    size_t distance;
};

static int compare(const void *one, const void *other)
{
    const struct candidate *a = one, *b = other;

    return (a->distance > b->distance) - (a->distance < b->distance);
}

/* Of words equally near the more frequent come first, as they do in the ranking. */
static size_t collect(struct candidate *found, const struct map *counts, const char *word)
{
    struct count *ranking = counter_ranking(counts);
    size_t count = 0;

    for (size_t i = 0; i < counts->count; i++) {
        size_t distance = distance_between(word, ranking[i].word, FARTHEST);
        if (distance <= FARTHEST)
            found[count++] = (struct candidate){ranking[i].word, distance};
    }
    free(ranking);
    sort_stably(found, count, sizeof *found, compare);
    return count;
}

static void print(const struct options *options, const struct candidate *found, size_t count)
{
    struct rows rows = {.format = options->format, .name = "word", .value = "distance"};

    for (size_t i = 0; i < count; i++) {
        size_t width = utf8_length(found[i].word);
        rows.width = width > rows.width ? width : rows.width;
    }
    rows_begin(&rows);
    for (size_t i = 0; i < count; i++)
        rows_add(&rows, found[i].word, (double)found[i].distance);
    rows_end(&rows);
    if (rows.output.length > 0)
        fwrite(rows.output.bytes, 1, rows.output.length, stdout);
    buffer_free(&rows.output);
}

int command_near(const struct options *options)
{
    struct buffer text = read_input(options);
    struct map counts = {0};
    struct candidate *found;
    size_t count;

    counter_add(&counts, text.bytes, text.length, (struct counting){.all = true});
    found = memory_new(counts.count, sizeof *found);
    count = collect(found, &counts, options->argument);
    print(options, found, count < options->limit ? count : options->limit);
    free(found);
    map_free(&counts);
    buffer_free(&text);
    return count == 0;
}
