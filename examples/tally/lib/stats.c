#include "stats.h"

#include <stdbool.h>
#include <string.h>

#include "map.h"
#include "utf8.h"
#include "words.h"

size_t stats_syllables(const char *word, size_t length)
{
    size_t count = 0;
    bool in_vowels = false;

    for (size_t i = 0; i < length; i++) {
        bool vowel = memchr("aeiouy", word[i], 6) != NULL;
        count += vowel && !in_vowels;
        in_vowels = vowel;
    }
    if (length > 2 && word[length - 1] == 'e' && word[length - 2] != 'l' && count > 1)
        count--;
    return count ? count : 1;
}

static size_t count_sentences(const char *text, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++)
        if (memchr(".!?", text[i], 3))
            count += i + 1 == length || memchr(" \n\t\"')", text[i + 1], 6) != NULL;
    return count ? count : 1;
}

static void count_words(struct stats *stats, const char *text, size_t length)
{
    struct words words = words_of(text, length);
    struct map known = {0};

    while (words_next(&words)) {
        stats->words++;
        stats->letters += utf8_length(words.word.bytes);
        stats->syllables += stats_syllables(words.word.bytes, words.word.length);
        map_at(&known, words.word.bytes, words.word.length);
    }
    stats->different = known.count;
    map_free(&known);
    words_free(&words);
}

struct stats stats_of(const char *text, size_t length)
{
    struct stats stats = {0};
    struct lines lines = lines_of(text, length);

    while (lines_next(&lines))
        stats.lines++;
    count_words(&stats, text, length);
    if (stats.words == 0)
        return stats;
    stats.sentences = count_sentences(text, length);
    stats.words_per_sentence = (double)stats.words / (double)stats.sentences;
    stats.letters_per_word = (double)stats.letters / (double)stats.words;
    stats.reading_ease = 206.835 - 1.015 * stats.words_per_sentence -
                         84.6 * (double)stats.syllables / (double)stats.words;
    return stats;
}
