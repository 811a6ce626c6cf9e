"""Pure values that every other room speaks: no I/O, nothing but the standard library."""
