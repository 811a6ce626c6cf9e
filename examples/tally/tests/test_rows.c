#include <string.h>

#include "check.h"
#include "rows.h"

static void check_output(enum rows_format format, const char *expected)
{
    struct rows rows = {
        .format = format, .name = "word", .value = "count", .decimals = 0, .width = 4};

    rows_begin(&rows);
    rows_add(&rows, "a,b", 1);
    rows_add(&rows, "\"q\"", 20);
    rows_end(&rows);
    CHECK(!strcmp(rows.output.bytes, expected));
    buffer_free(&rows.output);
}

int main(void)
{
    enum rows_format format;

    check_output(ROWS_TEXT, "a,b          1\n\"q\"         20\n");
    check_output(ROWS_CSV, "word,count\r\n\"a,b\",1\r\n\"\"\"q\"\"\",20\r\n");
    check_output(ROWS_JSON, "[{\"word\": \"a,b\", \"count\": 1},\n"
                            " {\"word\": \"\\\"q\\\"\", \"count\": 20}]\n");
    CHECK(rows_format_named("csv", &format) && format == ROWS_CSV);
    CHECK(!rows_format_named("xml", &format));
}
