"""Running programs of other CPUs: emulators, binfmt_misc, and proof that it works."""
