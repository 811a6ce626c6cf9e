"""Steps in a registry, by tag."""

import pytest

from amphora.build.caches.registry import tagged
from amphora.core.reference import Reference


@pytest.mark.parametrize("tag", ["main", "t" * 128])
def test_a_tag_is_never_too_long(tag):
    name = tagged(Reference("a.example", "b", tag), "0" * 64)
    assert Reference.parse(str(name)) == name
    assert name.tag.endswith("-" + "0" * 64)
