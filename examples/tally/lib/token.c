#include "token.h"

#include <string.h>

#include "utf8.h"

static const struct {
    const char *text;
    enum token_kind kind;
} keywords[] = {{"and", TOKEN_AND}, {"or", TOKEN_OR}, {"not", TOKEN_NOT}};

struct tokens tokens_of(const char *text)
{
    struct tokens tokens = {.rest = text};

    tokens_next(&tokens);
    return tokens;
}

static enum token_kind kind_of(const struct buffer *word)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (!strcmp(word->bytes, keywords[i].text))
            return keywords[i].kind;
    return TOKEN_WORD;
}

/* Until white space, a parenthesis or a star. */
static void take_word(struct tokens *tokens)
{
    size_t left = strcspn(tokens->rest, " \t\n()*"), used;

    buffer_clear(&tokens->word);
    for (; left > 0; left -= used, tokens->rest += used)
        utf8_encode(&tokens->word, utf8_lower(utf8_decode(tokens->rest, left, &used)));
    tokens->current = (struct token){kind_of(&tokens->word), tokens->word.bytes,
                                     tokens->word.length};
    if (*tokens->rest == '*') {
        tokens->rest++;
        tokens->current.kind = TOKEN_PREFIX;
    }
}

void tokens_next(struct tokens *tokens)
{
    tokens->rest += strspn(tokens->rest, " \t\n");
    switch (*tokens->rest) {
    case '\0':
        tokens->current = (struct token){.kind = TOKEN_END};
        break;
    case '(':
    case ')':
        tokens->current.kind = *tokens->rest++ == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
        break;
    default:
        buffer_add(&tokens->word, "", 0);
        take_word(tokens);
    }
}

void tokens_free(struct tokens *tokens)
{
    buffer_free(&tokens->word);
}
