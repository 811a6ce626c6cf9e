"""`--annotation`, and `annotation…` of `--output`, as buildx spells them.

https://docs.docker.com/build/metadata/annotations/
"""

import re
from typing import TYPE_CHECKING

from amphora.cli.options import wrong_value
from amphora.core.platform import Platform

if TYPE_CHECKING:
    from amphora.build.export.options import Annotation

_OPTION = re.compile(
    r"annotation(?:-(?P<place>index|manifest|manifest-descriptor|index-descriptor))?"
    r"(?:\[(?P<platform>[^\]]+)\])?\.(?P<key>.+)"
)
_PLACE = re.compile(r"(?P<place>[a-z-]+)(?:\[(?P<platform>[^\]]+)\])?")


def read_annotation(text: str) -> "list[Annotation]":
    """`[PLACE[PLATFORM],…:]KEY=VALUE`; raises InvalidValueError."""
    from amphora.build.export.options import PLACES, Annotation

    example = "--annotation index,manifest:org.opencontainers.image.title=hello"
    name, equals, value = text.partition("=")
    places, colon, key = name.rpartition(":")
    if not equals or not key:
        raise wrong_value("--annotation", text, "it is written as [PLACE:]KEY=VALUE", example)
    found = []
    for place in places.split(",") if colon else ("manifest",):
        match = _PLACE.fullmatch(place)
        if match is None or match["place"] not in PLACES:
            raise wrong_value("--annotation", text, f"the places are {', '.join(PLACES)}", example)
        platform = Platform.parse(match["platform"]) if match["platform"] else None
        found.append(Annotation(key, value, match["place"], platform))
    return found


def is_annotation(name: str) -> bool:
    """Is an option of --output an annotation?"""
    return _OPTION.fullmatch(name) is not None


def read_option(name: str, value: str, text: str) -> "Annotation":
    """`annotation[-PLACE][[PLATFORM]].KEY` of the --output `text`; raises InvalidValueError."""
    from amphora.build.export.options import Annotation

    match = _OPTION.fullmatch(name)
    if match is None:
        raise wrong_value(
            "--output", text, f"{name[:40]!r} is no annotation", "annotation.KEY=VALUE"
        )
    platform = Platform.parse(match["platform"]) if match["platform"] else None
    return Annotation(match["key"], value, match["place"] or "manifest", platform)
