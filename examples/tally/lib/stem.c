#include "stem.h"

#include <stdbool.h>
#include <string.h>

/* A stem keeps at least so many letters in front of the ending. */
static const struct ending {
    const char *text;
    size_t keep, cut;
} endings[] = {
    {"sses", 2, 2}, {"xes", 2, 2}, {"ches", 2, 2}, {"shes", 2, 2}, {"ss", 0, 0},
    {"us", 0, 0},   {"is", 0, 0},  {"'s", 1, 2},   {"s", 3, 1},    {"ingly", 3, 5},
    {"edly", 3, 4}, {"ing", 3, 3}, {"ed", 3, 2},   {"ly", 4, 2},
};

static bool ends_with(const char *word, size_t length, const struct ending *ending)
{
    size_t size = strlen(ending->text);

    return length >= size + ending->keep && !memcmp(word + length - size, ending->text, size);
}

/* As in "stopp", of "stopped". */
static bool is_doubled(const char *word, size_t length)
{
    return length > 3 && word[length - 1] == word[length - 2] &&
           strchr("aeiouls", word[length - 1]) == NULL;
}

size_t stem_length(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(word, length, &endings[i])) {
            length -= endings[i].cut;
            return length - (endings[i].cut > 1 && is_doubled(word, length));
        }
    return length;
}
