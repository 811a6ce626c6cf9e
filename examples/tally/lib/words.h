/* The words and lines of a text. */
#ifndef TALLY_WORDS_H
#define TALLY_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

struct words {
    const char *text;
    size_t length, position;
    size_t line;        /* of the word that came last; the first line is 0 */
    struct buffer word; /* the word that came last, in lower case */
};

struct words words_of(const char *text, size_t length);

/* Go to the next word; false behind the last. Apostrophes and hyphens are inside of words only. */
bool words_next(struct words *words);
void words_free(struct words *words);

struct lines {
    const char *text;
    size_t length, position;
    const char *line; /* the line that came last, without its end */
    size_t size;
};

struct lines lines_of(const char *text, size_t length);
bool lines_next(struct lines *lines);

#endif
