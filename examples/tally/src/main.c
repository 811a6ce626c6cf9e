/* tally: counts, finds and measures the words of texts. */
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const struct {
    const char *name;
    int (*run)(const struct options *options);
} commands[] = {
    {"count", command_count}, {"pairs", command_pairs}, {"stats", command_stats},
    {"find", command_find},   {"near", command_near},   {"version", command_version},
};

int main(int count, char **arguments)
{
    struct options options = options_of(count, arguments);

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(options.command, commands[i].name)) {
            int status = commands[i].run(&options);
            if (fflush(stdout) != 0) {
                perror("tally: standard output");
                return 1;
            }
            return status;
        }
    options_refuse(options.command, "no such command");
}
