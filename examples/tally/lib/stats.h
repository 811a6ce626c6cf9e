/* Figures of a text. */
#ifndef TALLY_STATS_H
#define TALLY_STATS_H

#include <stddef.h>

struct stats {
    size_t lines, words, different, letters, sentences, syllables;
    double words_per_sentence, letters_per_word;
    double reading_ease; /* Flesch's, for English: 60 to 70 is plain */
};

struct stats stats_of(const char *text, size_t length);

/* Groups of vowels, roughly. */
size_t stats_syllables(const char *word, size_t length);

#endif
