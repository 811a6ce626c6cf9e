/* What handoff.c and the Python side (amphora.emulation.table) agree on: little-endian,
 * offsets in bytes from the start of the table, which ends with two zero bytes. */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <stdint.h>

#define HANDOFF_MAGIC 0x35464f444e414841ULL       /* "AHANDOF5": the layout below */
#define HANDOFF_PATCH_MAGIC 0x48435441504f4841ULL /* "AHOPATCH" */

/* At the start of the table; `buckets`, a power of two, programs follow. */
struct handoff_header {
    uint64_t magic;
    uint32_t buckets;
    uint32_t device_major;
    uint32_t device_minor;
    uint32_t reserved;
};

/* One program, in the bucket of its inode or the next free one; inode 0 is a free bucket. */
struct handoff_program {
    uint64_t inode;
    uint64_t size;
    uint64_t changed_seconds;
    uint32_t changed_nanoseconds;
    uint32_t path;              /* text: the counterpart */
    uint32_t loader;            /* text: its loader; empty for a static program */
    uint32_t loader_options;    /* list */
    uint32_t inserted;          /* list: arguments that go before the program's own */
    uint32_t only_as;           /* list: names (argv[0]) it may have; empty: any */
    uint32_t never_as;          /* list: names it must not have */
    uint32_t never_with;        /* list: arguments it must not have */
    uint32_t never_with_prefix; /* list: what no argument may begin with */
    uint32_t replaced_after;    /* text: the argument behind this one … */
    uint32_t replacement;       /* text: … becomes this; both empty: none does */
    uint32_t script_never_has;  /* list: what a shell script must not contain */
    uint32_t environment;       /* list: variables to set (NAME=VALUE), unless they are */
    uint32_t never_with_variable; /* list: variables (NAME=) that must not be set */
    uint32_t only_with;         /* list: arguments one of which it must have; empty: none */
    uint32_t only_scripts;      /* list: what an interpreter must be given to run; empty: any */
    uint32_t name_follows;      /* list: names with which the first argument is the name */
    uint32_t only_with_variable; /* list: variables with what their value must contain (NAME=PART) */
    uint32_t starts;            /* list: what $PATH finds by these names, or is at these paths, must
                                   be in the table as well */
    uint32_t accompanied;       /* list: an argument, what goes behind it; another, … */
    uint32_t accompanied_where; /* text: a path without which nothing goes behind; empty: none */
    uint32_t reserved;
};

/* Where the Python side writes how far QEMU's entry point is from this struct. */
struct handoff_patch {
    uint64_t magic;
    int64_t entry_from_patch;
    uint64_t layout; /* HANDOFF_MAGIC, for the Python side to see that it is ours */
};

#endif
