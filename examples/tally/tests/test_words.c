#include <string.h>

#include "check.h"
#include "stem.h"
#include "stopwords.h"
#include "words.h"

static void check_words(const char *text, const char *const *expected)
{
    struct words words = words_of(text, strlen(text));

    for (; *expected; expected++) {
        CHECK(words_next(&words));
        CHECK(!strcmp(words.word.bytes, *expected));
    }
    CHECK(!words_next(&words));
    words_free(&words);
}

static void check_stem(const char *word, const char *stem)
{
    CHECK(stem_length(word, strlen(word)) == strlen(stem));
    CHECK(!strncmp(word, stem, strlen(stem)));
}

int main(void)
{
    check_words("Two handles, 'made' to be carried.",
                (const char *[]){"two", "handles", "made", "to", "be", "carried", NULL});
    check_words("It's a well-known - trade-\n", (const char *[]){"it's", "a", "well-known",
                                                                 "trade", NULL});
    check_words("\xC3\x84pfel \xFF\xFE 12", (const char *[]){"\xC3\xA4pfel", NULL});
    check_words("", (const char *[]){NULL});
    check_stem("boxes", "box");
    check_stem("stopped", "stop");
    check_stem("calling", "call");
    check_stem("handles", "handle");
    check_stem("this", "this");
    CHECK(is_stopword("the") && is_stopword("a") && is_stopword("your"));
    CHECK(!is_stopword("amphora"));
}
