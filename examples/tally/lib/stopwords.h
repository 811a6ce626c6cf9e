/* Words so frequent in English that counting them says nothing. */
#ifndef TALLY_STOPWORDS_H
#define TALLY_STOPWORDS_H

#include <stdbool.h>

bool is_stopword(const char *word);

#endif
