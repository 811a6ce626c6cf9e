#include <string.h>

#include "check.h"
#include "query.h"

static const char text[] = "wine and oil\n"
                           "oil of olives\n"
                           "grain\n"
                           "wine, grain\n";

/* The lines that a query finds, as bits. */
static unsigned found_by(const char *query_text)
{
    const char *problem;
    struct query *query = query_parse(query_text, &problem);
    struct index index = index_of(text, strlen(text));
    struct set lines;
    unsigned bits = 0;

    CHECK(query != NULL && problem == NULL);
    lines = query_lines(query, &index);
    for (size_t i = 0; i < lines.count; i++)
        bits |= 1u << lines.numbers[i];
    set_free(&lines);
    index_free(&index);
    query_free(query);
    return bits;
}

static void check_refused(const char *query_text)
{
    const char *problem;

    CHECK(query_parse(query_text, &problem) == NULL && problem != NULL);
}

int main(void)
{
    char deep[1000];

    CHECK(found_by("wine") == 9);
    CHECK(found_by("Wine AND grain") == 8 && found_by("wine grain") == 8);
    CHECK(found_by("wine or oil") == 11);
    CHECK(found_by("not wine") == 6);
    CHECK(found_by("oil not (wine or grain)") == 2);
    CHECK(found_by("o*") == 3);
    CHECK(found_by("beer") == 0);
    check_refused("");
    check_refused("wine or");
    check_refused("(wine");
    check_refused("wine)");
    memset(deep, '(', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    check_refused(deep);
}
