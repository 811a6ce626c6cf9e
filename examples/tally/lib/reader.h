/* Whole files. */
#ifndef TALLY_READER_H
#define TALLY_READER_H

#include <stdbool.h>

#include "buffer.h"

/* Adds what a file holds, "-" for standard input; false, with errno, when it cannot be read. */
bool reader_add_file(struct buffer *buffer, const char *path);

#endif
