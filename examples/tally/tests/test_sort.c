#include "check.h"
#include "sort.h"

struct item {
    unsigned key, order;
};

static int compare(const void *one, const void *other)
{
    const struct item *a = one, *b = other;

    return (a->key > b->key) - (a->key < b->key);
}

static void test_sorted_and_stable(unsigned count)
{
    struct item items[1000];
    unsigned state = 1;

    for (unsigned i = 0; i < count; i++) {
        state = state * 1103515245 + 12345;
        items[i] = (struct item){state >> 16 & 31, i};
    }
    sort_stably(items, count, sizeof *items, compare);
    for (unsigned i = 1; i < count; i++) {
        CHECK(items[i - 1].key <= items[i].key);
        CHECK(items[i - 1].key < items[i].key || items[i - 1].order < items[i].order);
    }
}

int main(void)
{
    for (unsigned count = 0; count <= 1000; count += count < 10 ? 1 : 99)
        test_sorted_and_stable(count);
}
