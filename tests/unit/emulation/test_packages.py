"""dpkg's database: what real ones say, and what made-up ones cannot do."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.emulation.packages import Packages, same_version

STATUS = """\
Package: bash
Essential: yes
Status: install ok installed
Architecture: arm64
Version: 5.2.37-2+b5
Description: shell
 Version: 0 of nothing
 .
 Package: none

Package: removed
Status: deinstall ok config-files
Version: 1

Package: half
Status: install ok half-installed
Version: 1

Package: odd
Version: 2:1.0~rc1-1
Status: hold ok installed
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "var/lib/dpkg/info").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    return tmp_path


def test_installed_packages_have_versions(root):
    assert Packages.read(root) == Packages({"bash": "5.2.37-2+b5", "odd": "2:1.0~rc1-1"})


def test_while_dpkg_works_its_journal_counts_in_order(root):
    """dpkg(1) keeps what it changed in `updates` until it writes the status anew."""
    updates = root / "var/lib/dpkg/updates"
    updates.mkdir()
    entry = "Package: {}\nStatus: {}\nVersion: {}\n"
    for number, fields in enumerate(
        [
            ("new", "install ok unpacked", "1"),
            ("odd", "install ok half-installed", "3"),
            ("new", "install ok half-configured", "2"),
            ("bash", "deinstall ok config-files", "5.2.37-2+b5"),
        ]
    ):
        (updates / f"{number:04}").write_text(entry.format(*fields))
    (updates / "tmp.i").write_text(entry.format("half", "install ok installed", "9"))
    assert Packages.read(root).versions == {"new": "2"}


def test_owners_by_the_name_before_or_after_the_merge_of_usr(root):
    info = root / "var/lib/dpkg/info"
    (info / "bash.list").write_text("/.\n/bin\n/bin/bash\n/usr/share/doc\n")
    (info / "libc-bin:arm64.list").write_text("/usr/bin/ldd\n")
    (info / "bash.md5sums").write_text("/usr/bin/other\n")
    paths = ["usr/bin/bash", "usr/bin/ldd", "usr/bin/other", "usr/bin/missing"]
    assert Packages.read(root, paths).owners == {"usr/bin/bash": "bash", "usr/bin/ldd": "libc-bin"}


def test_this_machines_own_database_reads_as_dpkg_reads_it():
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("needs a Debian machine")
    read = Packages.read(Path("/"), ["usr/bin/dpkg", "usr/bin/env"])
    shown = subprocess.check_output(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"], text=True
    )
    lines = (line.split() for line in shown.splitlines())
    expected = {name: version for state, name, version in lines if state == "installed"}
    assert read.versions == expected
    assert read.owners == {"usr/bin/dpkg": "dpkg", "usr/bin/env": "coreutils"}


def test_an_image_without_a_database(tmp_path):
    assert Packages.read(tmp_path, ["usr/bin/env"]) == Packages()


@pytest.mark.parametrize("kind", ["pipe", "directory", "loop", "link out", "device"])
def test_what_is_in_the_place_of_a_database_is_not_opened(root, tmp_path_factory, kind):
    """A pipe would be waited for, a device read for ever, a link lead to our own."""
    outside = tmp_path_factory.mktemp("outside") / "status"
    outside.write_text(STATUS)
    for path in (root / "var/lib/dpkg/status", root / "var/lib/dpkg/info/x.list"):
        path.unlink(missing_ok=True)
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "directory":
                path.mkdir()
            case "loop":
                path.symlink_to(path.name)
            case "link out":
                path.symlink_to(outside)
            case "device":
                path.symlink_to("/dev/zero")
    assert Packages.read(root, ["usr/bin/env"]) == Packages()


def test_a_loop_in_the_place_of_the_lists(root):
    (root / "var/lib/dpkg/info").rmdir()
    (root / "var/lib/dpkg/info").symlink_to("info")
    assert Packages.read(root, ["usr/bin/env"]).owners == {}


def test_of_a_huge_database_only_the_beginning_counts(root):
    """Gigabytes of nothing, which a sparse file has for free, are not read."""
    status = root / "var/lib/dpkg/status"
    with status.open("r+b") as file:
        file.truncate(1 << 40)
    listing = root / "var/lib/dpkg/info/bash.list"
    with listing.open("wb") as file:
        file.write(b"/usr/bin/bash\n")
        file.truncate(1 << 40)
    read = Packages.read(root, ["usr/bin/bash"])
    assert read.versions["bash"] == "5.2.37-2+b5"
    assert read.owners == {"usr/bin/bash": "bash"}


@given(st.binary(max_size=400))
def test_any_bytes_are_a_database(tmp_path_factory, content):
    root = tmp_path_factory.getbasetemp() / "any"
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dpkg/status").write_bytes(STATUS.encode() + b"\n" + content)
    (info / "bash.list").write_bytes(content)
    read = Packages.read(root, ["usr/bin/bash"])
    assert read.versions["bash"] == "5.2.37-2+b5" or b"bash" in content
    assert set(read.owners) <= {"usr/bin/bash"}


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("14.2.0-19", "14.2.0-19", True),
        ("14.2.0-19cross1", "14.2.0-19", True),
        ("2.44-3cross12+b2", "2.44-3", True),
        ("5.2.37-2+b5", "5.2.37-2+b7", True),
        ("5.2.37-2", "5.2.37-2+b7", True),
        ("1:2.0-1", "2.0-1", False),
        ("12.2.0-14", "12.2.0-14+deb12u1", False),
        ("12.2.0-14cross1", "12.2.0-14+deb12u1", False),
        ("14.2.0-19", "14.2.0-20", False),
        ("1.0-1+b", "1.0-1", False),
        ("1.0-1cross", "1.0-1", False),
        ("1.0-1ubuntu1", "1.0-1ubuntu2", False),
        (None, "1.0", False),
        ("1.0", None, False),
        (None, None, False),
    ],
)
def test_which_versions_are_of_the_same_source(ours, theirs, same):
    assert same_version(ours, theirs) is same
    assert same_version(theirs, ours) is same
