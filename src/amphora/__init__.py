"""Amphora: one codebase, carried to ARM64 and to x86-64."""

__version__ = "0.1.0"
