"""A piece of software that was found in an image."""

from dataclasses import dataclass, field

from amphora.core.purl import package_url


@dataclass(frozen=True, slots=True, order=True)
class Package:
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


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release(5) says: `identity` is its ID, `version` its VERSION_ID."""

    identity: str = ""
    version: str = ""

    @property
    def qualifier(self) -> str:
        """As package URLs have it: `debian-13`."""
        return "-".join(filter(None, (self.identity, self.version)))


@dataclass(frozen=True, slots=True)
class Inventory:
    """All packages of a tree, sorted, and how many regular files it has."""

    packages: tuple[Package, ...] = ()
    files: int = 0
    distribution: Distribution = field(default_factory=Distribution)
