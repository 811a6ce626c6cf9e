/* What the program does: each function returns its exit status. */
#ifndef TALLY_COMMANDS_H
#define TALLY_COMMANDS_H

#include "options.h"

/* All files in one, or standard input; ends the program when one cannot be read. */
struct buffer read_input(const struct options *options);

int command_count(const struct options *options);
int command_pairs(const struct options *options);
int command_stats(const struct options *options);
int command_find(const struct options *options);
int command_near(const struct options *options);
int command_version(const struct options *options);

#endif
