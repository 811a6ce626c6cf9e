/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
#ifndef TALLY_HASH_H
#define TALLY_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const char *bytes, size_t length);

#endif
