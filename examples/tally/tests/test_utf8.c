#include <string.h>

#include "check.h"
#include "utf8.h"

static void test_what_is_encoded_is_decoded(void)
{
    static const uint32_t characters[] = {'a', 0xE9, 0x20AC, 0x1F3FA, 0x10FFFF};
    struct buffer buffer = {0};
    size_t used;

    for (size_t i = 0; i < sizeof characters / sizeof *characters; i++) {
        buffer_clear(&buffer);
        utf8_encode(&buffer, characters[i]);
        CHECK(utf8_decode(buffer.bytes, buffer.length, &used) == characters[i]);
        CHECK(used == buffer.length);
    }
    buffer_free(&buffer);
}

static void test_what_is_no_utf8_is_replaced(void)
{
    static const char *const texts[] = {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80",
                                        "\xE2\x82"};
    size_t used;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK(utf8_decode(texts[i], strlen(texts[i]), &used) == UTF8_REPLACEMENT);
        CHECK(used == 1);
    }
}

static void test_letters_have_a_lower_case(void)
{
    CHECK(utf8_lower('Z') == 'z');
    CHECK(utf8_lower(0xC4) == 0xE4);
    CHECK(utf8_lower(0x41F) == 0x43F);
    CHECK(utf8_lower(0x160) == 0x161);
    CHECK(utf8_lower('1') == '1');
    CHECK(utf8_is_letter('q') && utf8_is_letter(0xDF) && !utf8_is_letter('-'));
    CHECK(utf8_length("h\xC3\xB6he") == 4);
}

int main(void)
{
    test_what_is_encoded_is_decoded();
    test_what_is_no_utf8_is_replaced();
    test_letters_have_a_lower_case();
}
