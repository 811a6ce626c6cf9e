"""RPM's database: one that rpm itself wrote, and ones that lie."""

import os
import shutil
import sqlite3
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.sbom.package import Distribution, Package
from amphora.sbom.rpm import rpm_packages
from amphora.sbom.scan import scan

PLACE = "var/lib/rpm/rpmdb.sqlite"
FEDORA = Distribution("fedora", "42")
SPECIFICATION = """\
Name: tools
Version: 1.2
Release: 3
Epoch: 7
Summary: tools
License: none
BuildArch: noarch
%description
Nothing.
%package extra
Summary: more
Epoch: 0
%description extra
More.
%files
%files extra
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A root whose database has two packages, built and installed by rpm."""
    if not shutil.which("rpmbuild"):
        pytest.skip("needs rpm: make setup-test")
    work, root = tmp_path_factory.mktemp("rpm"), tmp_path_factory.mktemp("root")
    (work / "tools.spec").write_text(SPECIFICATION)
    database = root / "var/lib/rpm"
    settings = ("--define", f"_topdir {work}", "--define", "_db_backend sqlite")
    environment = {"HOME": str(work), "PATH": os.environ["PATH"]}

    def run(*command):
        subprocess.run(command, check=True, env=environment, capture_output=True)

    run("rpmbuild", "-bb", "--quiet", *settings, work / "tools.spec")
    run("rpm", *settings, "--dbpath", database, "--initdb")
    packages = sorted((work / "RPMS/noarch").iterdir())
    run("rpm", *settings, "--dbpath", database, "--justdb", "--nodeps", "-i", *packages)
    return root


def test_what_rpm_installed(installed):
    assert sorted(rpm_packages(installed, FEDORA)) == [
        Package(
            *("rpm", name, "1.2-3", PLACE, "fedora", "noarch", "fedora-42", epoch),
            source="tools",
            source_version="1.2-3",
        )
        for name, epoch in (("tools", "7"), ("tools-extra", "0"))
    ]
    (installed / "etc").mkdir(exist_ok=True)
    (installed / "etc/os-release").write_text("ID=fedora\nVERSION_ID=42\n")
    assert [package.url for package in scan(installed).packages] == [
        "pkg:rpm/fedora/tools@1.2-3?arch=noarch&distro=fedora-42&epoch=7",
        "pkg:rpm/fedora/tools-extra@1.2-3?arch=noarch&distro=fedora-42&epoch=0",
    ]


def header(*tags):
    """A package's header, of tags with a number, a type and content."""
    index, data = b"", b""
    for tag, kind, content in tags:
        index += struct.pack(">IIII", tag, kind, len(data), 1)
        data += content
    return struct.pack(">II", len(tags), len(data)) + index + data


def database(root, *headers, schema="CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)"):
    path = root / PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(schema)
        for each in headers:
            connection.execute("INSERT INTO Packages (blob) VALUES (?)", (each,))
    connection.close()
    return path


def named(name, version=b"1"):
    return header((1000, 6, name + b"\0"), (1001, 6, version + b"\0"))


def test_keys_are_no_packages_and_nothing_is_written_beside_the_database(tmp_path):
    path = database(tmp_path, named(b"gpg-pubkey"), named(b"\xff"), named(b"bare"))
    found = sorted(rpm_packages(tmp_path, Distribution()))
    assert [(each.name, each.version) for each in found] == [("bare", "1"), ("\ufffd", "1")]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE Other (blob BLOB)",
        "CREATE VIEW Packages AS WITH RECURSIVE n(blob) AS"
        " (SELECT 1 UNION ALL SELECT blob + 1 FROM n) SELECT blob FROM n",
    ],
)
def test_a_schema_that_is_none_of_rpms_ends(tmp_path, schema):
    database(tmp_path, schema=schema)
    assert list(rpm_packages(tmp_path, FEDORA)) == []


def test_what_is_no_database_is_none(tmp_path):
    path = tmp_path / PLACE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert list(rpm_packages(tmp_path, FEDORA)) == []
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert list(rpm_packages(tmp_path, FEDORA)) == []


@given(st.binary(max_size=200))
def test_headers_may_be_anything(tmp_path_factory, content):
    root = tmp_path_factory.mktemp("root")
    database(root, content, named(b"a"))
    assert "a" in [package.name for package in rpm_packages(root, FEDORA)]
