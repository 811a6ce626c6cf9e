#include <stdlib.h>
#include <string.h>

int used(char *text, unsigned length)
{
    int unused;
    char *copy = malloc(length);
    if (length < -1)
        strcpy(copy, text);
    free(copy);
    return copy[0];
}
