#include <stdio.h>
#include <sys/utsname.h>

#include "commands.h"
#include "cpu.h"

int command_version(const struct options *options)
{
    struct utsname machine;

    (void)options;
    if (uname(&machine) != 0) {
        perror("tally: uname");
        return 1;
    }
    printf("tally %s for %s (kernel says %s)\n", VERSION, cpu_compiled_for(), machine.machine);
    return 0;
}
