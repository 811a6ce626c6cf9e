#include <string.h>

#include "check.h"
#include "counter.h"
#include "distance.h"
#include "stats.h"

static const char text[] = "The jar is full. The jars are sealed!\nIs the jar empty?\n";

static void test_stats(void)
{
    struct stats stats = stats_of(text, strlen(text));

    CHECK(stats.lines == 2 && stats.words == 12 && stats.sentences == 3);
    CHECK(stats.different == 8);
    CHECK(stats.words_per_sentence == 4.0);
    CHECK(stats.reading_ease > 90);
    CHECK(stats_syllables("amphora", 7) == 3 && stats_syllables("trade", 5) == 1);
    CHECK(stats_of("", 0).words == 0);
}

static void test_ranking(void)
{
    struct map counts = {0};
    struct count *ranking;

    counter_add(&counts, text, strlen(text), (struct counting){.stems = true});
    ranking = counter_ranking(&counts);
    CHECK(!strcmp(ranking[0].word, "jar") && ranking[0].count == 3);
    CHECK(!strcmp(ranking[1].word, "empty") && ranking[1].count == 1);
    free(ranking);
    map_free(&counts);
    counter_add_pairs(&counts, text, strlen(text));
    CHECK(map_find(&counts, "the jar", 7)->value == 2);
    map_free(&counts);
}

static void test_distance(void)
{
    CHECK(distance_between("amphora", "amphora", 2) == 0);
    CHECK(distance_between("amphora", "amphroa", 2) == 1);
    CHECK(distance_between("amphora", "amphorae", 2) == 1);
    CHECK(distance_between("jar", "jug", 2) == 2);
    CHECK(distance_between("amphora", "container", 2) == 3);
    CHECK(distance_between("", "ab", 5) == 2);
}

int main(void)
{
    test_stats();
    test_ranking();
    test_distance();
}
