/* English words without their plural's s and their verb's endings, roughly. */
#ifndef TALLY_STEM_H
#define TALLY_STEM_H

#include <stddef.h>

/* How much of the word is its stem. */
size_t stem_length(const char *word, size_t length);

#endif
