"""The CPUs that tests are about: this machine's, and another one that it must emulate."""

from amphora.core.platform import Platform

HOST = Platform.host()
NATIVE = str(HOST)
FOREIGN = "linux/amd64" if HOST.architecture == "arm64" else "linux/arm64"

#: What `uname -m` says there.
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
