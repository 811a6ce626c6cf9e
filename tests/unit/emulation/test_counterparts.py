"""Counterparts: which there are, why there is none, and roots that try to lead us out of them."""

import hashlib
import os
import struct
from dataclasses import replace

import pytest

from amphora.core.platform import Platform
from amphora.emulation.counterparts import NativeSide, wanted_packages
from amphora.emulation.renamed import Renaming
from amphora.emulation.verdict import Reason

NATIVE, FOREIGN = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
MACHINES = {NATIVE: 62, FOREIGN: 183}
LOADER = "/lib64/ld-linux-x86-64.so.2"
SHOWN = "/dev/.amphora/root"
VERSIONS = {"dash": "0.5.12-12", "sed": "4.9-2"}


def elf(platform, needed=(), interpreter=LOADER):
    """A program that a loader could read, with a text for each library it needs."""
    texts = b"\0" + b"".join(os.fsencode(name) + b"\0" for name in needed)
    loader = interpreter.encode() + b"\0"
    start = 64 + 3 * 56
    offsets = [texts.index(b"\0" + os.fsencode(name) + b"\0") + 1 for name in needed]
    tags = [*((1, offset) for offset in offsets), (5, start), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags)
    places = (
        (1, 0, start + len(texts + loader + dynamic)),
        (3 if interpreter else 0, start + len(texts), len(loader)),
        (2, start + len(texts + loader), len(dynamic)),
    )
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQI6H", 3, MACHINES[platform], 1, 0, 64, 0, 0, 64, 56, len(places), 0, 0, 0
    )
    segments = b"".join(
        struct.pack("<IIQQQQQQ", kind, 5, offset, offset, offset, size, size, 4096)
        for kind, offset, size in places
    )
    return header + segments + texts + loader + dynamic


def loader():
    """A loader that knows the option which sets argv[0]."""
    return elf(NATIVE, (), "") + b"--argv0\0"


class Root:
    """A root file system in the making."""

    def __init__(self, path):
        self.path = path
        self.path.mkdir()

    def put(self, path, content, mode=0o755):
        place = self.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        place.chmod(mode)
        return place

    def link(self, path, target):
        place = self.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def install(self, package, version, **files):
        """What dpkg would leave behind; `__` in a name stands for a slash."""
        files = {name.replace("__", "/"): content for name, content in files.items()}
        for name, content in files.items():
            self.put(name, content)
        status = self.path / "var/lib/dpkg/status"
        before = status.read_bytes() if status.exists() else b""
        entry = f"Package: {package}\nStatus: install ok installed\nVersion: {version}\n\n"
        self.put("var/lib/dpkg/status", before + entry.encode())
        self.put(f"var/lib/dpkg/info/{package}.list", "".join(f"/{n}\n" for n in files).encode())
        sums = (f"{hashlib.md5(content).hexdigest()}  {n}\n" for n, content in files.items())
        self.put(f"var/lib/dpkg/info/{package}.md5sums", "".join(sums).encode())


@pytest.fixture
def image(tmp_path):
    root = Root(tmp_path / "image")
    root.install("dash", VERSIONS["dash"], usr__bin__dash=elf(FOREIGN, ["libc.so.6"]))
    root.install("sed", VERSIONS["sed"], usr__bin__sed=elf(FOREIGN))
    return root


@pytest.fixture
def native(tmp_path):
    root = Root(tmp_path / "native")
    root.install("dash", VERSIONS["dash"], usr__bin__dash=elf(NATIVE, ["libc.so.6"]))
    root.install("sed", VERSIONS["sed"], usr__bin__sed=elf(NATIVE))
    root.put("usr/lib/x86_64-linux-gnu/libc.so.6", elf(NATIVE, ["ld-linux-x86-64.so.2"], ""))
    root.put("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", loader())
    root.link("lib", "usr/lib")
    root.put("usr/lib64/.keep", b"")
    root.link("lib64", "usr/lib64")
    root.link(LOADER.lstrip("/"), "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    return root


@pytest.fixture
def side(native, tmp_path):
    def make():
        (tmp_path / "copies").mkdir(exist_ok=True)
        renaming = Renaming(NATIVE, FOREIGN, tmp_path / "copies", "/dev/.amphora/copies")
        return NativeSide(native.path, SHOWN, NATIVE.architecture, renaming)

    return make


@pytest.fixture
def judge(side, image):
    """The verdicts by path: a Handoff, or the reason and its detail."""

    def call():
        verdicts = side().judge(image.path, FOREIGN.architecture)
        return {each.path: each.handoff or (each.reason, each.detail) for each in verdicts}

    return call


def test_the_counterpart_and_how_it_is_loaded(judge, image):
    dash = judge()["usr/bin/dash"]
    assert dash.counterpart == f"{SHOWN}/usr/bin/dash"
    library = f"{SHOWN}/usr/lib/x86_64-linux-gnu"
    assert dash.loader == f"{library}/ld-linux-x86-64.so.2"
    option, path, directories = dash.loader_options
    assert (option, path) == ("--inhibit-cache", "--library-path")
    assert directories.split(":") == [library, f"{SHOWN}/usr/lib64", f"{SHOWN}/usr/lib"]
    assert dash.status == (image.path / "usr/bin/dash").lstat()


def test_a_program_is_in_the_table_once_under_all_its_names(side, image):
    image.link("bin", "usr/bin")
    inodes = [each.status.st_ino for each in side().handoffs(image.path, FOREIGN.architecture)]
    assert len(inodes) == len(set(inodes)) == 2


def test_static_counterparts_need_no_loader(judge, native):
    native.put("usr/bin/sed", elf(NATIVE, (), ""))
    assert (judge()["usr/bin/sed"].loader, judge()["usr/bin/sed"].loader_options) == ("", ())


@pytest.fixture
def alpine(image, native):
    """Both roots as variants of an image with musl and no dpkg; returns the native loader."""
    for root, platform in ((image, FOREIGN), (native, NATIVE)):
        (root.path / "var/lib/dpkg/status").unlink()
        root.put(
            "usr/bin/sed", elf(platform, ["libc.musl-x86_64.so.1"], "/lib/ld-musl-x86_64.so.1")
        )
    return native.put("lib/ld-musl-x86_64.so.1", loader())


def test_musl_and_no_package_database(judge, native, alpine):
    (native.path / "usr/local/lib").mkdir(parents=True)
    sed = judge()["usr/bin/sed"]
    assert sed.loader == f"{SHOWN}/usr/lib/ld-musl-x86_64.so.1"
    option, directories = sed.loader_options
    assert option == "--library-path"
    assert directories.split(":") == [f"{SHOWN}/usr/lib", f"{SHOWN}/usr/local/lib"]


def test_musl_looks_where_its_file_says(judge, native, alpine):
    native.put("etc/ld-musl-x86_64.path", b"/usr/lib/musl\n/opt/lib:/*\n")
    native.put("opt/lib/libz.so.1", elf(NATIVE, ["libpthread.so"], ""))
    native.put("usr/lib/libelsewhere.so", elf(NATIVE, (), ""))
    program = elf(NATIVE, ["libc.so", "libz.so.1"], "/lib/ld-musl-x86_64.so.1")
    native.put("usr/bin/sed", program)
    assert judge()["usr/bin/sed"].loader_options[-1] == f"{SHOWN}/opt/lib"
    native.put("usr/bin/sed", program.replace(b"libz.so.1\0", b"libelsewh\0"))
    assert judge()["usr/bin/sed"] == (Reason.LIBRARY_MISSING, "libelsewh")


@pytest.mark.parametrize("name", ["libcrypt.so.1", "libmusl.so", "libc++.so.1", "libc"])
def test_what_is_not_in_musl_itself_must_be_there(judge, native, alpine, name):
    native.put("usr/bin/sed", elf(NATIVE, [name], "/lib/ld-musl-x86_64.so.1"))
    assert judge()["usr/bin/sed"] == (Reason.LIBRARY_MISSING, name)


def test_loaders_that_cannot_set_the_name_of_a_program(judge, native, alpine):
    """glibc before 2.33, musl before 1.1.21: they would take the option for the program."""
    alpine.write_bytes(elf(NATIVE, (), ""))
    assert judge()["usr/bin/sed"] == (Reason.OLD_LOADER, "/lib/ld-musl-x86_64.so.1")
    native.put("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", elf(NATIVE, (), ""))
    assert judge()["usr/bin/dash"] == (Reason.OLD_LOADER, LOADER)


def test_programs_that_are_not_there_or_for_another_cpu_are_not_judged(judge, image):
    image.put("usr/bin/sed", elf(NATIVE))
    image.put("usr/bin/tar", b"#!/bin/sh\n")
    assert set(judge()) == {"usr/bin/dash"}


def test_set_uid_programs(judge, image):
    for mode in (0o4755, 0o2755):
        (image.path / "usr/bin/sed").chmod(mode)
        assert judge()["usr/bin/sed"] == (Reason.SET_UID, "")


@pytest.mark.parametrize("version", ["4.9-3", "4.9-2+deb13u1", "1:4.9-2"])
def test_another_version(judge, native, version):
    status = native.path / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("4.9-2", version))
    assert judge()["usr/bin/sed"] == (Reason.OTHER_VERSION, f"sed 4.9-2, native {version}")


def test_a_package_that_the_native_side_lacks(judge, native):
    status = native.path / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("Package: sed", "Package: other"))
    assert judge()["usr/bin/sed"] == (Reason.OTHER_VERSION, "sed 4.9-2, native not installed")


def test_a_program_of_no_package(judge, image, native):
    for root, platform in ((image, FOREIGN), (native, NATIVE)):
        root.put("usr/bin/grep", elf(platform))
    assert judge()["usr/bin/grep"] == (Reason.NO_PACKAGE, "")


def test_a_program_that_a_step_put_in_the_place_of_a_packaged_one(judge, image):
    """Version and path are those of the package; the file is not."""
    image.put("usr/bin/sed", elf(FOREIGN, ["libevil.so"]))
    assert judge()["usr/bin/sed"] == (Reason.CHANGED, "")


@pytest.mark.parametrize(
    "content",
    [None, b"#!/bin/sh\n", b"\x7fELF", elf(FOREIGN)],
    ids=["missing", "script", "cut", "foreign"],
)
def test_a_counterpart_that_is_none(judge, native, content):
    (native.path / "usr/bin/sed").unlink()
    if content is not None:
        native.put("usr/bin/sed", content)
    assert judge()["usr/bin/sed"] == (Reason.NOT_NATIVE, "usr/bin/sed")


@pytest.mark.parametrize("kind", ["pipe", "directory", "device", "loop", "link out", "long link"])
def test_what_is_no_program_is_not_opened(judge, image, native, tmp_path, kind):
    """Neither in the image nor on the native side; a pipe would be waited for."""
    outside = tmp_path / "outside"
    for root, platform, name in ((image, FOREIGN, "dash"), (native, NATIVE, "sed")):
        place = root.path / f"usr/bin/{name}"
        outside.write_bytes(elf(platform))
        place.unlink()
        match kind:
            case "pipe":
                os.mkfifo(place)
            case "directory":
                place.mkdir()
            case "device":
                place.symlink_to("/dev/zero")
            case "loop":
                place.symlink_to(name)
            case "link out":
                place.symlink_to(outside)
            case "long link":
                place.symlink_to("x" * 300)
    assert judge() == {"usr/bin/sed": (Reason.NOT_NATIVE, "usr/bin/sed")}


@pytest.mark.parametrize(
    "name",
    ["libmissing.so", "/etc/passwd", "../../../libc.so.6", "x" * 300, "", ".", "a\nb", "\udcff"],
)
def test_a_library_that_would_not_be_found(judge, native, name):
    native.put("usr/bin/sed", elf(NATIVE, [name]))
    assert judge()["usr/bin/sed"] == (Reason.LIBRARY_MISSING, name)


def test_a_library_of_a_library_is_missing(judge, native):
    native.put("usr/lib/x86_64-linux-gnu/libc.so.6", elf(NATIVE, ["libdeep.so"], ""))
    native.put("usr/lib/libdeep.so", elf(NATIVE, ["libdeeper.so", "libc.so.6"], ""))
    assert judge()["usr/bin/dash"] == (Reason.LIBRARY_MISSING, "libdeeper.so")


def test_libraries_in_a_chain_longer_than_any_stack(judge, native):
    count = 2000
    for number in range(count):
        native.put(f"usr/lib/lib{number}.so", elf(NATIVE, [f"lib{number + 1}.so"], ""))
    native.put("usr/bin/sed", elf(NATIVE, ["lib0.so"]))
    assert judge()["usr/bin/sed"] == (Reason.LIBRARY_MISSING, f"lib{count}.so")


@pytest.mark.parametrize("loader", ["/lib/missing.so", "/../../etc/passwd", "x" * 2000])
def test_a_loader_that_is_not_there(judge, native, loader):
    native.put("usr/bin/sed", elf(NATIVE, (), loader))
    assert judge()["usr/bin/sed"] == (Reason.LIBRARY_MISSING, loader)


@pytest.mark.parametrize(
    "target", ["absolute", "../../../../../outside.so", "upwards and back", "loop"]
)
def test_links_that_would_lead_a_loader_elsewhere(judge, native, tmp_path, target):
    """In a container /dev/.amphora/root is no root: links lead into the image."""
    (tmp_path / "outside.so").write_bytes(elf(NATIVE, (), ""))
    native.put("usr/lib/real.so", elf(NATIVE, (), ""))
    links = {
        "absolute": "/usr/lib/real.so",
        "upwards and back": f"../../../{native.path.name}/../usr/lib/real.so",
        "loop": "libc.so.6",
    }
    library = native.path / "usr/lib/x86_64-linux-gnu/libc.so.6"
    library.unlink()
    library.symlink_to(links.get(target, target))
    assert judge()["usr/bin/dash"] == (Reason.LIBRARY_MISSING, "libc.so.6")


def test_a_relative_link_between_libraries_is_followed(judge, native):
    library = native.path / "usr/lib/x86_64-linux-gnu/libc.so.6"
    library.rename(library.with_name("libc-2.41.so"))
    library.symlink_to("../x86_64-linux-gnu/libc-2.41.so")
    assert judge()["usr/bin/dash"].counterpart


def test_directories_of_libraries_are_looked_for_in_the_root_only(judge, native, tmp_path):
    """A link for a directory, to a place outside that has everything."""
    inside = native.path / "usr/lib/x86_64-linux-gnu"
    inside.rename(tmp_path / "outside-linux-gnu")
    inside.symlink_to(tmp_path / "outside-linux-gnu")
    (native.path / LOADER.lstrip("/")).unlink()
    native.put("usr/lib64/ld-linux-x86-64.so.2", loader())
    assert judge()["usr/bin/dash"] == (Reason.LIBRARY_MISSING, "libc.so.6")


def test_a_busybox_that_prefers_its_own_applets_is_no_shell(judge, image, native):
    """Such a one starts them as /proc/self/exe, or not at all."""
    for root, platform in ((image, FOREIGN), (native, NATIVE)):
        content = elf(platform) + b"\0/bin/busybox\0"
        root.install("busybox", "1.37", usr__bin__busybox=content)
        root.put("usr/bin/busybox", content)
    assert {"cat", "sh", "xargs"} <= set(judge()["usr/bin/busybox"].rule.only_as)
    preferring = elf(NATIVE) + b"\0/proc/self/exe\0"
    native.put("usr/bin/busybox", preferring)
    names = set(judge()["usr/bin/busybox"].rule.only_as)
    assert "cat" in names
    assert names.isdisjoint({"sh", "ash", "env", "find", "tar", "xargs", "timeout"})


def test_a_busybox_of_a_terabyte_is_not_read(judge, image, native):
    for root, platform in ((image, FOREIGN), (native, NATIVE)):
        root.install("busybox", "1.37", usr__bin__busybox=elf(platform))
    os.truncate(native.path / "usr/bin/busybox", 1 << 40)
    assert "sh" not in judge()["usr/bin/busybox"].rule.only_as


COMPILER = "usr/libexec/gcc/aarch64-linux-gnu/14/cc1"


def test_compilers_are_fetched_in_the_version_of_the_image(judge, image, native):
    image.install("cpp-14-aarch64-linux-gnu", "14.2.0-19", **{COMPILER: elf(FOREIGN)})
    assert wanted_packages(image.path) == {"cpp-14-aarch64-linux-gnu": "14.2.0-19"}
    wanted = "cpp-14-aarch64-linux-gnu 14.2.0-19"
    reason = (Reason.TO_BE_FETCHED, f"{wanted}, with --handoff=full any 14.2.0")
    assert judge()[COMPILER] == reason
    cross = COMPILER.replace("gcc/", "gcc-cross/")
    native.install("cpp-14-aarch64-linux-gnu", "14.2.0-19cross1", **{cross: elf(NATIVE)})
    assert judge()[COMPILER].counterpart == f"{SHOWN}/{cross}"
    assert judge()[COMPILER].rule.inserted == ["-iprefix", "/usr/lib/gcc/aarch64-linux-gnu/14/"]


def test_compilers_of_releases_before_13_are_named_and_placed_otherwise(judge, image, native):
    """The image's package has no CPU in its name, and GCC's programs are in lib."""
    compiler = COMPILER.replace("libexec/", "lib/").replace("/14/", "/12/")
    image.install("cpp-12", "12.2.0-14", **{compiler: elf(FOREIGN)})
    assert wanted_packages(image.path) == {"cpp-12-aarch64-linux-gnu": "12.2.0-14"}
    cross = compiler.replace("gcc/", "gcc-cross/")
    native.install("cpp-12-aarch64-linux-gnu", "12.2.0-14cross1", **{cross: elf(NATIVE)})
    assert judge()[compiler].counterpart == f"{SHOWN}/{cross}"


def test_a_compiler_of_no_package_is_not_compared_with_one_that_is_installed(judge, image, native):
    image.install("cpp-14-aarch64-linux-gnu", "14.2.0-19", usr__share__doc__cpp=b"")
    image.put(COMPILER, elf(FOREIGN))
    assert wanted_packages(image.path) == {}
    assert judge()[COMPILER] == (Reason.NO_PACKAGE, "cpp-14-aarch64-linux-gnu")


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        ("14.2.0-20cross1", True),
        ("14.2.0-16", True),
        ("14.2.0-19+deb13u1", True),
        ("14.2.1-19", False),
        ("14.2-0-19", False),
        ("1:14.2.0-19", False),
        ("14.2.0", True),
    ],
)
def test_another_revision_of_a_compiler_is_accepted_if_that_was_asked_for(
    side, judge, image, native, version, accepted
):
    cross = COMPILER.replace("gcc/", "gcc-cross/")
    image.install("cpp-14-aarch64-linux-gnu", "14.2.0-19", **{COMPILER: elf(FOREIGN)})
    native.install("cpp-14-aarch64-linux-gnu", version, **{cross: elf(NATIVE)})
    both = f"cpp-14-aarch64-linux-gnu 14.2.0-19, native {version}"
    reason = Reason.OTHER_REVISION if accepted else Reason.OTHER_VERSION
    assert judge()[COMPILER] == (reason, both)
    full = replace(side(), any_revision=True)
    verdicts = {each.path: each for each in full.judge(image.path, FOREIGN.architecture)}
    if accepted:
        assert verdicts[COMPILER].handoff.other_revision == both
    else:
        assert verdicts[COMPILER].reason == Reason.OTHER_VERSION
    assert verdicts["usr/bin/sed"].handoff.other_revision == ""


def test_only_compilers_may_be_of_another_revision(side, image, native):
    native.install("sed", "4.9-3", usr__bin__sed=elf(NATIVE))
    full = replace(side(), any_revision=True)
    verdicts = {each.path: each for each in full.judge(image.path, FOREIGN.architecture)}
    assert verdicts["usr/bin/sed"].reason == Reason.OTHER_VERSION


def test_package_tools_become_copies_that_know_the_images_port(judge, image, native, tmp_path):
    for root, platform, port in ((image, FOREIGN, b"arm64"), (native, NATIVE, b"amd64")):
        content = elf(platform) + b"\0%b\0 amd64-dependent \0" % port
        root.install("dpkg", "1.22", usr__bin__dpkg=content)
    dpkg = judge()["usr/bin/dpkg"]
    assert dpkg.counterpart == "/dev/.amphora/copies/dpkg"
    copy = (tmp_path / "copies/dpkg").read_bytes()
    assert copy == elf(NATIVE) + b"\0arm64\0 amd64-dependent \0"
    native.install("dpkg", "1.22", usr__bin__dpkg=elf(NATIVE))
    (tmp_path / "copies/dpkg").unlink()
    assert judge()["usr/bin/dpkg"] == (Reason.OTHER_PORT, "")


def test_a_picture_of_memory_needs_words_of_the_same_size(side, image, native):
    """apt keeps one in its cache; sed does not."""
    static_arm = (
        b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, *[0] * 10)
    )
    for root, content in ((image, static_arm), (native, elf(NATIVE))):
        root.install("apt", "3.0.3", **{"usr/bin/apt-get": content})
        root.put("usr/bin/sed", content)
    (image.path / "var/lib/dpkg/info/sed.md5sums").unlink()
    verdicts = {each.path: each for each in side().judge(image.path, "arm")}
    assert verdicts["usr/bin/apt-get"].reason == Reason.OTHER_WORD_SIZE
    assert verdicts["usr/bin/sed"].handoff is not None


def test_a_program_of_a_terabyte_is_not_copied(judge, image, native):
    for root, platform in ((image, FOREIGN), (native, NATIVE)):
        root.install("dpkg", "1.22", usr__bin__dpkg=elf(platform) + b"\0amd64\0")
    os.truncate(native.path / "usr/bin/dpkg", 1 << 40)
    assert judge()["usr/bin/dpkg"] == (Reason.OTHER_PORT, "")
