"""Packages in trees of files, honest and hostile ones."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from elves import elf
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.errors import LayerError
from amphora.sbom.distributions import distribution_packages, read_distribution
from amphora.sbom.languages import packages_of
from amphora.sbom.package import Distribution, Package
from amphora.sbom.scan import scan

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\nID_LIKE=x\n'
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: arm64
Source: glibc
Version: 2.41-12
Description: library
 Version: 0 of nothing

Package: gcc-14-base
Status: hold ok installed
Architecture: arm64
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-19+b1

Package: gone
Status: deinstall ok config-files
Version: 1
Architecture: all
"""
APK = """\
C:Q1abc=
P:busybox-binsh
V:1.37.0-r12
A:aarch64
o:busybox
F:bin
R:sh

P:musl
V:1.2.5-r9
A:aarch64
o:musl

"""


def write(root, path, content, mode=0o644):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    file.chmod(mode)


def urls(inventory):
    return [package.url for package in inventory.packages]


def test_debian(tmp_path):
    write(tmp_path, "usr/lib/os-release", DEBIAN)
    write(tmp_path, "var/lib/dpkg/status", STATUS)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    found = scan(tmp_path)
    assert found.distribution == Distribution("debian", "13")
    assert urls(found) == [
        "pkg:deb/debian/gcc-14-base@14.2.0-19%2Bb1?arch=arm64&distro=debian-13",
        "pkg:deb/debian/libc6@2.41-12?arch=arm64&distro=debian-13",
    ]
    assert [(each.source, each.source_version) for each in found.packages] == [
        ("gcc-14", "14.2.0-19"),
        ("glibc", ""),
    ]
    assert {each.place for each in found.packages} == {"var/lib/dpkg/status"}
    assert found.files == 2


def test_debian_without_dpkg(tmp_path):
    """As "distroless" images have it: a file a package, without a state."""
    write(tmp_path, "var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2025b\n")
    write(tmp_path, "var/lib/dpkg/status.d/tzdata.md5sums", "Package: none\nVersion: 1\n")
    assert urls(scan(tmp_path)) == ["pkg:deb/debian/tzdata@2025b"]


@pytest.mark.parametrize("place", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_alpine(tmp_path, place):
    write(tmp_path, place, APK)
    write(tmp_path, "etc/os-release", "ID=alpine\nVERSION_ID=3.22.1\n")
    found = scan(tmp_path)
    assert urls(found) == [
        "pkg:apk/alpine/busybox-binsh@1.37.0-r12?arch=aarch64&distro=alpine-3.22.1",
        "pkg:apk/alpine/musl@1.2.5-r9?arch=aarch64&distro=alpine-3.22.1",
    ]
    assert [each.source for each in found.packages] == ["busybox", ""]


def test_languages(tmp_path):
    site = "usr/lib/python3/site-packages"
    write(tmp_path, f"{site}/x.dist-info/METADATA", "Name: Zope.Interface\nVersion: 7.2\n\nName: n")
    write(tmp_path, f"{site}/old.egg-info/PKG-INFO", "Name: old\nVersion: 1\n")
    write(tmp_path, f"{site}/older-0.1.egg-info", "Name: older\nVersion: 0.1\n")
    package = json.dumps({"name": "@types/node", "version": "22.0.0", "other": [1, {}]})
    write(tmp_path, "app/node_modules/@types/node/package.json", package)
    nested = json.dumps({"name": "ms", "version": "2.1.3"})
    write(tmp_path, "app/node_modules/debug/node_modules/ms/package.json", nested)
    # Neither is installed: one's own package, and one inside of another.
    write(tmp_path, "app/package.json", nested)
    write(tmp_path, "app/node_modules/debug/src/package.json", nested)
    program = elf(modules="mod\texample.org/tool\tv1.4.0\ndep\tgolang.org/x/sys\tv0.1.0\n")
    write(tmp_path, "usr/bin/tool", program, 0o755)
    write(tmp_path, "usr/share/tool", program)
    assert urls(scan(tmp_path)) == [
        "pkg:golang/stdlib@1.24.1",
        "pkg:golang/golang.org/x/sys@v0.1.0",
        "pkg:golang/example.org/tool@v1.4.0",
        "pkg:npm/ms@2.1.3",
        "pkg:npm/%40types/node@22.0.0",
        "pkg:pypi/old@1",
        "pkg:pypi/older@0.1",
        "pkg:pypi/zope-interface@7.2",
    ]


def test_nothing_outside_is_read_and_nothing_that_is_no_file(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    write(outside, "status", STATUS)
    write(outside, "x.dist-info/METADATA", "Name: x\nVersion: 1\n")
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").symlink_to(outside / "status")
    (root / "lib").symlink_to(outside)
    (root / "loop").symlink_to("loop")
    (root / "etc").mkdir()
    os.mkfifo(root / "etc/os-release")
    os.mkfifo(root / "tool")
    (root / "tool").chmod(0o755)
    found = scan(root)
    assert (found.packages, found.files) == ((), 0)


def test_names_that_are_no_text_and_directories_that_are_too_deep(tmp_path):
    write(tmp_path, os.fsdecode(b"\xff.dist-info/METADATA"), b"Name: odd\nVersion: \xff\n")
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(30):
            os.mkdir(b"d" * 200, dir_fd=here)
            deeper = os.open(b"d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = deeper
    finally:
        os.close(here)
    assert urls(scan(tmp_path)) == ["pkg:pypi/odd@%EF%BF%BD"]
    subprocess.run(["rm", "-rf", tmp_path / ("d" * 200)], check=True)


def test_a_list_without_an_end_is_refused(tmp_path):
    write(tmp_path, "lib/apk/db/installed", "".join(f"P:p{n}\nV:1\n\n" for n in range(100_001)))
    with pytest.raises(LayerError, match="cannot be listed"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("a/node_modules/b/package.json", b"[" * 100_000),
        ("a/node_modules/b/package.json", b'{"name": 1, "version": "1"}'),
        ("a/node_modules/b/package.json", b'{"name": "b"}'),
        ("a/node_modules/b/package.json", b"\xff\xfe"),
        ("a.dist-info/METADATA", b"Name:\nVersion: 1\n"),
        ("a.dist-info/METADATA", b""),
        ("program", b"\x7fELF"),
        ("program", b"\x7fELF" + b"\xff" * 200),
    ],
)
def test_what_makes_no_sense_is_no_package(tmp_path, place, content):
    write(tmp_path, place, content, 0o755)
    assert list(packages_of(tmp_path / place, place, executable=True)) == []


@given(st.binary(max_size=300))
def test_whatever_a_database_holds(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("tree")
    for name in ("var/lib/dpkg/status", "lib/apk/db/installed", "etc/os-release"):
        write(root, name, content)
    assert all(isinstance(package, Package) for package in scan(root).packages)


def test_this_machines_own_packages_are_those_that_dpkg_lists():
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("needs a Debian machine")
    root = Path("/")
    found = distribution_packages(root, read_distribution(root))
    ours = {
        (each.name, each.version, each.architecture, each.source or each.name)
        for each in found
        if each.place == "var/lib/dpkg/status"
    }
    form = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\n"
    shown = subprocess.check_output(["dpkg-query", "-W", "-f", form], text=True)
    lines = (line.split("\t") for line in shown.splitlines())
    assert ours == {tuple(fields) for state, *fields in lines if state.strip().endswith("i")}
