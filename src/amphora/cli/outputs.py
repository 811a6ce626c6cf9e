"""`--output`, `--push`, `--load` and `--annotation` of `amphora build`, as buildx spells them.

https://docs.docker.com/reference/cli/docker/buildx/build/#output
"""

import csv
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.cli.annotations import is_annotation, read_annotation, read_option
from amphora.cli.options import wrong_value
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference

if TYPE_CHECKING:
    from amphora.build.export.options import Annotation, ImageOptions, LayerForm

#: What `dest` means standard output by.
STDOUT = "-"

_FORM = ("compression", "compression-level", "force-compression", "oci-mediatypes")
_NAMED = ("name", "rewrite-timestamp", *_FORM)
#: What has an index and may have attestations in it.
_INDEXED = (*_NAMED, "attestation-inline")
#: What is done with an image in the store, or on its way to a registry.
_STORED = ("push", "push-by-digest", "name-canonical", "dangling-name-prefix", "store", "unpack")
_IMAGE = (*_STORED, "registry.insecure", *_INDEXED)
#: Types and their options, beside annotations.
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "local": ("dest", "platform-split", "attestation-prefix"),
    "tar": ("dest", "platform-split", "attestation-prefix"),
    "oci": ("dest", "tar", *_INDEXED),
    "docker": ("dest", "tar", *_NAMED),
    "image": _IMAGE,
    "registry": _IMAGE,
    "cacheonly": (),
}
#: What BuildKit takes, or took once, and why nothing does so here.
_REFUSED = {
    "buildinfo": "BuildKit has none any more; --provenance tells what the image was made of",
    "buildinfo-attrs": "BuildKit has none any more; --provenance tells what the build was given",
    "prefer-nondist-layers": "no layer is left out when an image is sent",
    "oci-artifact": "attestations are artifacts anyhow, unless attestation-inline=true",
    "context": "it is loaded into the docker that DOCKER_CONTEXT or DOCKER_HOST names",
}
_WITH_ANNOTATIONS = frozenset({"oci", "docker", "image", "registry"})

#: Levels that people know, and the last one whose bytes are the same on every CPU.
_LEVELS = {
    "gzip": (range(10), 2),
    "estargz": (range(10), 2),
    "zstd": (range(23), 19),
    "uncompressed": (range(1), 0),
}


class Output(Struct, frozen=True):
    """One `--output`, checked.

    `kind` is local, tar, oci, docker, image or cacheonly; `destination` a path, "-", or empty
    for a docker image to load. `names` are those given here, without those of --tag; an image
    without any is called `dangling`@DIGEST, if that is given. One that is not `stored` has no
    name in the store.
    """

    kind: str
    image: "ImageOptions"
    destination: str = ""
    names: Sequence[Reference] = field(default_factory=tuple)
    push: bool = False
    by_digest: bool = False
    canonical: bool = False
    dangling: Reference | None = None
    stored: bool = True
    unpacked: bool = False
    insecure: bool = False
    tar: bool = True
    split: bool | None = None
    attestation_prefix: str = ""
    rewrite_timestamp: bool = False

    @property
    def is_file(self) -> bool:
        """Is `destination` the name of one file?"""
        return self.kind != "local" and self.tar and self.destination not in {"", STDOUT}


def read_outputs(
    texts: Sequence[str], *, push: bool, load: bool, annotations: Sequence[str]
) -> list[Output]:
    """All that a build is to be put into; raises InvalidValueError.

    --push and --load are short for an output, or add to one that is asked for.
    """
    from amphora.build.export.options import ImageOptions

    everywhere = tuple(item for text in annotations for item in read_annotation(text))
    outputs = [_read(text) for text in texts]
    if push and any(output.kind == "image" for output in outputs):
        outputs = [replace(item, push=item.push or item.kind == "image") for item in outputs]
    elif push:
        outputs.append(Output("image", ImageOptions(), push=True))
    if load and not any(item.kind == "docker" and not item.destination for item in outputs):
        outputs.append(Output("docker", ImageOptions()))
    if not any(output.kind == "image" for output in outputs) and everywhere:
        outputs.append(Output("image", ImageOptions()))
    _check_stdout(outputs)
    return [_annotated(output, everywhere) for output in outputs]


def _read(text: str) -> Output:
    fields = _fields(text)
    if len(fields) == 1 and "=" not in fields[0]:
        kind = "tar" if text == STDOUT else "local"
        return _output(kind, {"dest": fields[0]}, text)
    given: dict[str, str] = {}
    for part in fields:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals:
            raise wrong_value(
                "--output", text, f"{name[:40]!r} has no value", "-o type=oci,dest=a.tar"
            )
        given[name if name.startswith("annotation") else name.lower()] = value
    kind = given.pop("type", "")
    if kind not in _OPTIONS:
        why = f"the types are {', '.join(_OPTIONS)}" if kind else "it has no type"
        raise wrong_value("--output", text, why, "-o type=oci,dest=image.tar")
    return _output(kind, given, text)


def _fields(text: str) -> list[str]:
    """As in a line of CSV, so that a value may hold commas between quotes."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise wrong_value("--output", text, str(error), "-o type=oci,dest=image.tar") from error
    if not rows or not any(rows[0]):
        raise wrong_value("--output", text, "it is empty", "-o type=oci,dest=image.tar")
    return rows[0]


def _output(kind: str, given: dict[str, str], text: str) -> Output:
    annotations = [
        (name, given.pop(name))
        for name in list(given)
        if kind in _WITH_ANNOTATIONS and is_annotation(name)
    ]
    for name in given:
        if name not in _OPTIONS[kind]:
            raise _unknown(kind, name, text)
    destination = given.get("dest", "")
    is_directory = kind == "local" or not _tar(given, text)
    if is_directory and not destination:
        raise wrong_value("--output", text, f"type={kind} needs dest", f"-o type={kind},dest=out")
    if is_directory and destination == STDOUT:
        raise wrong_value("--output", text, "a directory is no stream", f"-o type={kind},dest=out")
    if kind in {"tar", "oci"}:
        destination = destination or STDOUT
    return Output(
        kind="image" if kind == "registry" else kind,
        image=_image_options(given, annotations, text),
        destination=destination,
        names=tuple(Reference.parse(name) for name in given.get("name", "").split(",") if name),
        push=_switch(given, "push", text, default=kind == "registry"),
        by_digest=_switch(given, "push-by-digest", text),
        canonical=_switch(given, "name-canonical", text),
        dangling=Reference.parse(prefix) if (prefix := given.get("dangling-name-prefix")) else None,
        stored=_switch(given, "store", text, default=True),
        unpacked=_switch(given, "unpack", text),
        insecure=_switch(given, "registry.insecure", text),
        tar=_tar(given, text),
        split=_switch(given, "platform-split", text) if "platform-split" in given else None,
        rewrite_timestamp=_switch(given, "rewrite-timestamp", text),
        attestation_prefix=_prefix(given, text),
    )


def _unknown(kind: str, name: str, text: str) -> InvalidValueError:
    if name in _REFUSED:
        why = f"there is no {name}: {_REFUSED[name]}"
        return wrong_value("--output", text, why, f"-o type={kind}, without it")
    close = get_close_matches(name, _OPTIONS[kind], n=1)
    known = ", ".join(_OPTIONS[kind]) or "none"
    why = f"type={kind} has no option {name[:40]!r}; its options are {known}"
    return wrong_value("--output", text, why, f"{close[0]}=…" if close else "leave it out")


def _image_options(
    given: Mapping[str, str], annotations: Sequence[tuple[str, str]], text: str
) -> "ImageOptions":
    from amphora.build.export.options import ImageOptions

    name = given.get("compression", "")
    return ImageOptions(
        compression=_compression(name, text) if name else None,
        level=_level(given["compression-level"], name or "gzip", text)
        if "compression-level" in given
        else None,
        force_compression=_switch(given, "force-compression", text),
        docker_types=not _switch(given, "oci-mediatypes", text, default=True),
        inline=_switch(given, "attestation-inline", text),
        annotations=tuple(read_option(*item, text) for item in annotations),
    )


def _compression(name: str, text: str) -> "LayerForm":
    known: dict[str, LayerForm] = {
        "gzip": "gzip",
        "zstd": "zstd",
        "estargz": "estargz",
        "uncompressed": "none",
    }
    if name not in known:
        why = f"compression={name[:40]} is not among {', '.join(known)}"
        raise wrong_value("--output", text, why, "compression=zstd")
    return known[name]


def _level(value: str, compression: str, text: str) -> int:
    """A level as people know it; above our highest it is that one."""
    levels, highest = _LEVELS[compression]
    if not value.isdecimal() or int(value) not in levels:
        why = f"levels of {compression} are {levels[0]} to {levels[-1]}"
        raise wrong_value("--output", text, why, f"compression-level={highest}")
    lowest = 1 if compression == "zstd" else 0
    return max(lowest, min(int(value), highest))


def _tar(given: Mapping[str, str], text: str) -> bool:
    return _switch(given, "tar", text, default=True)


def _prefix(given: Mapping[str, str], text: str) -> str:
    prefix = given.get("attestation-prefix", "")
    if "/" in prefix:
        why = "attestation-prefix is the beginning of a name, and has no directories"
        raise wrong_value("--output", text, why, "attestation-prefix=amd64-")
    return prefix


def _switch(given: Mapping[str, str], name: str, text: str, *, default: bool = False) -> bool:
    value = given.get(name, str(default)).lower()
    if value not in {"true", "false", "1", "0"}:
        raise wrong_value("--output", text, f"{name} is true or false", f"{name}=true")
    return value in {"true", "1"}


def _annotated(output: Output, everywhere: "tuple[Annotation, ...]") -> Output:
    if output.kind not in _WITH_ANNOTATIONS or not everywhere:
        return output
    annotations = (*everywhere, *output.image.annotations)
    return replace(output, image=replace(output.image, annotations=annotations))


def _check_stdout(outputs: Sequence[Output]) -> None:
    if sum(output.destination == STDOUT for output in outputs) > 1:
        raise InvalidValueError(
            "two outputs cannot both be written to standard output",
            why="nobody could tell them apart",
            next_command="give dest=FILE to one of them",
        )
