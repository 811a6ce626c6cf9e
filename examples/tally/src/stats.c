#include "stats.h"

#include <stdio.h>

#include "commands.h"

int command_stats(const struct options *options)
{
    struct buffer text = read_input(options);
    struct stats stats = stats_of(text.bytes, text.length);
    struct rows rows = {
        .format = options->format, .name = "figure", .value = "value", .width = 18};

    rows_begin(&rows);
    rows_add(&rows, "lines", (double)stats.lines);
    rows_add(&rows, "words", (double)stats.words);
    rows_add(&rows, "different words", (double)stats.different);
    rows_add(&rows, "sentences", (double)stats.sentences);
    rows.decimals = 1;
    rows_add(&rows, "words per sentence", stats.words_per_sentence);
    rows_add(&rows, "letters per word", stats.letters_per_word);
    rows_add(&rows, "reading ease", stats.reading_ease);
    rows_end(&rows);
    fwrite(rows.output.bytes, 1, rows.output.length, stdout);
    buffer_free(&rows.output);
    buffer_free(&text);
    return 0;
}
