"""Where --cache-to puts what steps made, and --cache-from finds it."""
