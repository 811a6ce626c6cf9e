/* Tells what it was started with, and which CPU it was compiled for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static void tell(char **argv, char **environment)
{
    printf("cpu %s\n", CPU);
    printf("user %d %d\n", getuid(), geteuid());
    for (; *argv; argv++)
        printf("argument %s\n", *argv);
    for (; *environment; environment++)
        printf("variable %s\n", *environment);
    for (int number = 0; number < 1024; number++)
        if (fcntl(number, F_GETFD) >= 0)
            printf("descriptor %d\n", number);
    for (int signal_number = 1; signal_number < 32; signal_number++) {
        struct sigaction action;
        if (!sigaction(signal_number, 0, &action) && action.sa_handler == SIG_IGN)
            printf("ignored %d\n", signal_number);
    }
    printf("secure %lu\n", getauxval(AT_SECURE));
    printf("started %s\n", (char *)getauxval(AT_EXECFN));
    printf("ids %lu %lu\n", getauxval(AT_UID), getauxval(AT_EUID));
    errno = 0;
    printf("opened %lu %d\n", getauxval(AT_EXECFD), errno);
    printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
}

static void copy(const char *name, int input)
{
    char content[4096];
    ssize_t count;
    if (name)
        input = open(name, O_RDONLY);
    while ((count = read(input, content, sizeof content)) > 0)
        if (write(1, content, count) != count)
            exit(1);
}

int main(int argc, char **argv, char **environment)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "exit"))
        return atoi(argv[2]);
    if (!strcmp(what, "signal"))
        return raise(atoi(argv[2]));
    if (!strcmp(what, "copy"))
        copy(argv[2], 0);
    else if (!strcmp(what, "count"))
        printf("cpu %s\nargument %d\n", CPU, argc);
    else
        tell(argv, environment);
    return 0;
}
