/* Strings of JSON, https://www.rfc-editor.org/rfc/rfc8259#section-7 */
#ifndef TALLY_JSON_H
#define TALLY_JSON_H

#include "buffer.h"

void json_add_string(struct buffer *output, const char *text);

#endif
