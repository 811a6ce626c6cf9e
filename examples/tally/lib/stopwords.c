#include "stopwords.h"

#include <stdlib.h>
#include <string.h>

/* Sorted. */
static const char *const stopwords[] = {
    "a",     "about", "after", "all",   "also",  "an",    "and",   "any",   "are",   "as",
    "at",    "be",    "been",  "but",   "by",    "can",   "could", "did",   "do",    "for",
    "from",  "had",   "has",   "have",  "he",    "her",   "him",   "his",   "how",   "i",
    "if",    "in",    "into",  "is",    "it",    "its",   "just",  "may",   "me",    "more",
    "my",    "no",    "not",   "of",    "on",    "one",   "only",  "or",    "other", "our",
    "out",   "over",  "she",   "so",    "some",  "such",  "than",  "that",  "the",   "their",
    "them",  "then",  "there", "these", "they",  "this",  "to",    "up",    "was",   "we",
    "were",  "what",  "when",  "which", "who",   "will",  "with",  "would", "you",   "your",
};

static int compare(const void *word, const void *other)
{
    return strcmp(word, *(const char *const *)other);
}

bool is_stopword(const char *word)
{
    size_t count = sizeof stopwords / sizeof *stopwords;

    return bsearch(word, stopwords, count, sizeof *stopwords, compare) != NULL;
}
