/* Fields of comma-separated values, https://www.rfc-editor.org/rfc/rfc4180 */
#ifndef TALLY_CSV_H
#define TALLY_CSV_H

#include "buffer.h"

void csv_add(struct buffer *output, const char *field);

#endif
