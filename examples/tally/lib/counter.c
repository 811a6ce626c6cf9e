#include "counter.h"

#include <string.h>

#include "memory.h"
#include "sort.h"
#include "stem.h"
#include "stopwords.h"
#include "utf8.h"
#include "words.h"

void counter_add(struct map *counts, const char *text, size_t length, struct counting how)
{
    struct words words = words_of(text, length);

    while (words_next(&words)) {
        const struct buffer *word = &words.word;
        if (!how.all && is_stopword(word->bytes))
            continue;
        if (utf8_length(word->bytes) < how.shortest)
            continue;
        ++*map_at(counts, word->bytes,
                  how.stems ? stem_length(word->bytes, word->length) : word->length);
    }
    words_free(&words);
}

void counter_add_pairs(struct map *counts, const char *text, size_t length)
{
    struct words words = words_of(text, length);
    struct buffer pair = {0};

    while (words_next(&words)) {
        size_t first = pair.length;
        if (first > 0) {
            buffer_add_char(&pair, ' ');
            buffer_add(&pair, words.word.bytes, words.word.length);
            ++*map_at(counts, pair.bytes, pair.length);
        }
        buffer_clear(&pair);
        buffer_add(&pair, words.word.bytes, words.word.length);
    }
    buffer_free(&pair);
    words_free(&words);
}

static int compare(const void *one, const void *other)
{
    const struct count *a = one, *b = other;

    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

struct count *counter_ranking(const struct map *counts)
{
    struct count *ranking = memory_new(counts->count, sizeof *ranking);

    for (size_t i = 0; i < counts->count; i++)
        ranking[i] = (struct count){counts->entries[i].key, counts->entries[i].value};
    sort_stably(ranking, counts->count, sizeof *ranking, compare);
    return ranking;
}
