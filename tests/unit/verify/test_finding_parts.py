"""What is not there: loaders, libraries, interpreters, entry points; in which layer, and why."""

import pytest
from elves import elf

from amphora.core.errors import DigestMismatchError, InvalidValueError, LayerError, NotFoundError
from amphora.core.platform import Platform
from amphora.oci.assembly import put_image
from amphora.oci.config import ImageConfig
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.model import Manifest
from amphora.verify.findings import read_patterns
from amphora.verify.labels import parse_baselines

LOADER = "lib64/ld-linux-x86-64.so.2"
BASE = {
    LOADER: elf(soname="ld-linux-x86-64.so.2"),
    "lib/libc.so.6": elf(soname="libc.so.6", needed=("ld-linux-x86-64.so.2",)),
    "bin/sh": elf(loader=True, needed=("libc.so.6",)),
}
MUSL = {
    "lib/ld-musl-x86_64.so.1": elf(soname="libc.musl-x86_64.so.1"),
    "lib/libc.musl-x86_64.so.1": ("symlink", "ld-musl-x86_64.so.1"),
}


def library(name, *needed, cpu="amd64", **fields):
    return elf(cpu, soname=name, needed=needed, **fields)


def needs(*names, **fields):
    return elf(loader=True, needed=names, **fields)


def musl_needs(*names, **fields):
    return elf(
        loader="/lib/ld-musl-x86_64.so.1", needed=(*names, "libc.musl-x86_64.so.1"), **fields
    )


def brief(findings):
    return [(each.level, each.kind, each.path) for each in findings]


#: Layers on top of BASE in which /app is a program with something missing, and its finding.
MISSING = {
    "no library": ([{"app": needs("libx.so")}], "error", "the image has none"),
    "no library of a library": (
        [{"app": needs("liby.so"), "lib/liby.so": library("liby.so", "libx.so")}],
        "error",
        "needs libx.so (through /lib/liby.so), and the image has none",
    ),
    "a library where no loader looks": (
        [{"app": needs("libx.so"), "opt/libx.so": library("libx.so")}],
        "warning",
        "/opt/libx.so is where no loader looks",
    ),
    "a library for another CPU": (
        [{"app": needs("libx.so"), "lib/libx.so": library("libx.so", cpu="arm64")}],
        "error",
        "/lib/libx.so is for arm64",
    ),
    "a library that a later layer removes": (
        [{"app": needs("libx.so"), "lib/libx.so": library("libx.so")}, {"lib/.wh.libx.so": ""}],
        "error",
        "the image has none",
    ),
    "a library in a directory emptied later": (
        [
            {"app": needs("libx.so", runpath="/d"), "d/libx.so": library("libx.so")},
            {"d/.wh..wh..opq": "", "d/other": "text"},
        ],
        "error",
        "the image has none",
    ),
    "a link to nothing": (
        [{"app": needs("libx.so"), "lib/libx.so": ("symlink", "libx.so.1")}],
        "error",
        "the image has none",
    ),
    "links in a circle": (
        [{"app": needs("libx.so"), "lib/libx.so": ("symlink", "libx.so")}],
        "error",
        "the image has none",
    ),
    "a text in place of a library": (
        [{"app": needs("libx.so"), "lib/libx.so": "GROUP ( libx.so.1 )"}],
        "error",
        "the image has none",
    ),
    "RPATH is not read where there is RUNPATH": (
        [
            {
                "app": needs("libx.so", rpath="/opt", runpath="/nothing"),
                "opt/libx.so": library("libx.so"),
            }
        ],
        "warning",
        "/opt/libx.so is where no loader looks",
    ),
    "RUNPATH is not handed on": (
        [
            {
                "app": needs("liby.so", runpath="/opt"),
                "opt/liby.so": library("liby.so", "libx.so"),
                "opt/libx.so": library("libx.so"),
            }
        ],
        "warning",
        "through /opt/liby.so",
    ),
    "musl does not read ld.so.conf": (
        [
            MUSL,
            {
                "app": musl_needs("libx.so"),
                "etc/ld.so.conf": "/opt",
                "opt/libx.so": library("libx.so"),
            },
        ],
        "warning",
        "/opt/libx.so is where no loader looks",
    ),
}


@pytest.mark.parametrize(("layers", "level", "words"), MISSING.values(), ids=MISSING)
def test_a_library_that_is_missing(images, layers, level, words):
    found = images.findings("linux/amd64", BASE, *layers)
    found = [each for each in found if each.kind == "library" and each.path == "/app"]
    assert [each.level for each in found] == [level]
    assert words in found[0].what


#: Layers on top of BASE in which /app finds all it needs.
FOUND = {
    "RUNPATH": [{"app": needs("libx.so", runpath="/a:/b"), "b/libx.so": library("libx.so")}],
    "$ORIGIN": [
        {"opt/bin/app": needs("libx.so", runpath="$ORIGIN/../l"), "opt/l/libx.so": library("x")}
    ],
    "${ORIGIN} of a linked program": [
        {
            "opt/bin/app": needs("libx.so", rpath="${ORIGIN}"),
            "opt/bin/libx.so": library("x"),
            "bin/app": ("symlink", "/opt/bin/app"),
        }
    ],
    "$LIB": [{"app": needs("libx.so", runpath="/opt/$LIB"), "opt/lib64/libx.so": library("x")}],
    "RPATH is handed on": [
        {
            "app": needs("liby.so", rpath="/opt"),
            "opt/liby.so": library("liby.so", "libx.so"),
            "opt/libx.so": library("libx.so"),
        }
    ],
    "ld.so.conf and what it includes": [
        {
            "app": needs("libx.so", "liby.so"),
            "etc/ld.so.conf": "include ld.so.conf.d/*.conf\n/one # comment\n",
            "etc/ld.so.conf.d/a.conf": "/two\n",
            "one/libx.so": library("libx.so"),
            "two/liby.so": library("liby.so"),
        }
    ],
    "ld.so.conf that includes itself": [
        {
            "app": needs("libx.so"),
            "etc/ld.so.conf": "include /etc/ld.so.conf\n/one\n",
            "one/libx.so": library("libx.so"),
        }
    ],
    "Debian's directories": [
        {"app": needs("libx.so"), "usr/lib/x86_64-linux-gnu/libx.so": library("libx.so")}
    ],
    "a library of another CPU in front": [
        {
            "app": needs("libx.so", runpath="/usr/aarch64-linux-gnu/lib"),
            "usr/aarch64-linux-gnu/lib/libx.so": library("libx.so", cpu="arm64"),
            "lib/libx.so": library("libx.so"),
        }
    ],
    "merged directories": [
        {"usr/lib/libx.so": library("libx.so")},
        {"app": needs("libx.so"), "opt/l": ("symlink", "../usr/lib")},
        {"opt/l/liby.so": library("liby.so"), "app2": needs("liby.so", runpath="/usr/lib")},
    ],
    "a hard link": [
        {
            "app": needs("libx.so"),
            "opt/libx": library("libx.so"),
            "lib/libx.so": ("hardlink", "opt/libx"),
        }
    ],
    "removed and put back": [
        {"app": needs("libx.so"), "lib/libx.so": library("libx.so")},
        {"lib/.wh.libx.so": ""},
        {"lib/libx.so": library("libx.so")},
    ],
    "musl": [MUSL, {"app": musl_needs("libx.so"), "usr/local/lib/libx.so": library("libx.so")}],
    "musl's own names": [MUSL, {"app": musl_needs("libm.so.6", "libpthread.so.0")}],
    "musl's path file": [
        MUSL,
        {
            "app": musl_needs("libx.so"),
            "etc/ld-musl-x86_64.path": "/a:/opt\n",
            "opt/libx.so": library("libx.so"),
        },
    ],
}


@pytest.mark.parametrize("layers", FOUND.values(), ids=FOUND)
def test_libraries_that_are_found(images, layers):
    assert images.findings("linux/amd64", BASE, *layers) == ()


def test_what_ld_library_path_of_the_image_names_is_found(images):
    layer = {"app": needs("libx.so"), "opt/libx.so": library("libx.so")}
    assert images.findings("linux/amd64", BASE, layer, env=("LD_LIBRARY_PATH=/opt",)) == ()


def test_a_module_may_need_what_others_load_but_not_what_is_nowhere(images):
    layer = {
        "m/_a.so": library("", "libjvm.so"),
        "jvm/libjvm.so": library("libjvm.so"),
        "m/_b.so": library("", "libtk.so"),
    }
    found = images.findings("linux/amd64", BASE, layer)
    assert brief(found) == [("warning", "library", "/m/_b.so")]


#: Lies about what starts a program: layers on BASE, start of the image, the findings.
ENTRIES = {
    "no such file": ([], {"cmd": ("/app",)}, [("error", "entry", "/app")]),
    "no such name in PATH": ([], {"cmd": ("app",)}, [("error", "entry", "app")]),
    "a directory": ([{"app": None}], {"cmd": ("/app",)}, [("error", "entry", "/app")]),
    "not executable": ([{"app": "#!/bin/sh\n"}], {"cmd": ("/app",)}, [("error", "entry", "/app")]),
    "a text": ([{"app": b"echo hello\n"}], {"cmd": ("/app",)}, [("error", "entry", "/app")]),
    "nothing": ([{"app": b""}], {"cmd": ("/app",)}, [("error", "entry", "/app")]),
    "a script of nobody": (
        [{"app": b"#!/bin/bash\n"}],
        {"entrypoint": ("/app",)},
        [("error", "entry", "/bin/bash"), ("warning", "interpreter", "/app")],
    ),
    "a script for env of nobody": (
        [{"app": b"#!/usr/bin/env python3\n", "usr/bin/env": needs("libc.so.6")}],
        {"cmd": ("/app",)},
        [("error", "entry", "python3"), ("warning", "interpreter", "/app")],
    ),
    "a script from Windows": (
        [{"app": b"#!/bin/sh\r\n"}],
        {"cmd": ("/app",)},
        [("error", "entry", "/app"), ("warning", "interpreter", "/app")],
    ),
    "scripts without end": (
        [{"app": b"#!/app\n"}],
        {"cmd": ("/app",)},
        [("error", "entry", "/app")],
    ),
    "another CPU": (
        [{"app": elf("arm64", kind=2)}],
        {"cmd": ("/app",)},
        [("error", "entry", "/app"), ("error", "architecture", "/app")],
    ),
    "386, which the host can run": (
        [{"app": elf("386", kind=2)}],
        {"cmd": ("/app",)},
        [("error", "entry", "/app"), ("error", "architecture", "/app")],
    ),
    "a script for another CPU's interpreter": (
        [{"app": b"#!/opt/sh\n", "opt/sh": elf("arm64", kind=2)}],
        {"cmd": ("/app",)},
        [("error", "entry", "/opt/sh"), ("error", "architecture", "/opt/sh")],
    ),
}


@pytest.mark.parametrize(("layers", "start", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_an_image_that_cannot_start(images, layers, start, expected):
    assert brief(images.findings("linux/amd64", BASE, *layers, **start)) == expected


def test_what_starts_relative_to_the_working_directory(images):
    layer = {"opt/app": b"#!/usr/bin/env -S FOO=1 sh\n", "usr/bin/env": needs("libc.so.6")}
    start = {"entrypoint": ("./app",), "working_dir": "/opt"}
    assert images.findings("linux/amd64", BASE, layer, **start) == ()


@pytest.mark.parametrize(
    ("base", "loader"),
    [
        ({}, None),
        ({LOADER: elf("arm64")}, "is for another CPU"),
        ({LOADER: "text"}, "the image has none"),
        (MUSL, "the image has none"),
    ],
)
def test_a_loader_that_is_missing(images, base, loader):
    found = images.findings("linux/amd64", base, {"app": elf(loader=True)})
    found = [each for each in found if each.path == "/app"]
    assert brief(found) == [("error", "loader", "/app")]
    assert (loader or "/lib64/ld-linux-x86-64.so.2") in found[0].what


@pytest.mark.parametrize("place", ["usr/bin/run", "app/run", "usr/local/bin/run"])
def test_a_script_whose_interpreter_is_missing(images, place):
    found = images.findings("linux/amd64", BASE, {place: b"#! /usr/bin/perl -w\n"})
    assert brief(found) == [("warning", "interpreter", f"/{place}")]
    quiet = {"usr/share/doc/x/run": b"#!/usr/bin/perl\n", "app/run": "#!/usr/bin/perl\n"}
    assert images.findings("linux/amd64", BASE, quiet) == ()


def test_labels_that_contradict_each_other(images):
    manifest = images.variant("linux/amd64", {"app": elf(kind=2)}, called="linux/arm64")
    found = images.verify(manifest)[0].findings
    assert brief(found) == [("error", "label", ""), ("error", "architecture", "/app")]
    assert found[0].what == "the index calls the variant linux/arm64, its config says linux/amd64"


@pytest.mark.parametrize(
    ("said", "called", "lies"),
    [
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/amd64", "linux/amd64/v2", False),
        ("linux/amd64/v3", "linux/amd64", True),
        ("linux/arm64", "linux/arm64", False),
    ],
)
def test_a_config_may_leave_the_variant_out_but_not_name_another(images, said, called, lies):
    [report] = images.verify(images.variant(said, {"etc/motd": "hello"}, called=called))
    assert brief(report.findings) == ([("error", "label", "")] if lies else [])


def test_a_file_that_a_later_layer_replaces_or_removes_is_not_in_the_image(images):
    below = {"a": elf("arm64"), "b": elf("arm64"), "d/c": elf("arm64")}
    above = {"a": elf(), ".wh.b": "", ".wh.d": ""}
    assert images.findings("linux/amd64", below, above) == ()
    both = images.findings("linux/amd64", above, below)
    assert [(each.path, each.layer) for each in both] == [("/a", 2), ("/b", 2), ("/d/c", 2)]


def test_the_history_is_left_out_where_it_does_not_fit(images):
    found = images.findings("linux/amd64", {"a": elf("arm64")}, history=False)
    assert [(each.layer, each.made_by) for each in found] == [(1, "")]


ALLOWED = {
    "exactly": ["/opt/x/tool"],
    "without a slash": ["opt/x/tool"],
    "all below": ["/opt/*"],
    "by name": ["*/tool"],
}


@pytest.mark.parametrize("patterns", ALLOWED.values(), ids=ALLOWED)
@pytest.mark.parametrize("how", ["request", "label"])
def test_files_that_are_foreign_on_purpose(images, patterns, how):
    layer = {"opt/x/tool": elf("arm64")}
    labels = {"dev.amphora.verify.allow": " ".join(patterns)} if how == "label" else {}
    manifest = images.variant("linux/amd64", layer, labels=labels)
    [report] = images.verify(manifest, allow=patterns if how == "request" else ())
    assert (report.findings, report.allowed) == ((), 1)


def test_an_entry_point_is_not_foreign_on_purpose(images):
    found = images.findings(
        "linux/amd64", {"app": elf("arm64")}, cmd=("/app",), request={"allow": ["*"]}
    )
    assert brief(found) == [("error", "entry", "/app")]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("go/src/debug/elf/testdata/gcc-arm64", True),
        ("app/node_modules/x/prebuilds/linux-arm64/x.node", True),
        ("usr/aarch64-linux-gnu/lib/libc.so.6", True),
        ("usr/lib/gcc-cross/aarch64-linux-gnu/14/crt.o", True),
        ("usr/lib/aarch64-linux-gnu/libz.so.1", False),
        ("usr/x86_64-linux-gnu/lib/libc.so.6", False),
        ("opt/tool-linux-arm64/bin/tool", False),
    ],
)
def test_places_where_foreign_files_are_known_to_be(images, path, allowed):
    found = images.findings("linux/amd64", {path: elf("arm64")})
    assert brief(found) == ([] if allowed else [("error", "architecture", f"/{path}")])


def test_patterns_in_a_file():
    assert read_patterns("# why\n/opt/*  # that\n\n  /srv/x\n") == ("/opt/*", "/srv/x")


@pytest.mark.parametrize("text", ["", "v3", "x86-64", "armv", "sparc9", "x86-64-v3.5.1"])
def test_a_baseline_that_does_not_parse(text):
    with pytest.raises(InvalidValueError, match="is not a baseline"):
        parse_baselines([text])


def test_variants_are_reported_in_order_and_shared_layers_read_once(images):
    shared = {"opt/tool": elf("amd64", kind=2)}
    manifests = [images.variant(platform, shared) for platform in ("linux/arm64", "linux/amd64")]
    reports = images.verify(*manifests)
    assert [(str(each.platform), each.errors) for each in reports] == [
        ("linux/arm64", 1),
        ("linux/amd64", 0),
    ]
    [only] = images.verify(*manifests, platforms=[Platform.parse("linux/amd64")])
    assert (only.platform, only.programs) == (Platform.parse("linux/amd64"), 1)
    with pytest.raises(NotFoundError):
        images.verify(*manifests, platforms=[Platform.parse("linux/s390x")])


def test_an_image_without_variants(images):
    with pytest.raises(NotFoundError, match="nothing to verify"):
        images.verify()


def test_a_layer_that_is_not_a_tar_or_not_the_one(images):
    good = images.variant("linux/amd64", {"a": elf()})
    with LayerWriter(images.store.blobs) as writer:
        writer.write(b"this is no tar" * 100)
        bad = writer.commit()
    with pytest.raises(LayerError):
        images.verify(_with_layer(images, good, bad.descriptor, bad.diff_id))
    with pytest.raises(DigestMismatchError):
        images.verify(_with_layer(images, good, None, bad.diff_id))


def _with_layer(images, descriptor, layer, diff_id):
    """The same variant, with another layer (or only another diff ID)."""
    manifest = Manifest.decode(images.store.blobs.read(descriptor.digest))
    platform = descriptor.platform
    return put_image(
        images.store.blobs,
        ImageConfig(platform, diff_ids=(diff_id,)),
        [layer or manifest.layers[0]],
    )


def test_a_program_too_large_for_memory_is_read_from_a_file(images):
    large = elf("arm64", needed=("libx.so",)) + bytes(33 << 20)
    [found] = images.findings("linux/amd64", {"opt/large": large})
    assert (found.kind, found.path) == ("architecture", "/opt/large")


def test_names_that_lead_out_of_the_image_lead_nowhere(images):
    layer = {"../../etc/x": elf("arm64"), "l": ("symlink", "../../../"), "l/y": elf("arm64")}
    assert [each.path for each in images.findings("linux/amd64", layer)] == ["/etc/x", "/y"]
