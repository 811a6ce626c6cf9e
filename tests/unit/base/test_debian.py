"""What mmdebstrap is asked for, by a recorder in its place on PATH."""

import asyncio
import os

import pytest

from amphora.base.debian import bootstrap, suite_of
from amphora.base.request import BaseRequest
from amphora.core.errors import (
    InvalidValueError,
    ToolFailedError,
    UnsupportedPlatformError,
)
from amphora.core.platform import Platform
from amphora.core.reference import Reference

AMD64 = Platform.parse("linux/amd64")

#: Lays out a root as mmdebstrap does, and notes its arguments and environment in it.
RECORDER = """#!/bin/sh
for last; do :; done
case $last in /*) root=$last ;; *) root=$(eval echo \\${$(($# - 1))}) ;; esac
mkdir -p "$root/dev/pts" "$root/etc" "$root/run/lock" "$root/tmp" "$root/var/log/apt"
mkdir -p "$root/var/lib/dpkg" "$root/var/cache/ldconfig"
printf '%s\\n' "$@" > "$root/arguments"
env > "$root/environment"
for file in dev/null etc/hostname etc/resolv.conf etc/passwd run/pid tmp/.hidden var/log/dpkg.log \\
    var/lib/dpkg/status var/lib/dpkg/status-old var/cache/ldconfig/aux-cache; do
  echo text > "$root/$file"
done
ln -s /etc "$root/run/link"
echo "I: success"
"""


def request(name="debian:trixie", **fields):
    return BaseRequest(Reference.parse(name), [AMD64], **fields)


@pytest.fixture
def mmdebstrap(tmp_path, monkeypatch):
    """Put a program of that name first on PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def mmdebstrap(script):
        (directory / "mmdebstrap").write_text(script)
        (directory / "mmdebstrap").chmod(0o755)

    return mmdebstrap


@pytest.fixture
def run(mmdebstrap, tmp_path):
    """Bootstrap with the recorder: the root, and what was heard."""
    mmdebstrap(RECORDER)

    def run(asked, platform=AMD64):
        root, heard = tmp_path / "root", []
        asyncio.run(bootstrap(asked, platform, root, heard.append))
        return root, b"".join(heard)

    return run


def test_the_whole_command(run, tmp_path):
    asked = request("debian:bookworm", include=["gcc", "make"], variant="apt", mirror="http://m/d")
    root, heard = run(asked)
    assert (root / "arguments").read_text().splitlines() == [
        "--mode=root",
        "--architectures=amd64",
        "--format=directory",
        "--variant=apt",
        "--include=gcc,make",
        "bookworm",
        str(tmp_path / "root"),
        "http://m/d",
    ]
    assert heard == b"I: success\n"


def test_nothing_is_asked_for_that_was_not(run):
    root, _ = run(request())
    arguments = (root / "arguments").read_text().splitlines()
    assert arguments[3] == "--variant=minbase"
    assert arguments[-1] == str(root)
    assert not any(argument.startswith("--include") for argument in arguments)


@pytest.mark.parametrize(
    ("platform", "port"),
    [
        ("linux/amd64", "amd64"),
        ("linux/arm64", "arm64"),
        ("linux/arm64/v8", "arm64"),
        ("linux/arm/v7", "armhf"),
        ("linux/arm", "armhf"),
        ("linux/arm/v5", "armel"),
        ("linux/386", "i386"),
        ("linux/ppc64le", "ppc64el"),
        ("linux/riscv64", "riscv64"),
        ("linux/s390x", "s390x"),
        ("linux/mips64le", "mips64el"),
    ],
)
def test_debians_names_of_the_ports(run, platform, port):
    root, _ = run(request(), Platform.parse(platform))
    assert f"--architectures={port}" in (root / "arguments").read_text().splitlines()


@pytest.mark.parametrize("platform", ["linux/ppc64", "linux/mips", "windows/amd64"])
def test_a_platform_debian_does_not_know(run, platform):
    with pytest.raises(UnsupportedPlatformError) as caught:
        run(request(), Platform.parse(platform))
    assert platform in caught.value.what
    assert "linux/riscv64" in caught.value.next_command


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("debian:trixie", "trixie"),
        ("debian:trixie-slim", "trixie"),
        ("localhost:5000/debian:sid", "sid"),
        ("registry.example/base/debian:12", "12"),
    ],
)
def test_the_name_says_the_suite(name, suite):
    assert suite_of(request(name)) == suite


@pytest.mark.parametrize("name", ["debian", "debian:latest", "ubuntu:noble", "notdebian:trixie"])
def test_names_that_say_no_suite(run, name):
    with pytest.raises(InvalidValueError, match="cannot make a base image"):
        run(request(name))


def test_what_differs_from_run_to_run_is_removed(run):
    root, _ = run(request())
    left = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert left == {"arguments", "environment", "etc/passwd", "var/lib/dpkg/status"}
    assert all((root / name).is_dir() for name in ("dev", "run", "tmp", "var/log"))


def test_source_date_epoch_reaches_mmdebstrap_if_it_is_given(run, tmp_path):
    root, _ = run(request(source_date_epoch=1700000000))
    assert "SOURCE_DATE_EPOCH=1700000000" in (root / "environment").read_text().splitlines()


def test_a_failure_repeats_mmdebstraps_last_words(mmdebstrap, tmp_path):
    mmdebstrap("#!/bin/sh\necho I: downloading\necho E: no such suite >&2\nexit 25\n")
    with pytest.raises(ToolFailedError) as caught:
        asyncio.run(bootstrap(request("debian:nosuch"), AMD64, tmp_path / "root", len))
    assert caught.value.what == "mmdebstrap exited with status 25"
    assert caught.value.why == "I: downloading; E: no such suite"
    assert "nosuch" in caught.value.next_command
