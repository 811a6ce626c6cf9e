/* CPUs, by the names that container images use. */
#ifndef TALLY_CPU_H
#define TALLY_CPU_H

/* The one that this program was compiled for. */
const char *cpu_compiled_for(void);

#endif
