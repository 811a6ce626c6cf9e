#include "utf8.h"

#include <string.h>

static size_t size_of(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first < 0xE0)
        return 2;
    if (first >= 0xE0 && first < 0xF0)
        return 3;
    if (first >= 0xF0 && first < 0xF5)
        return 4;
    return 0;
}

uint32_t utf8_decode(const char *bytes, size_t length, size_t *used)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *raw = (const unsigned char *)bytes;
    size_t size = size_of(raw[0]);
    uint32_t character;

    *used = 1;
    if (size == 1)
        return raw[0];
    if (size == 0 || size > length)
        return UTF8_REPLACEMENT;
    character = raw[0] & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((raw[i] & 0xC0) != 0x80)
            return UTF8_REPLACEMENT;
        character = character << 6 | (raw[i] & 0x3F);
    }
    if (character < smallest[size] || character > 0x10FFFF || (character & ~0x7FFu) == 0xD800)
        return UTF8_REPLACEMENT;
    *used = size;
    return character;
}

void utf8_encode(struct buffer *buffer, uint32_t character)
{
    char bytes[4];
    size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;

    if (size == 1) {
        buffer_add_char(buffer, (char)character);
        return;
    }
    for (size_t i = size - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    bytes[0] = (char)((0xF00 >> size) | character);
    buffer_add(buffer, bytes, size);
}

size_t utf8_length(const char *text)
{
    size_t left = strlen(text), count = 0, used;

    for (; left > 0; left -= used, text += used, count++)
        utf8_decode(text, left, &used);
    return count;
}

bool utf8_is_letter(uint32_t character)
{
    if (character < 0x80)
        return (character | 0x20) >= 'a' && (character | 0x20) <= 'z';
    if (character < 0xC0)
        return character == 0xAA || character == 0xB5 || character == 0xBA;
    return character != 0xD7 && character != 0xF7 && character != UTF8_REPLACEMENT &&
           !(character >= 0x2000 && character < 0x2C00) &&
           !(character >= 0x3000 && character < 0x3005);
}

uint32_t utf8_lower(uint32_t character)
{
    if ((character >= 'A' && character <= 'Z') ||
        (character >= 0xC0 && character <= 0xDE && character != 0xD7) ||
        (character >= 0x391 && character <= 0x3A9) || (character >= 0x410 && character <= 0x42F))
        return character + 0x20;
    if (character >= 0x400 && character <= 0x40F)
        return character + 0x50;
    if (character >= 0x100 && character <= 0x137 && character != 0x130 && character != 0x131)
        return character | 1;
    if ((character >= 0x139 && character <= 0x148) || (character >= 0x179 && character <= 0x17E))
        return character + (character & 1);
    if (character >= 0x14A && character <= 0x177)
        return character | 1;
    return character;
}
