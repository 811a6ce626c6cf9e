#include "words.h"

#include <stdint.h>
#include <string.h>

#include "utf8.h"

struct words words_of(const char *text, size_t length)
{
    return (struct words){.text = text, .length = length};
}

static uint32_t peek(const struct words *words, size_t position, size_t *used)
{
    *used = 0;
    if (position >= words->length)
        return 0;
    return utf8_decode(words->text + position, words->length - position, used);
}

static void skip_to_letter(struct words *words)
{
    size_t used;
    uint32_t character;

    while ((character = peek(words, words->position, &used)), used > 0) {
        if (utf8_is_letter(character))
            return;
        words->line += character == '\n';
        words->position += used;
    }
}

/* An apostrophe or hyphen with a letter behind it. */
static bool joins(const struct words *words, uint32_t character, size_t behind)
{
    size_t used;

    if (character != '\'' && character != '-' && character != 0x2019)
        return false;
    return utf8_is_letter(peek(words, behind, &used)) && used > 0;
}

bool words_next(struct words *words)
{
    size_t used;
    uint32_t character;

    buffer_clear(&words->word);
    skip_to_letter(words);
    while ((character = peek(words, words->position, &used)), used > 0) {
        if (!utf8_is_letter(character) && !joins(words, character, words->position + used))
            break;
        utf8_encode(&words->word, character == 0x2019 ? '\'' : utf8_lower(character));
        words->position += used;
    }
    return words->word.length > 0;
}

void words_free(struct words *words)
{
    buffer_free(&words->word);
}

struct lines lines_of(const char *text, size_t length)
{
    return (struct lines){.text = text, .length = length};
}

bool lines_next(struct lines *lines)
{
    const char *end;

    if (lines->position >= lines->length)
        return false;
    lines->line = lines->text + lines->position;
    end = memchr(lines->line, '\n', lines->length - lines->position);
    lines->size = end ? (size_t)(end - lines->line) : lines->length - lines->position;
    lines->position += lines->size + 1;
    return true;
}
