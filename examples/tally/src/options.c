#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: tally count [-a] [-s] [-l LETTERS] [-n LIMIT] [-f FORMAT] [FILE...]\n"
    "       tally pairs [-n LIMIT] [-f FORMAT] [FILE...]\n"
    "       tally stats [-f FORMAT] [FILE...]\n"
    "       tally find QUERY [FILE...]\n"
    "       tally near WORD [-n LIMIT] [-f FORMAT] [FILE...]\n"
    "       tally version\n";

void options_refuse(const char *what, const char *why)
{
    fprintf(stderr, "tally: %s: %s\n%s", what, why, usage);
    exit(2);
}

static size_t number(const char *text)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || *text == '-')
        options_refuse(text, "a number was expected");
    return value;
}

static void take_option(struct options *options, int letter)
{
    switch (letter) {
    case 'a':
        options->counting.all = true;
        break;
    case 's':
        options->counting.stems = true;
        break;
    case 'l':
        options->counting.shortest = number(optarg);
        break;
    case 'n':
        options->limit = number(optarg);
        break;
    case 'f':
        if (!rows_format_named(optarg, &options->format))
            options_refuse(optarg, "formats are text, csv and json");
        break;
    default:
        fputs(usage, stderr);
        exit(2);
    }
}

static bool takes_argument(const char *command)
{
    return !strcmp(command, "find") || !strcmp(command, "near");
}

struct options options_of(int count, char **arguments)
{
    struct options options = {.command = count > 1 ? arguments[1] : "", .limit = 10};
    int letter;

    if (count < 2)
        options_refuse("no command", "there has to be one");
    count--;
    arguments++;
    if (takes_argument(options.command)) {
        if (count < 2)
            options_refuse(options.command, "what to look for is missing");
        options.argument = arguments[1];
        count--;
        arguments++;
    }
    while ((letter = getopt(count, arguments, "asl:n:f:")) != -1)
        take_option(&options, letter);
    options.files = arguments + optind;
    options.file_count = (size_t)(count - optind);
    return options;
}
