"""An inventory as an SPDX 2.3 document in JSON.

https://spdx.github.io/spdx-spec/v2.3/. Equal inventories give equal documents: nothing in
them is random, and the time is the image's.
"""

import hashlib
import re
import uuid
from typing import Any

import amphora
from amphora.core.purl import package_url
from amphora.sbom.package import Inventory, Package

_ROOT = "SPDXRef-DocumentRoot"
#: What may stand in an identifier: https://spdx.github.io/spdx-spec/v2.3/package-information/
_FORBIDDEN = re.compile(r"[^A-Za-z0-9.-]+")
_UNKNOWN = "NOASSERTION"
#: What package URLs of source packages have for an architecture.
_SOURCE_ARCHITECTURES = {"deb": "source", "rpm": "src"}
#: Of the place of a package as much as anybody reads.
_LONGEST = 1000


def document(inventory: Inventory, *, name: str, identity: str, created: str) -> dict[str, Any]:
    """The document about a tree that is called `name`.

    `identity` is what the tree's content is known by, such as its chain ID; the document's
    namespace, which must be its own, follows from it. `created` is RFC 3339, UTC, to the second.
    """
    described = [(_identifier(package), package) for package in inventory.packages]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": uuid.uuid5(uuid.NAMESPACE_URL, f"{name} {identity}").urn,
        "creationInfo": {
            "created": created,
            "creators": [f"Tool: amphora-{amphora.__version__}"],
        },
        "packages": [_root(inventory, name, identity), *(_package(*item) for item in described)],
        "relationships": [
            _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _ROOT),
            *(_relationship(_ROOT, "CONTAINS", identifier) for identifier, _ in described),
        ],
    }


def _root(inventory: Inventory, name: str, identity: str) -> dict[str, Any]:
    return {
        **_common(_ROOT, name, identity),
        "primaryPackagePurpose": "CONTAINER",
        "comment": f"{inventory.files} files",
    }


def _package(identifier: str, package: Package) -> dict[str, Any]:
    name = f"{package.namespace}/{package.name}" if package.kind in {"npm", "golang"} else ""
    told = f"found in /{package.place[:_LONGEST]}"
    if package.source:
        version = package.source_version or package.version
        told += f"; built from the source package {package.source} {version}"
    return {
        **_common(identifier, name.lstrip("/") or package.name, package.version),
        "sourceInfo": _printable(told),
        "externalRefs": [_purl(package.url), *_source_purl(package)],
    }


def _source_purl(package: Package) -> list[dict[str, str]]:
    """Advisories of distributions name source packages."""
    if not package.source:
        return []
    url = package_url(
        package.kind,
        package.source,
        package.source_version or package.version,
        namespace=package.namespace,
        qualifiers={
            "arch": _SOURCE_ARCHITECTURES.get(package.kind, ""),
            "distro": package.distribution,
            "epoch": package.epoch,
        },
    )
    return [_purl(url)]


def _purl(url: str) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": url,
    }


def _common(identifier: str, name: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": identifier,
        "name": name,
        **({"versionInfo": version} if version else {}),
        "supplier": _UNKNOWN,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _relationship(element: str, kind: str, related: str) -> dict[str, str]:
    return {"spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related}


def _identifier(package: Package) -> str:
    """Readable, and of its own: the same package may be in several places."""
    digest = hashlib.sha256(f"{package.url}\0{package.place}".encode(errors="replace")).hexdigest()
    readable = _FORBIDDEN.sub("-", f"{package.kind}-{package.name}")[:100]
    return f"SPDXRef-Package-{readable}-{digest[:16]}"


def _printable(text: str) -> str:
    """File names may be no text; JSON is."""
    return text.encode(errors="replace").decode()
