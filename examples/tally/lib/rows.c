#include "rows.h"

#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "json.h"
#include "utf8.h"

bool rows_format_named(const char *name, enum rows_format *format)
{
    static const char *const names[] = {
        [ROWS_TEXT] = "text", [ROWS_CSV] = "csv", [ROWS_JSON] = "json"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) {
            *format = (enum rows_format)i;
            return true;
        }
    return false;
}

void rows_begin(struct rows *rows)
{
    switch (rows->format) {
    case ROWS_TEXT:
        break;
    case ROWS_CSV:
        csv_add(&rows->output, rows->name);
        buffer_add_char(&rows->output, ',');
        csv_add(&rows->output, rows->value);
        buffer_add_text(&rows->output, "\r\n");
        break;
    case ROWS_JSON:
        buffer_add_char(&rows->output, '[');
    }
}

static void add_json(struct rows *rows, const char *name, const char *number)
{
    struct buffer *output = &rows->output;

    buffer_add_text(output, rows->count ? ",\n {" : "{");
    json_add_string(output, rows->name);
    buffer_add_text(output, ": ");
    json_add_string(output, name);
    buffer_add_text(output, ", ");
    json_add_string(output, rows->value);
    buffer_add_text(output, ": ");
    buffer_add_text(output, number);
    buffer_add_char(output, '}');
}

static void add_text(struct rows *rows, const char *name, const char *number)
{
    char padded[48];

    buffer_add_text(&rows->output, name);
    for (size_t width = utf8_length(name); width < rows->width; width++)
        buffer_add_char(&rows->output, ' ');
    snprintf(padded, sizeof padded, "  %8s\n", number);
    buffer_add_text(&rows->output, padded);
}

void rows_add(struct rows *rows, const char *name, double value)
{
    char number[40];

    snprintf(number, sizeof number, "%.*f", rows->decimals, value);
    switch (rows->format) {
    case ROWS_TEXT:
        add_text(rows, name, number);
        break;
    case ROWS_CSV:
        csv_add(&rows->output, name);
        buffer_add_char(&rows->output, ',');
        buffer_add_text(&rows->output, number);
        buffer_add_text(&rows->output, "\r\n");
        break;
    case ROWS_JSON:
        add_json(rows, name, number);
    }
    rows->count++;
}

void rows_end(struct rows *rows)
{
    if (rows->format == ROWS_JSON)
        buffer_add_text(&rows->output, "]\n");
}
