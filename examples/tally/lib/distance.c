#include "distance.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "utf8.h"

/* Longer words are compared by their beginnings. */
#define LONGEST 48

static size_t decode(const char *word, uint32_t *characters)
{
    size_t left = strlen(word), count = 0, used;

    for (; left > 0 && count < LONGEST; left -= used, word += used)
        characters[count++] = utf8_decode(word, left, &used);
    return count;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: the table's last three rows are all that is looked at. */
size_t distance_between(const char *one, const char *other, size_t most)
{
    uint32_t a[LONGEST], b[LONGEST];
    size_t rows[3][LONGEST + 1];
    size_t a_count = decode(one, a), b_count = decode(other, b);

    for (size_t j = 0; j <= b_count; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_count; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        size_t least = row[0] = i;
        for (size_t j = 1; j <= b_count; j++) {
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            row[j] = smaller(above[j - 1] + (a[i - 1] != b[j - 1]),
                             smaller(above[j], row[j - 1]) + 1);
            if (swapped)
                row[j] = smaller(row[j], two_above[j - 2] + 1);
            least = smaller(least, row[j]);
        }
        if (least > most)
            return most + 1;
    }
    return smaller(rows[a_count % 3][b_count], most + 1);
}
