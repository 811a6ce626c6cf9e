/* Queries: words, `pre*`, `and` (or nothing in between), `or`, `not`, parentheses. */
#ifndef TALLY_QUERY_H
#define TALLY_QUERY_H

#include <stddef.h>

#include "index.h"
#include "set.h"

struct query; /* a tree */

/* NULL when the text is no query; then *problem says why, in a few words. */
struct query *query_parse(const char *text, const char **problem);

/* The lines that match; the caller frees the set. */
struct set query_lines(const struct query *query, const struct index *index);
void query_free(struct query *query);

#endif
