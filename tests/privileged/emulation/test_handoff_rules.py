"""Conditions: what keeps a program of the table in QEMU, and what a rule changes."""

import os
import subprocess
from pathlib import Path

import pytest
from waiting import wait_until

pytestmark = pytest.mark.privileged


@pytest.mark.parametrize(
    ("variable", "native"),
    [
        ("LD_PRELOAD=/lib/x.so", False),
        ("LD_LIBRARY_PATH=", False),
        ("LD_BIND_NOW=1", False),
        ("GCONV_PATH=/x", False),
        ("LOCPATH=/x", False),
        ("GLIBC_TUNABLES=x", False),
        ("MALLOC_PERTURB_=1", False),
        ("QEMU_LD_PREFIX=/", False),
        ("LANG=de_DE.UTF-8", False),
        ("LC_ALL=en_US.UTF-8", False),
        ("LC_CTYPE=C.ISO-8859-1", False),
        ("LC_COLLATE=sv_SE.UTF-8", False),
        ("LC_ALL=C", True),
        ("LC_ALL=C.UTF-8", True),
        ("LANG=", True),
        ("LANG=POSIX", True),
        ("LC_CTYPE=C.utf8", True),
        ("LANGUAGE=de", True),
        ("LDFLAGS=-s", True),
        ("MYLD_PRELOAD=x", True),
    ],
)
def test_variables_that_change_what_a_program_loads(on_stage, variable, native):
    name, _, value = variable.partition("=")

    def inside(stage):
        stage.offer()
        return stage.run(env={"PATH": "/", name: value, "Z": "z"})

    ran = on_stage(inside)
    assert ran.native is native
    # QEMU_… is for QEMU, which keeps it.
    assert variable in ran.said("variable")


def test_a_library_that_is_preloaded_for_all(on_stage):
    """ld.so(8): /etc/ld.so.preload, which QEMU lets the image's own loader read."""

    def inside(stage):
        stage.offer()
        before = stage.run().native
        (stage.root / "etc/ld.so.preload").write_text("/lib/x.so\n")
        return before, stage.run().native

    assert on_stage(inside) == (True, False)


SCRIPTS = {"only_scripts": ["/lib/compile.py", "-mcompile", "-cprint()"]}
VERSION = {"never_with": ["--version", "-v"], "never_with_prefix": ["--help=", "-print"]}


@pytest.mark.parametrize(
    ("rule", "name", "arguments", "native"),
    [
        (SCRIPTS, "x", ["/lib/compile.py", "a", "-c"], True),
        (SCRIPTS, "x", ["-E", "-S", "-O", "/lib/compile.py"], True),
        (SCRIPTS, "x", ["-E", "-m", "compile", "x"], True),
        (SCRIPTS, "x", ["-c", "print()"], True),
        (SCRIPTS, "x", [], False),
        (SCRIPTS, "x", ["-"], False),
        (SCRIPTS, "x", ["compile"], False),
        (SCRIPTS, "x", ["lib/compile.py"], False),
        (SCRIPTS, "x", ["x", "/lib/compile.py"], False),
        (SCRIPTS, "x", ["-m"], False),
        (SCRIPTS, "x", ["-m", "other", "-m", "compile"], False),
        (SCRIPTS, "x", ["-m", "/lib/compile.py"], False),
        (SCRIPTS, "x", ["-c", "print() #"], False),
        (SCRIPTS, "x", ["-cimport os", "/lib/compile.py"], False),
        (SCRIPTS, "x", ["-e", "print()", "/lib/compile.py"], False),
        (SCRIPTS, "x", ["-Em", "/lib/compile.py"], False),
        (VERSION, "x", ["a", "--version"], False),
        (VERSION, "x", ["-v"], False),
        (VERSION, "x", ["-vv", "--versions", "-help", ""], True),
        (VERSION, "x", ["--help=common"], False),
        (VERSION, "x", ["a", "b", "-print-file-name=x"], False),
        (VERSION, "-v", [], True),
        ({"only_as": ["busybox", "sed"]}, "/bin/sed", [], True),
        ({"only_as": ["busybox", "sed"]}, "sed", [], True),
        ({"only_as": ["busybox", "sed"]}, "/sed/uname", [], False),
        ({"only_as": ["busybox", "sed"]}, "", [], False),
        ({"never_as": ["uname"]}, "/bin/uname", [], False),
        ({"never_as": ["uname"]}, "uname2", [], True),
        ({"never_as": ["uname"]}, "/uname/", [], True),
        ({"only_with": ["-c", "-S"]}, "x", ["a", "-S"], True),
        ({"only_with": ["-c", "-S"]}, "x", ["-cS"], False),
        ({"only_with": ["-c", "-S"]}, "-c", [], False),
        ({"only_with": ["-c"], "never_with": ["-v"]}, "x", ["-c", "-v"], False),
        ({"only_as": ["sed"], "name_follows": ["busybox"]}, "/bin/busybox", ["sed"], True),
        ({"only_as": ["sed"], "name_follows": ["busybox"]}, "busybox", ["/bin/sed"], True),
        ({"only_as": ["sed"], "name_follows": ["busybox"]}, "busybox", ["uname", "sed"], False),
        ({"only_as": ["sed"], "name_follows": ["busybox"]}, "busybox", [], False),
        ({"only_as": ["sed"], "name_follows": ["busybox"]}, "sed", ["uname"], True),
        ({"only_as": ["sed"], "name_follows": ["busybox"]}, "uname", ["sed"], False),
        ({"never_with_variable": ["HOME"]}, "x", [], False),
        ({"never_with_variable": ["HOM", "HOMER", "ME"]}, "x", [], True),
    ],
)
def test_names_arguments_and_variables(on_stage, rule, name, arguments, native):
    def inside(stage):
        stage.offer(**rule)
        return stage.run(*arguments, name=name, env={"HOME": "/"})

    ran = on_stage(inside)
    assert ran.native is native
    assert ran.said("argument") == [name, *arguments]


@pytest.mark.parametrize(
    ("rule", "arguments", "expected"),
    [
        ({"inserted": ["-i", "/x/"]}, ["a"], ["-i", "/x/", "a"]),
        ({"inserted": ["-i"]}, [], ["-i"]),
        ({"replaced_after": "-p", "replacement": "/n.so"}, ["-p", "/f.so"], ["-p", "/n.so"]),
        (
            {"replaced_after": "-p", "replacement": "/n.so", "inserted": ["-p"]},
            ["a", "-p", "b", "-p", "c", "-p"],
            ["-p", "a", "-p", "/n.so", "-p", "/n.so", "-p"],
        ),
        ({"replaced_after": "-p", "replacement": "/n.so"}, ["-p"], ["-p"]),
        ({"accompanied": ["-m", "-x"]}, ["a", "-m", "b", "-m"], ["a", "-m", "-x", "b", "-m", "-x"]),
        ({"accompanied": ["-m", "-x", "-n", "-y"]}, ["-x", "-n", "-mx"], ["-x", "-n", "-y", "-mx"]),
        ({"accompanied": ["-m", "-x"], "accompanied_where": "/bin"}, ["-m"], ["-m", "-x"]),
        ({"accompanied": ["-m", "-x"], "accompanied_where": "/nowhere"}, ["-m"], ["-m"]),
    ],
)
def test_arguments_are_inserted_and_replaced(on_stage, rule, arguments, expected):
    def inside(stage):
        stage.offer(**rule)
        return stage.run(*arguments)

    ran = on_stage(inside)
    assert ran.native
    assert ran.said("argument") == ["witness", *expected]


def test_every_argument_of_very_many_has_room_for_its_companion(on_stage):
    def inside(stage):
        stage.offer(accompanied=["-m", "-x"])
        return stage.run(*["-m"] * 5000)

    ran = on_stage(inside)
    assert ran.native
    assert ran.said("argument") == ["witness", *["-m", "-x"] * 5000]


@pytest.mark.parametrize(
    ("variable", "native"),
    [
        ("P=:/usr/bin/:", True),
        ("P=/usr/bin/", True),
        ("P=/usr/bin", False),
        ("P=", False),
        ("PP=/usr/bin/", False),
    ],
)
def test_a_variable_must_contain_something(on_stage, variable, native):
    name, _, value = variable.partition("=")

    def inside(stage):
        stage.offer(only_with_variable=["P=/usr/bin/"])
        return stage.run(env={name: value})

    assert on_stage(inside).native is native


def put_linkers(root):
    """The offered program is /bin/witness; /bin/ld is it, others are not."""
    for path in ("own/ld", "not/ld", "cross/ld"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(b"own")
        (root / path).chmod(0o755)
    (root / "not/ld").chmod(0o644)
    (root / "bin/ld").symlink_to("witness")
    (root / "linked").mkdir()
    (root / "linked/ld").hardlink_to(root / "bin/witness")


@pytest.mark.parametrize(
    ("names", "path", "native"),
    [
        (["ld"], "/bin", True),
        (["ld"], "/nowhere:/bin:/own", True),
        (["ld"], "/own:/bin", False),
        (["ld"], "/not:/bin", True),
        (["ld"], "/linked:/own", True),
        (["ld"], "own:/bin", False),
        (["ld"], ":/bin", True),
        (["ld"], "/bin:", True),
        (["ld"], "", True),
        (["as", "ld"], "/own", False),
        (["as"], "/own", True),
        (["ld"], "/" + "x" * 5000 + ":/bin", False),
        (["/cross/ld"], "/bin", False),
        (["/cross/as", "/bin/ld"], "/own", True),
    ],
)
def test_what_it_starts_must_be_handed_off_too(on_stage, names, path, native):
    def inside(stage):
        stage.offer(starts=names)
        put_linkers(stage.root)
        # A new link is a change of the file.
        stage.offered.clear()
        stage.offer(starts=names)
        return stage.run(env={"PATH": path})

    assert on_stage(inside).native is native


def test_what_is_started_from_the_working_directory(on_stage):
    def inside(stage):
        put_linkers(stage.root)
        (stage.root / "ld").write_bytes(b"own")
        (stage.root / "ld").chmod(0o755)
        stage.offer(starts=["ld"])
        return stage.run(env={"PATH": ":/bin"}).native, stage.run(env={"PATH": "/bin:"}).native

    assert on_stage(inside) == (False, True)


def test_variables_are_set_where_they_are_not(on_stage):
    def inside(stage):
        stage.offer(environment=["A=from the rule", "B=from the rule"])
        return stage.run(env={"AA": "1", "B": "own"})

    ran = on_stage(inside)
    assert ran.native
    assert sorted(ran.said("variable")) == ["A=from the rule", "AA=1", "B=own"]


SHELL = {"script_never_has": ["HOSTTYPE", "MACHTYPE"]}


@pytest.mark.parametrize(
    ("arguments", "native"),
    [
        (["-c", "echo"], True),
        (["-c", "echo $HOSTTYPE"], False),
        (["-c", "MACHTYPE"], False),
        (["-c", "HOSTTYP"], True),
        (["-ec", "HOSTTYPE"], False),
        (["-e", "-u", "-c", "x"], True),
        (["+e", "-c", "HOSTTYPE"], False),
        (["-c"], False),
        (["/tmp/innocent"], True),
        (["-x", "/tmp/innocent", "HOSTTYPE"], True),
        (["/tmp/telling"], False),
        (["-e", "/tmp/telling"], False),
        (["--", "/tmp/telling"], False),
        (["--", "/tmp/innocent"], True),
        (["/tmp/link to telling"], False),
        (["/tmp/missing"], False),
        (["/tmp/empty"], False),
        (["/tmp"], False),
        ([], False),
        (["-s"], False),
        (["-i", "/tmp/innocent"], False),
        (["--login", "-c", "x"], False),
        (["-o", "posix", "-c", "x"], False),
    ],
)
def test_scripts_are_read_beforehand(on_stage, arguments, native):
    def inside(stage):
        tmp = stage.root / "tmp"
        (tmp / "innocent").write_text("echo $HOST TYPE\n" * 1000)
        (tmp / "telling").write_text("echo\n" * 5000 + "HOSTTYPE")
        (tmp / "link to telling").symlink_to("telling")
        (tmp / "empty").touch()
        stage.offer(**SHELL)
        return stage.run(*arguments)

    assert on_stage(inside).native is native


def test_a_script_in_a_pipe_is_left_for_whoever_reads_it(on_stage):
    """Its writer waits for a reader, and must not take the helper for it."""

    def inside(stage):
        pipe = stage.root / "tmp/pipe"
        os.mkfifo(pipe)
        stage.offer(**SHELL)
        writer = subprocess.Popen(["sh", "-c", f"echo content > {pipe}"])
        wchan = Path(f"/proc/{writer.pid}/wchan")
        wait_until(lambda: "wait_for_partner" in wchan.read_text())
        ran = stage.run("/tmp/pipe")
        with pipe.open() as reader:
            return ran.native, reader.read(), writer.wait()

    assert on_stage(inside) == (False, "content\n", 0)
