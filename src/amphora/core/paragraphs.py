"""Paragraphs of `Name: value` lines, as Debian keeps what it knows about packages.

https://manpages.debian.org/trixie/dpkg-dev/deb822.5.en.html
"""

import re
from collections.abc import Collection, Iterator
from io import BytesIO


def paragraphs(content: bytes, fields: Collection[str]) -> Iterator[dict[str, str]]:
    """The fields of interest of each paragraph; of one with several lines the first line.

    Paragraphs end with an empty line. What is no UTF-8 is replaced.
    """
    wanted = re.compile(rb"(%b): (.*)\n?$" % "|".join(map(re.escape, fields)).encode())
    found: dict[str, str] = {}
    for line in BytesIO(content):
        match = wanted.match(line)
        if match:
            found[match[1].decode()] = match[2].decode(errors="replace")
        elif line == b"\n":
            yield found
            found = {}
    yield found
