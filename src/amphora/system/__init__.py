"""The one door to the machine: files, processes, namespaces, mounts, ELF headers."""
