"""Filesystem layers: trees become compressed tars, and hostile tars become trees, safely."""
