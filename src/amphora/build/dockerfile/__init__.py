"""The Dockerfile language, `docker/dockerfile:1`: text to instructions; pure, no I/O.

https://docs.docker.com/reference/dockerfile/ says what the language is; where it is
silent, BuildKit's parser is the reference.
"""
