"""Running a container from a mounted root: crun, with docker's default confinement."""
