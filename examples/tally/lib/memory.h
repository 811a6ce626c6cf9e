/* Memory that is there, or the program ends. */
#ifndef TALLY_MEMORY_H
#define TALLY_MEMORY_H

#include <stddef.h>

void *memory_new(size_t count, size_t size);
void *memory_resize(void *old, size_t count, size_t size);

/* A copy of bytes with a 0 behind them, which the caller frees. */
char *memory_copy(const char *bytes, size_t length);

#endif
