/* Characters of UTF-8 text. */
#ifndef TALLY_UTF8_H
#define TALLY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* What stands for bytes that are no UTF-8. */
#define UTF8_REPLACEMENT 0xFFFD

/* The character at the start of the bytes (at least one); *used is how many bytes it has. */
uint32_t utf8_decode(const char *bytes, size_t length, size_t *used);
void utf8_encode(struct buffer *buffer, uint32_t character);

size_t utf8_length(const char *text);

/* For Latin, Greek and Cyrillic; other scripts have no case here. */
bool utf8_is_letter(uint32_t character);
uint32_t utf8_lower(uint32_t character);

#endif
