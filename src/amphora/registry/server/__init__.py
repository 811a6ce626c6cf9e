"""The embedded registry: distribution-spec 1.1 on one directory of this machine."""
