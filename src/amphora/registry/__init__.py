"""The OCI distribution protocol, both sides: a client for any registry, and a registry."""
