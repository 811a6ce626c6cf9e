#include "check.h"
#include "set.h"

static struct set evens(size_t count)
{
    struct set set = {0};

    for (size_t i = 0; i < count; i++)
        set_append(&set, 2 * i);
    return set;
}

static void test_algebra(void)
{
    struct set even = evens(10), few = set_range(3, 7);
    struct set either = set_union(&even, &few), both = set_intersection(&even, &few);
    struct set rest = set_difference(&few, &even);

    CHECK(either.count == 12 && set_has(&either, 5) && !set_has(&either, 7));
    CHECK(both.count == 2 && both.numbers[0] == 4 && both.numbers[1] == 6);
    CHECK(rest.count == 2 && rest.numbers[0] == 3 && rest.numbers[1] == 5);
    set_free(&even);
    set_free(&few);
    set_free(&either);
    set_free(&both);
    set_free(&rest);
}

int main(void)
{
    struct set set = {0};

    set_append(&set, 1);
    set_append(&set, 1);
    CHECK(set.count == 1);
    set_free(&set);
    CHECK(!set_has(&set, 1));
    test_algebra();
}
