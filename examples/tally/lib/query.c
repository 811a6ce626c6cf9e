#include "query.h"

#include <stdlib.h>

#include "memory.h"
#include "token.h"

/* Deeper ones are refused, before the stack is. */
#define DEEPEST 200

struct query {
    enum { WORD, PREFIX, AND, OR, NOT } kind;
    char *word;
    struct query *left, *right;
};

struct parser {
    struct tokens tokens;
    const char *problem;
    int depth;
};

static struct query *parse_or(struct parser *parser);

static struct query *node(int kind, struct query *left, struct query *right)
{
    struct query *made = memory_new(1, sizeof *made);

    made->kind = kind;
    made->left = left;
    made->right = right;
    return made;
}

static struct query *parse_word(struct parser *parser)
{
    const struct token *token = &parser->tokens.current;
    struct query *word = node(token->kind == TOKEN_PREFIX ? PREFIX : WORD, NULL, NULL);

    word->word = memory_copy(token->text, token->length);
    tokens_next(&parser->tokens);
    return word;
}

static struct query *parse_group(struct parser *parser)
{
    struct query *inside;

    tokens_next(&parser->tokens);
    inside = parse_or(parser);
    if (parser->problem == NULL && parser->tokens.current.kind != TOKEN_CLOSE)
        parser->problem = "a parenthesis is not closed";
    tokens_next(&parser->tokens);
    return inside;
}

static struct query *parse_one(struct parser *parser)
{
    struct query *result = NULL;

    if (++parser->depth > DEEPEST) {
        parser->problem = "it is nested too deeply";
        return NULL;
    }
    switch (parser->tokens.current.kind) {
    case TOKEN_NOT:
        tokens_next(&parser->tokens);
        result = node(NOT, parse_one(parser), NULL);
        break;
    case TOKEN_OPEN:
        result = parse_group(parser);
        break;
    case TOKEN_WORD:
    case TOKEN_PREFIX:
        result = parse_word(parser);
        break;
    default:
        parser->problem = "a word is missing";
    }
    parser->depth--;
    return result;
}

static struct query *parse_and(struct parser *parser)
{
    struct query *left = parse_one(parser);

    while (parser->problem == NULL) {
        enum token_kind kind = parser->tokens.current.kind;
        if (kind == TOKEN_END || kind == TOKEN_CLOSE || kind == TOKEN_OR)
            break;
        if (kind == TOKEN_AND)
            tokens_next(&parser->tokens);
        left = node(AND, left, parse_one(parser));
    }
    return left;
}

static struct query *parse_or(struct parser *parser)
{
    struct query *left = parse_and(parser);

    while (parser->problem == NULL && parser->tokens.current.kind == TOKEN_OR) {
        tokens_next(&parser->tokens);
        left = node(OR, left, parse_and(parser));
    }
    return left;
}

struct query *query_parse(const char *text, const char **problem)
{
    struct parser parser = {.tokens = tokens_of(text)};
    struct query *query = parse_or(&parser);

    if (parser.problem == NULL && parser.tokens.current.kind != TOKEN_END)
        parser.problem = "a parenthesis is closed that was not opened";
    tokens_free(&parser.tokens);
    *problem = parser.problem;
    if (parser.problem == NULL)
        return query;
    query_free(query);
    return NULL;
}

static struct set combine(const struct query *query, const struct index *index)
{
    struct set left = query_lines(query->left, index);
    struct set right =
        query->kind == NOT ? set_range(0, index->line_count) : query_lines(query->right, index);
    struct set result = query->kind == NOT   ? set_difference(&right, &left)
                        : query->kind == AND ? set_intersection(&left, &right)
                                             : set_union(&left, &right);

    set_free(&left);
    set_free(&right);
    return result;
}

struct set query_lines(const struct query *query, const struct index *index)
{
    switch (query->kind) {
    case WORD:
        return index_lines(index, query->word);
    case PREFIX:
        return index_lines_of_prefix(index, query->word);
    default:
        return combine(query, index);
    }
}

void query_free(struct query *query)
{
    if (query == NULL)
        return;
    query_free(query->left);
    query_free(query->right);
    free(query->word);
    free(query);
}
