"""Bake files: from HCL, JSON and compose files to the targets that are to be built."""
