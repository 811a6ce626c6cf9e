#include "json.h"

#include <stdio.h>

static void add_escaped(struct buffer *output, unsigned char character)
{
    char escape[8];

    switch (character) {
    case '"':
    case '\\':
        buffer_add_char(output, '\\');
        buffer_add_char(output, (char)character);
        break;
    case '\n':
        buffer_add_text(output, "\\n");
        break;
    default:
        snprintf(escape, sizeof escape, "\\u%04x", character);
        buffer_add_text(output, escape);
    }
}

void json_add_string(struct buffer *output, const char *text)
{
    buffer_add_char(output, '"');
    for (; *text; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            add_escaped(output, (unsigned char)*text);
        else
            buffer_add_char(output, *text);
    buffer_add_char(output, '"');
}
