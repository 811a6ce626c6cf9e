"""Package URLs, held against the specification's own examples."""

import pytest

from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.core.purl import image_url, package_url
from amphora.core.reference import Reference

ARM64 = Platform.parse("linux/arm64")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("deb", "curl", "7.50.3-1", "debian"), "pkg:deb/debian/curl@7.50.3-1"),
        (("npm", "animation", "12.3.1", "@angular"), "pkg:npm/%40angular/animation@12.3.1"),
        (("pypi", "django", "1.11.1", ""), "pkg:pypi/django@1.11.1"),
        (
            ("golang", "api", "v1.2+incompatible", "google.golang.org/x y"),
            "pkg:golang/google.golang.org/x%20y/api@v1.2%2Bincompatible",
        ),
        (("deb", "libstdc++6", "2:1.0~rc1", ""), "pkg:deb/libstdc%2B%2B6@2:1.0~rc1"),
        (("golang", "tool", "", "example.org"), "pkg:golang/example.org/tool"),
    ],
)
def test_as_the_specification_writes_them(parts, expected):
    kind, name, version, namespace = parts
    assert package_url(kind, name, version, namespace=namespace) == expected


def test_qualifiers_are_sorted_and_empty_ones_are_left_out():
    url = package_url("deb", "a", "1", qualifiers={"distro": "debian-13", "arch": "", "b": "x&y"})
    assert url == "pkg:deb/a@1?b=x%26y&distro=debian-13"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("debian:trixie", "pkg:docker/debian@trixie?platform=linux%2Farm64"),
        ("me/app", "pkg:docker/me/app@latest?platform=linux%2Farm64"),
        ("localhost:5000/app:1", "pkg:docker/localhost:5000/app@1?platform=linux%2Farm64"),
        (
            f"quay.io/a/b@{Digest.of(b'')}",
            f"pkg:docker/quay.io/a/b@{Digest.of(b'')}?platform=linux%2Farm64",
        ),
        (f"debian:13@{Digest.of(b'')}", "pkg:docker/debian@13?platform=linux%2Farm64"),
    ],
)
def test_images_as_buildkit_writes_them(name, expected):
    assert image_url(Reference.parse(name), ARM64) == expected
