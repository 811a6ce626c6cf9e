/* Text that grows. */
#ifndef TALLY_BUFFER_H
#define TALLY_BUFFER_H

#include <stddef.h>

struct buffer {
    char *bytes; /* with a 0 behind the last, once there is one */
    size_t length, capacity;
};

void buffer_add(struct buffer *buffer, const char *bytes, size_t length);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_char(struct buffer *buffer, char character);
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

#endif
