/* In which lines of a text each word is. */
#ifndef TALLY_INDEX_H
#define TALLY_INDEX_H

#include <stddef.h>

#include "map.h"
#include "set.h"

struct index {
    struct map words; /* word → number of its set + 1 */
    struct set *lines;
    size_t capacity;
    size_t line_count;
};

struct index index_of(const char *text, size_t length);

/* Lines with the word; with prefix, with words that begin so. The caller frees the set. */
struct set index_lines(const struct index *index, const char *word);
struct set index_lines_of_prefix(const struct index *index, const char *prefix);
void index_free(struct index *index);

#endif
