"""SPDX documents, field by field."""

import json
import re

from amphora.sbom.package import Distribution, Inventory, Package
from amphora.sbom.spdx import document

LIBC = Package(
    "deb",
    "libc6",
    "2.41-12",
    "var/lib/dpkg/status",
    namespace="debian",
    architecture="arm64",
    distribution="debian-13",
    source="glibc",
)
NODE = Package("npm", "node", "22.0.0", "a/node_modules/@types/node/package.json", "@types")
AGAIN = Package("npm", "node", "22.0.0", "b/node_modules/@types/node/package.json", "@types")
INVENTORY = Inventory((LIBC, NODE, AGAIN), 3, Distribution("debian", "13"))

#: https://spdx.github.io/spdx-spec/v2.3/: what a document and a package must have.
DOCUMENT = {
    "spdxVersion",
    "dataLicense",
    "SPDXID",
    "name",
    "documentNamespace",
    "creationInfo",
    "packages",
    "relationships",
}
PACKAGE = {"SPDXID", "name", "downloadLocation"}


def made(inventory=INVENTORY, identity="sha256:1"):
    return document(
        inventory, name="files of linux/arm64", identity=identity, created="2020-01-01T00:00:00Z"
    )


def test_a_document_has_what_the_specification_asks_for():
    content = made()
    assert set(content) == DOCUMENT
    assert content["spdxVersion"] == "SPDX-2.3"
    assert content["dataLicense"] == "CC0-1.0"
    assert content["SPDXID"] == "SPDXRef-DOCUMENT"
    assert content["creationInfo"]["created"] == "2020-01-01T00:00:00Z"
    [creator] = content["creationInfo"]["creators"]
    assert re.fullmatch(r"Tool: amphora-\d+\.\d+\.\d+", creator)
    identifiers = [package["SPDXID"] for package in content["packages"]]
    assert len(set(identifiers)) == len(identifiers) == 4
    for package in content["packages"]:
        assert set(package) >= PACKAGE
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"])
        assert package["filesAnalyzed"] is False
    related = [item["relatedSpdxElement"] for item in content["relationships"]]
    assert related == identifiers
    assert [item["relationshipType"] for item in content["relationships"]] == [
        *("DESCRIBES", "CONTAINS", "CONTAINS", "CONTAINS")
    ]
    root = content["packages"][0]
    assert (root["primaryPackagePurpose"], root["comment"]) == ("CONTAINER", "3 files")


def test_a_package_says_what_it_is_and_what_it_was_built_from():
    _, libc, node, again = made()["packages"]
    assert (libc["name"], libc["versionInfo"]) == ("libc6", "2.41-12")
    assert [reference["referenceLocator"] for reference in libc["externalRefs"]] == [
        "pkg:deb/debian/libc6@2.41-12?arch=arm64&distro=debian-13",
        "pkg:deb/debian/glibc@2.41-12?arch=source&distro=debian-13",
    ]
    assert {
        (reference["referenceCategory"], reference["referenceType"])
        for reference in libc["externalRefs"]
    } == {("PACKAGE-MANAGER", "purl")}
    assert libc["sourceInfo"] == (
        "found in /var/lib/dpkg/status; built from the source package glibc 2.41-12"
    )
    assert node["name"] == again["name"] == "@types/node"
    assert node["SPDXID"] != again["SPDXID"]


def test_equal_trees_have_equal_documents_and_others_have_namespaces_of_their_own():
    assert made() == made()
    assert made()["documentNamespace"] != made(identity="sha256:2")["documentNamespace"]
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", made()["documentNamespace"])


def test_names_that_are_no_text_are_replaced():
    odd = Package("pypi", "odd", "1", "a\udcff/METADATA")
    text = json.dumps(made(Inventory((odd,), 1)), ensure_ascii=False).encode()
    assert b"a?/METADATA" in text
