"""A piece of software that was found in an image."""

from msgspec import Struct, field

from amphora.core.purl import package_url


class Package(Struct, frozen=True, order=True):
    """`kind` is the type that package URLs have for it: deb, apk, rpm, pypi, npm
    or golang.

    `place` is where it was found, relative to the root. `source` and `source_version` are the
    source package it was built from, where that is told and differs; advisories name that one.
    """

    kind: str
    name: str
    version: str
    place: str
    namespace: str = ""
    architecture: str = ""
    distribution: str = ""
    epoch: str = ""
    source: str = ""
    source_version: str = ""

    @property
    def url(self) -> str:
        """https://github.com/package-url/purl-spec/blob/main/PURL-TYPES.rst"""
        return package_url(
            self.kind,
            self.name,
            self.version,
            namespace=self.namespace,
            qualifiers={
                "arch": self.architecture,
                "distro": self.distribution,
                "epoch": self.epoch,
            },
        )


class Distribution(Struct, frozen=True):
    """What os-release(5) says: `identity` is its ID, `version` its VERSION_ID."""

    identity: str = ""
    version: str = ""

    @property
    def qualifier(self) -> str:
        """As package URLs have it: `debian-13`."""
        return "-".join(filter(None, (self.identity, self.version)))


class Inventory(Struct, frozen=True):
    """All packages of a tree, sorted, and how many regular files it has."""

    packages: tuple[Package, ...] = ()
    files: int = 0
    distribution: Distribution = field(default_factory=Distribution)
