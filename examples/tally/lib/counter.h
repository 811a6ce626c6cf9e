/* How often each word of a text is there. */
#ifndef TALLY_COUNTER_H
#define TALLY_COUNTER_H

#include <stdbool.h>
#include <stddef.h>

#include "map.h"

struct counting {
    bool stems;     /* count words with the same stem as one */
    bool all;       /* count stopwords, too */
    size_t shortest; /* letters of the shortest words that count */
};

struct count {
    const char *word;
    size_t count;
};

/* Adds the words of a text to those that are counted already. */
void counter_add(struct map *counts, const char *text, size_t length, struct counting how);

/* Adds the pairs of words that stand side by side, with a space in between. */
void counter_add_pairs(struct map *counts, const char *text, size_t length);

/* All words, the most frequent first, then by the alphabet; the caller frees the array. */
struct count *counter_ranking(const struct map *counts);

#endif
