"""The functions that every bake file has.

https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
"""
