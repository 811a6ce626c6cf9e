#include "csv.h"

#include <string.h>

void csv_add(struct buffer *output, const char *field)
{
    if (strpbrk(field, ",\"\r\n") == NULL) {
        buffer_add_text(output, field);
        return;
    }
    buffer_add_char(output, '"');
    for (; *field; field++) {
        if (*field == '"')
            buffer_add_char(output, '"');
        buffer_add_char(output, *field);
    }
    buffer_add_char(output, '"');
}
