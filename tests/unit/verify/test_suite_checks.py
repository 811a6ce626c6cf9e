"""Tests of files and configs, on trees of real files."""

import os
import re
import socket

import pytest

from amphora.core.errors import VerificationError
from amphora.oci.config import ContainerConfig
from amphora.verify import patterns
from amphora.verify.patterns import found_in
from amphora.verify.suite import ContentCheck, Expected, FileCheck, MetadataCheck, Patterns, Suite
from amphora.verify.suite_checks import check_contents, with_variables

CONFIG = ContainerConfig(
    env=("PATH=/bin", "HOME=/root", "EMPTY="),
    labels={"vendor": "ACME", "date": "2020-02-02"},
    entrypoint=("/entry",),
    exposed_ports={"8080/tcp": {}, "53/udp": {}},
    volumes={"/data": {}},
    working_dir="/app",
    user="luke",
)


def problems(root, config=CONFIG, **suite):
    return [each.problem for each in check_contents(Suite("x", **suite), root, config)]


def file_problem(root, path, **check):
    return problems(root, files=(FileCheck("it", path, **check),))[0]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir(mode=0o755)
    file = tmp_path / "etc/file"
    file.write_text("one\ntwo\n")
    file.chmod(0o640)
    (tmp_path / "etc/link").symlink_to("/etc/file")
    (tmp_path / "etc/dangling").symlink_to("/nowhere")
    (tmp_path / "etc/outside").symlink_to("../../../../etc/passwd")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "su").touch()
    (tmp_path / "su").chmod(0o4755)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "check", "problem"),
    [
        ("/etc/file", {}, None),
        ("/etc/none", {}, "/etc/none is not there"),
        ("/etc/none", {"should_exist": False}, None),
        ("/etc/none", {"should_exist": False, "permissions": "-rw-r--r--"}, None),
        ("/etc/file", {"should_exist": False}, "/etc/file is there"),
        ("/etc/dangling", {}, None),
        ("/etc/outside/x", {}, "/etc/outside/x is not there"),
        ("/etc/link", {"permissions": "Lrwxrwxrwx"}, None),
        ("/etc/file", {"permissions": "-rw-r-----"}, None),
        (
            "/etc/file",
            {"permissions": "-rw-r--r--"},
            "/etc/file has the permissions -rw-r-----, not -rw-r--r--",
        ),
        ("/etc", {"permissions": "drwxr-xr-x"}, None),
        ("/tmp", {"permissions": "drwxrwxrwt"}, None),
        ("/tmp", {"permissions": "dtrwxrwxrwx"}, None),
        ("/su", {"permissions": "-rwsr-xr-x"}, None),
        ("/su", {"permissions": "urwxr-xr-x"}, None),
        ("/etc/file", {"executable_by": "any"}, "/etc/file is not executable by any: -rw-r-----"),
        ("/su", {"executable_by": "other"}, None),
        ("/etc/file", {"uid": os.getuid(), "gid": os.getgid()}, None),
        ("/etc/file", {"uid": 4321}, f"/etc/file belongs to user {os.getuid()}, not 4321"),
        ("/etc/file", {"gid": 4321}, f"/etc/file belongs to group {os.getgid()}, not 4321"),
        ("$HOME/x", {}, "/root/x is not there"),
        ("/etc/\0", {}, "/etc/\0 is not there"),
    ],
)
def test_files(root, path, check, problem):
    assert file_problem(root, path, **check) == problem


def test_contents(root):
    one, three = re.compile("^one$", re.MULTILINE), re.compile("three")

    def check(path, expected=(), excluded=()):
        content = Patterns(tuple(expected), tuple(excluded))
        return problems(root, contents=(ContentCheck("it", path, content),))[0]

    assert check("/etc/file", [one], [three]) is None
    assert check("/etc/link", [one]) is None
    assert check("/etc/file", [three]) == "/etc/file has nothing in it that matches 'three'"
    assert check("/etc/file", [], [one]) == "/etc/file has in it what matches '^one$'"
    assert check("/pipe", [one]) == "/pipe is no file"
    assert check("/etc", [one]) == "/etc is no file"
    assert check("/etc/outside", [re.compile("root")]) == "/etc/outside is no file"
    with (root / "large").open("wb") as file:
        file.truncate((16 << 20) + 1)
    assert check("/large", [one]) == "/large is larger than 16 MiB, and not searched"


@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ({"environment": (Expected("HOME", "/root"), Expected("EMPTY", ""))}, None),
        ({"environment": (Expected("HOME", "/"),)}, "the variable HOME is '/root', not '/'"),
        ({"environment": (Expected("NONE", ""),)}, "the variable NONE is not set"),
        ({"unset": ("NONE",)}, None),
        ({"unset": ("HOME",)}, "the variable HOME is set"),
        ({"labels": (Expected("date", re.compile(r"^\d+-\d\d-\d\d$")),)}, None),
        (
            {"labels": (Expected("date", re.compile("x")),)},
            "the label date has nothing in it that matches 'x'",
        ),
        ({"entrypoint": ("/entry",), "cmd": ()}, None),
        ({"entrypoint": ()}, "ENTRYPOINT is ['/entry'], not []"),
        ({"cmd": ("a",)}, "CMD is [], not ['a']"),
        ({"ports": ("8080", "53/udp", "8080/tcp"), "other_ports": ("22", "53/tcp")}, None),
        ({"ports": ("22",)}, "the port 22 is not among those of the image"),
        ({"other_ports": ("53",)}, "the port 53 is among those of the image"),
        ({"volumes": ("/data",), "other_volumes": ("/x",)}, None),
        ({"other_volumes": ("/data",)}, "the volume /data is among those of the image"),
        ({"working_directory": "/app", "user": "luke"}, None),
        ({"working_directory": "/"}, "WORKDIR is '/app', not '/'"),
        ({"user": "root", "cmd": ("a",)}, "CMD is [], not ['a']; USER is 'luke', not 'root'"),
    ],
)
def test_metadata(root, check, problem):
    assert problems(root, metadata=MetadataCheck(**check)) == [problem]


def test_an_empty_config_has_nothing(root):
    check = MetadataCheck(entrypoint=(), cmd=(), working_directory="", user="")
    assert problems(root, ContainerConfig(), metadata=check) == [None]


def test_only_variables_that_are_there_are_replaced():
    environment = {"HOME": "/root", "A": "1"}
    assert with_variables("$HOME/${A}x $i ${i} $$ $1", environment) == "/root/1x $i ${i} $$ $1"


def test_an_expression_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(patterns, "_LONGEST", 0.05)
    with pytest.raises(VerificationError, match="is not looked for any more"):
        found_in(re.compile("(a+)+$"), "a" * 64 + "b")
    assert found_in(re.compile("b"), "abc")


def test_a_socket_in_the_image_is_no_file(root):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{os.open(root, os.O_PATH)}/socket")
    check = ContentCheck("it", "/socket", Patterns())
    assert problems(root, contents=(check,)) == ["/socket is no file"]
