/* Rows of results: aligned for people, or as CSV or JSON. */
#ifndef TALLY_ROWS_H
#define TALLY_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

enum rows_format { ROWS_TEXT, ROWS_CSV, ROWS_JSON };

/* Results of two columns, the second a number with so many decimals. */
struct rows {
    enum rows_format format;
    const char *name, *value; /* what the columns are called */
    int decimals;
    size_t width; /* characters of the longest name, for ROWS_TEXT */
    size_t count;
    struct buffer output;
};

bool rows_format_named(const char *name, enum rows_format *format);

void rows_begin(struct rows *rows);
void rows_add(struct rows *rows, const char *name, double value);
void rows_end(struct rows *rows);

#endif
