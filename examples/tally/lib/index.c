#include "index.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "words.h"

static struct set *lines_with(struct index *index, const struct buffer *word)
{
    size_t *number = map_at(&index->words, word->bytes, word->length);

    if (*number == 0) {
        *number = index->words.count;
        if (*number > index->capacity) {
            index->capacity = index->capacity ? index->capacity * 2 : 64;
            index->lines = memory_resize(index->lines, index->capacity, sizeof *index->lines);
        }
        index->lines[*number - 1] = (struct set){0};
    }
    return &index->lines[*number - 1];
}

struct index index_of(const char *text, size_t length)
{
    struct index index = {0};
    struct words words = words_of(text, length);
    struct lines lines = lines_of(text, length);

    while (words_next(&words))
        set_append(lines_with(&index, &words.word), words.line);
    while (lines_next(&lines))
        index.line_count++;
    words_free(&words);
    return index;
}

struct set index_lines(const struct index *index, const char *word)
{
    const struct map_entry *entry = map_find(&index->words, word, strlen(word));
    const struct set none = {0};

    return set_union(entry ? &index->lines[entry->value - 1] : &none, &none);
}

struct set index_lines_of_prefix(const struct index *index, const char *prefix)
{
    struct set found = {0};
    size_t length = strlen(prefix);

    for (size_t i = 0; i < index->words.count; i++) {
        const struct map_entry *entry = &index->words.entries[i];
        if (entry->length >= length && !memcmp(entry->key, prefix, length)) {
            struct set more = set_union(&found, &index->lines[entry->value - 1]);
            set_free(&found);
            found = more;
        }
    }
    return found;
}

void index_free(struct index *index)
{
    for (size_t i = 0; i < index->words.count; i++)
        set_free(&index->lines[i]);
    free(index->lines);
    map_free(&index->words);
    *index = (struct index){0};
}
