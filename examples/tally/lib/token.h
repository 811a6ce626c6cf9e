/* What queries consist of. */
#ifndef TALLY_TOKEN_H
#define TALLY_TOKEN_H

#include <stddef.h>

#include "buffer.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_PREFIX, /* a word with * behind it */
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_OPEN,
    TOKEN_CLOSE,
};

struct token {
    enum token_kind kind;
    const char *text; /* in lower case, without the *; good until the next token */
    size_t length;
};

struct tokens {
    const char *rest;
    struct buffer word; /* the word that came last */
    struct token current;
};

struct tokens tokens_of(const char *text);
void tokens_next(struct tokens *tokens);
void tokens_free(struct tokens *tokens);

#endif
