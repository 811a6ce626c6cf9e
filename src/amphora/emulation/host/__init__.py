"""The host's own table of emulators: what is in it, who put it there, and putting it right."""
