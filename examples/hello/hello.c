/* Says which CPU it was compiled for, and which one the kernel says it runs on. */
#include <stdio.h>
#include <sys/utsname.h>

#if defined(__x86_64__)
#define COMPILED_FOR "amd64"
#elif defined(__aarch64__)
#define COMPILED_FOR "arm64"
#elif defined(__riscv)
#define COMPILED_FOR "riscv64"
#else
#define COMPILED_FOR "another CPU"
#endif

int main(void)
{
    struct utsname machine;

    if (uname(&machine) != 0) {
        perror("uname");
        return 1;
    }
    printf("hello from %s (kernel says %s)\n", COMPILED_FOR, machine.machine);
    return 0;
}
