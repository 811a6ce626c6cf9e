"""Proving images: every variant is what its label says, and runs."""
