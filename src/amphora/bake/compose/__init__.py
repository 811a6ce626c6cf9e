"""Compose files as bake files: each service that is built is a target.

https://docs.docker.com/build/bake/compose-file/
"""
