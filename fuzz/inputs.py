"""Input that gets past the first check: Dockerfiles, tars and JSON documents out of decisions."""

import io
import json
import struct
from typing import Any

from supply import Supply

_KEYWORDS = (
    *("FROM", "ARG", "RUN", "COPY", "ADD", "ENV", "LABEL", "CMD", "ENTRYPOINT", "WORKDIR", "USER"),
    *("EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "SHELL", "ONBUILD", "MAINTAINER"),
    *("ONBUILD COPY", "ONBUILD RUN", "HEALTHCHECK CMD", "# escape=`", "# check=", "#", "run"),
)
_FLAGS = (
    *("--from=", "--chown=", "--chmod=", "--link", "--parents", "--exclude=", "--checksum="),
    *("--platform=", "--mount=type=bind,", "--mount=type=cache,", "--mount=type=secret,"),
    *("--network=", "--security=", "--interval=", "--retries=", "--unpack", "--", "--x"),
)
#: Of which words of a Dockerfile are made, and what its variables hold.
TOKENS = (
    *(" ", " ", "a", "b", "$a", "${a}", "$", "${", "}", ":-", ":+", ":?", "-", "+", "?", "#", "##"),
    *("%", "%%", "/", "//", "*", '"', "'", "\\", "`", "=", "[", "]", '["', '"]', '", "', "{", ","),
    *("\t", "\\\n", "\n", "\r\n", "<<EOF", "<<-EOF", '<<"EOF"', "\nEOF\n", "\n\tEOF\n", "EOF"),
    *("target=", "source=", "id=", "mode=", "uid=", "scratch", "busybox", " AS ", "stage", "0"),
    *(
        "1",
        "80",
        "80-90",
        "/tcp",
        "1s",
        "5m",
        "755",
        "u=rwX",
        "SIGINT",
        "true",
        "false",
        "https://",
    ),
    *("\ufeff", "é", "\0", "\u2028", "\x85", "²", "\u0661", "!", "**", "..", ".", "|", "&&", ";"),
)
_NAMES = (
    b"file",
    b"dir/",
    b"dir/file",
    b"../up",
    b"/root",
    b".wh.file",
    b".wh..wh..opq",
    b"x" * 100,
    b"",
)
_FLAGS_OF_TAR = (
    b"0",
    b"0",
    b"5",
    b"2",
    b"1",
    b"x",
    b"x",
    b"L",
    b"K",
    b"g",
    b"3",
    b"6",
    b"\0",
    b"7",
)
_KEYS_OF_PAX = (
    *(b"path", b"linkpath", b"size", b"mtime", b"uid", b"gid", b"SCHILY.xattr.user.a", b"comment"),
    *(b"GNU.sparse.map", b"GNU.sparse.major", b"atime"),
)
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")

_DIGEST = "sha256:" + "0" * 64
_FIELDS = (
    *("schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size", "platform"),
    *("architecture", "os", "variant", "annotations", "subject", "artifactType", "rootfs"),
    *("diff_ids", "history", "created", "Env", "Cmd", "Labels", "Healthcheck", "type", "author"),
)
_VALUES = (
    *(None, True, 0, -1, 2**63, 1.5, "", "a", _DIGEST, "sha512:00", "amd64", "linux", "layers"),
    *("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"),
    *("application/vnd.oci.image.config.v1+json", "application/vnd.docker.image.rootfs.diff.tar"),
)


def dockerfile(supply: Supply) -> str:
    """Instructions with flags and words that nearly make sense."""
    lines = []
    while supply.left and len(lines) < 60:
        flags = "".join(
            f"{supply.choice(_FLAGS)}{supply.words(TOKENS, 3)} " for _ in range(supply.number(3))
        )
        lines.append(f"{supply.choice(_KEYWORDS)} {flags}{supply.words(TOKENS, 8)}\n")
    return "".join(lines)


def tar(supply: Supply) -> bytes:
    """Headers whose checksums are right, with fields of which some are not."""
    made = io.BytesIO()
    while supply.left and made.tell() < 1 << 16:
        kind = supply.choice(_FLAGS_OF_TAR)
        content = _pax(supply) if kind in {b"x", b"g"} else supply.piece()
        made.write(_header(supply, kind, len(content)))
        made.write(content)
        made.write(bytes(-len(content) % 512) if not supply.seldom() else b"")
    return made.getvalue() + (b"" if supply.seldom() else bytes(1024))


def _header(supply: Supply, kind: bytes, size: int) -> bytes:
    fields = [
        supply.choice(_NAMES),
        *(_number(supply, 0o644, 8) for _ in range(3)),
        _number(supply, size, 12),
        _number(supply, 1_700_000_000, 12),
        b" " * 8,
        supply.piece()[:1] if supply.seldom() else kind,
        supply.choice(_NAMES),
        supply.choice((b"ustar\0", b"ustar ", b"", b"tar")),
        supply.choice((b"00", b" \0")),
        *(b"root", b"root", b"", b""),
        supply.choice((b"", b"prefix", b"p" * 155)),
    ]
    block = _HEADER.pack(*fields)
    fields[6] = b"%06o\0 " % (sum(block) + supply.seldom())
    return _HEADER.pack(*fields)


def _number(supply: Supply, usual: int, width: int) -> bytes:
    """Octal as it should be, or base 256, or something else."""
    if not supply.seldom():
        return b"%0*o\0" % (width - 1, usual)
    if supply.seldom():
        return supply.take(width)
    return supply.choice((b"\x80", b"\xff", b"\xc0")) + supply.take(width - 1)


def _pax(supply: Supply) -> bytes:
    records = []
    for _ in range(supply.number(4)):
        key = supply.choice(_KEYS_OF_PAX)
        value = supply.choice((b"12", b"1.5", b"-3", b"a/b", b"")) + supply.piece()
        body = b" " + key + b"=" + value + b"\n"
        length = len(body) + 1
        length += len(str(length + len(str(length)) - 1)) - 1
        records.append(b"%d" % (length + supply.seldom()) + body)
    return b"".join(records)


def document(supply: Supply) -> bytes:
    """JSON with the fields of manifests, indexes and configs."""
    text = json.dumps(_value(supply, 0)).encode()
    return supply.piece() + text if supply.seldom() else text


def _value(supply: Supply, depth: int) -> Any:
    shape = supply.number(4) if depth < 6 else 0
    if shape == 0 and depth:
        return supply.choice(_VALUES)
    if shape == 1 and depth:
        return [_value(supply, depth + 1) for _ in range(supply.number(4))]
    names = [supply.choice(_FIELDS) for _ in range(supply.number(7))]
    fields = {name: _value(supply, depth + 1) for name in names}
    return {**_skeleton(supply), **fields}


def _skeleton(supply: Supply) -> dict[str, Any]:
    """What a document of one kind must have, so that the rest of it is looked at."""
    descriptor = {"mediaType": _VALUES[-1], "digest": _DIGEST, "size": 1}
    return supply.choice(
        (
            {},
            descriptor,
            {"schemaVersion": 2, "config": descriptor, "layers": [descriptor]},
            {"schemaVersion": 2, "manifests": [descriptor]},
            {"os": "linux", "architecture": "arm64", "rootfs": {"type": "layers", "diff_ids": []}},
        )
    )


def program(supply: Supply) -> bytes:
    """An ELF file: a right header, segments with offsets that nearly always lie inside."""
    wide, order = supply.choice((True, False)), supply.choice(("<", ">"))
    machine = supply.choice((62, 183, 40, 3, 243, 0))
    count = supply.number(5)
    start = 64 if wide else 52
    entry = 56 if wide else 32
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1, 0]) + bytes(8)
    layout = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    fields = (3, machine, 1, 0, start, supply.number(512), 0, start, entry, count, 40, 2, 0)
    made = identity + struct.pack(order + layout, *fields)
    for _ in range(count):
        kind = supply.choice((1, 2, 3, 4, 0x6474E553))
        place, size = supply.number(700), supply.number(300)
        parts = (kind, 6, place, place, place, size, size, 8)
        if not wide:
            parts = (kind, place, place, place, size, size, 6, 8)
        made += struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), *parts)
    return made + supply.rest()
