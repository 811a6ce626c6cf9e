#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef USE_PART
int part(int);
#else
static int part(int number) { return number + 1; }
#endif

struct point {
    double x;
    long double y;
    char name[8];
};

static inline uint64_t rotated(uint64_t value)
{
    uint64_t result;
    __asm__("ror %0, %1, #7" : "=r"(result) : "r"(value));
    return result;
}

static float squares[] = {1.0f / 3, 2.5e-3f, 1e30f};

int main(void)
{
    struct point point = {sqrt(2.0), 1.0L / 3, "a"};
    printf("%s %s %s %d\n", __FILE__, __DATE__, __TIME__, __LINE__);
    printf("%s %zu %zu\n", __VERSION__, sizeof point, offsetof(struct point, name));
    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++)
        printf("%a %La %llx\n", point.x * squares[i], point.y, (long long)rotated(i + 1));
    printf("%a %d\n", pow(point.x, 3.25), part(41));
    return 0;
}
