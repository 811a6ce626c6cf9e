"""Where a loader finds the libraries that a program needs, by the rules of glibc and of musl.

https://man7.org/linux/man-pages/man8/ld.so.8.html and, for musl,
https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from amphora.system.binary import Binary
from amphora.system.elf import ElfHeader
from amphora.verify.tree import Tree

#: Debian's names of the directories that belong to one architecture.
TRIPLETS: Mapping[str, tuple[str, ...]] = {
    "386": ("i386-linux-gnu", "i686-linux-gnu"),
    "amd64": ("x86_64-linux-gnu",),
    "arm": ("arm-linux-gnueabihf", "arm-linux-gnueabi"),
    "arm64": ("aarch64-linux-gnu",),
    "loong64": ("loongarch64-linux-gnu",),
    "mips": ("mips-linux-gnu",),
    "mips64": ("mips64-linux-gnuabi64",),
    "mips64le": ("mips64el-linux-gnuabi64",),
    "mipsle": ("mipsel-linux-gnu",),
    "ppc64": ("powerpc64-linux-gnu",),
    "ppc64le": ("powerpc64le-linux-gnu",),
    "riscv64": ("riscv64-linux-gnu",),
    "s390x": ("s390x-linux-gnu",),
}
_GLIBC = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/lib/lp64d", "/lib64/lp64d", "/lib32")
_MUSL = ("/lib", "/usr/local/lib", "/usr/lib")
#: What musl's loader is itself (`reserved` in its source): `libm.so.6` and the like.
_MUSL_OWN = ("libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.")
#: Files that include files that include files: nobody's configuration is deeper.
_MOST_FILES = 64
#: Libraries that one program loads; a hostile image may make it many.
_MOST_LIBRARIES = 2000


class Missing(Struct, frozen=True):
    """A library that is not found: `needed_by` is a path, `elsewhere` where one like it is.

    `wrong` tells that files of that name were passed over: they are for another CPU.
    """

    name: str
    needed_by: str
    elsewhere: str = ""
    wrong: str = ""


#: A library's name, who asks, the directories it names itself, and its loader.
_Question: TypeAlias = tuple[str, ElfHeader, tuple[str, ...], str]


class Libraries:
    """The libraries of one tree, as programs started with an environment find them."""

    def __init__(self, tree: Tree, environment: Mapping[str, str]) -> None:
        self._tree = tree
        self._environment = [
            each for each in environment.get("LD_LIBRARY_PATH", "").split(":") if each
        ]
        self._configured = list(_configured(tree, "/etc/ld.so.conf"))
        self._musl = _musl_directories(tree)
        self._found: dict[_Question, tuple[str, Binary] | Missing] = {}
        #: Every library by its name, for those that a program loads by itself.
        self._by_name: dict[tuple[str, str | None], str] = {}
        for place in tree.files():
            binary = place.node.item.binary if place.node.item else None
            if binary is not None:
                name = place.path.rpartition("/")[2]
                self._by_name.setdefault((name, binary.architecture), place.path)
                self._by_name.setdefault((binary.soname, binary.architecture), place.path)

    def is_anywhere(self, name: str, architecture: str | None) -> bool:
        """Is there a library of this name, wherever the loader looks?"""
        return (name, architecture) in self._by_name

    def missing(self, path: str, program: Binary) -> Iterator[Missing]:
        """What a program needs, itself or through libraries, that its loader will not find."""
        loader = program.interpreter.rpartition("/")[2]
        seen = {loader}
        pending = [(path, program, program.rpath)]
        while pending and len(seen) < _MOST_LIBRARIES:
            user, binary, inherited = pending.pop()
            for name in binary.needed:
                if name in seen or _is_musl_own(name, loader):
                    continue
                seen.add(name)
                found = self._find(name, user, binary, inherited, loader)
                if isinstance(found, Missing):
                    yield found
                else:
                    pending.append((*found, (*inherited, *found[1].rpath)))

    def _find(
        self, name: str, user: str, binary: Binary, inherited: Sequence[str], loader: str
    ) -> tuple[str, Binary] | Missing:
        own = tuple(_expanded(each, user, binary) for each in binary.runpath or inherited)
        key = (name, binary.header, own, loader)
        if key not in self._found:
            self._found[key] = self._look(name, binary, own, loader)
        found = self._found[key]
        return replace(found, needed_by=user) if isinstance(found, Missing) else found

    def _look(
        self, name: str, binary: Binary, own: Sequence[str], loader: str
    ) -> tuple[str, Binary] | Missing:
        wrong = ""
        for path in self._candidates(name, binary, own, loader):
            place = self._tree.find(path)
            item = place.node.item if place else None
            if place is None or item is None or item.binary is None:
                continue
            if item.binary.header == binary.header:
                return place.path, item.binary
            wrong = wrong or f"{path} is for {item.binary.architecture or 'another CPU'}"
        elsewhere = self._by_name.get((name, binary.architecture), "")
        return Missing(name, "", elsewhere, wrong)

    def _candidates(
        self, name: str, binary: Binary, own: Sequence[str], loader: str
    ) -> Iterator[str]:
        if "/" in name:
            yield name
            return
        yield from (f"{each}/{name}" for each in (*own, *self._environment))
        if loader.startswith("ld-musl-"):
            yield from (f"{each}/{name}" for each in self._musl)
            return
        triplets = TRIPLETS.get(binary.architecture or "", ())
        multiarch = [f"{parent}/{each}" for parent in ("/lib", "/usr/lib") for each in triplets]
        for directory in (*self._configured, *multiarch, *_GLIBC):
            yield f"{directory}/{name}"


def _expanded(directory: str, user: str, binary: Binary) -> str:
    """$ORIGIN and $LIB, with or without braces; $PLATFORM is not known before it runs."""
    origin = user.rpartition("/")[0]
    library = "lib64" if binary.header.bits == 64 else "lib"
    for name, value in (("ORIGIN", origin), ("LIB", library)):
        directory = directory.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return directory


def _is_musl_own(name: str, loader: str) -> bool:
    if name.startswith("libc.musl-"):
        return loader.startswith("ld-musl-")
    return loader.startswith("ld-musl-") and name.startswith(_MUSL_OWN)


def _musl_directories(tree: Tree) -> tuple[str, ...]:
    for path in tree.glob("/etc/ld-musl-*.path"):
        place = tree.find(path)
        if place and place.node.item and place.node.item.text is not None:
            return tuple(filter(None, place.node.item.text.replace(":", "\n").split("\n")))
    return _MUSL


def _configured(tree: Tree, path: str) -> Iterator[str]:
    """The directories of ld.so.conf(5) and of the files it includes."""
    pending, seen = [path], set[str]()
    while pending and len(seen) < _MOST_FILES:
        current = pending.pop()
        place = tree.find(current)
        item = place.node.item if place else None
        if current in seen or item is None or item.text is None:
            continue
        seen.add(current)
        for line in item.text.splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                for pattern in words[1:]:
                    full = pattern if pattern.startswith("/") else f"/etc/{pattern}"
                    pending += tree.glob(full)
            else:
                yield from (word for word in words if word.startswith("/"))
