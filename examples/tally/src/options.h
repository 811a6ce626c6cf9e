/* What the command line says. */
#ifndef TALLY_OPTIONS_H
#define TALLY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "counter.h"
#include "rows.h"

struct options {
    const char *command;
    const char *argument; /* the query or the word, of commands that take one */
    size_t limit;
    struct counting counting;
    enum rows_format format;
    char **files;
    size_t file_count;
};

/* Ends the program, with a hint, when the command line is wrong. */
struct options options_of(int count, char **arguments);

_Noreturn void options_refuse(const char *what, const char *why);

#endif
