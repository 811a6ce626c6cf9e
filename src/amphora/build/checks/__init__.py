"""BuildKit's build checks: what works in a Dockerfile but should not be written so.

https://docs.docker.com/reference/build-checks/
"""
