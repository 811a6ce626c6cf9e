"""--filter, in buildx's words."""

import pytest

from amphora.build.pruning.filters import matching, read_filters
from amphora.core.errors import InvalidValueError
from amphora.oci.cache_entry import EntryType, entry_id

NOW = 1_000_000.0
HOUR = 3600.0


@pytest.fixture
def entries(entry):
    return [
        entry("a" * 64, used=NOW, description="RUN make install", in_use=True),
        entry("ab" * 32, used=NOW - HOUR, description="COPY . ."),
        entry(
            "sbom of it",
            ("image", 1),
            needed=["image"],
            used=NOW - 25 * HOUR,
            description="RUN a\nmake",
            parents=("a" * 64,),
        ),
        entry(
            "mount", used=NOW - 48 * HOUR, type=EntryType.CACHE_MOUNT, mutable=True, description=""
        ),
    ]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], [0, 1, 2, 3]),
        (["until=24h"], [2, 3]),
        (["until=0"], [0, 1, 2, 3]),
        (["until=59m59.5s"], [1, 2, 3]),
        (["until=1h1s"], [2, 3]),
        (["id=aaa"], [0]),
        (["id=a"], [0, 1]),
        (["id!=aaa"], [1, 2, 3]),
        (["id~=^(ab)+$"], [1]),
        (["id=" + entry_id("mount")], [3]),
        (["parents=aaaa"], [2]),
        (["parents=aaaa;bbbb"], []),
        (["parents~=."], [2]),
        (["description=make"], [0, 2]),
        (["description!=make"], [1, 3]),
        (["description~=^RUN .*install$"], [0]),
        (["description=RUN a\nmake"], [2]),
        (["inuse"], [0]),
        (["inuse=false"], [1, 2, 3]),
        (["mutable"], [3]),
        (["immutable=1"], [0, 1, 2]),
        (["shared"], [2]),
        (["private"], [0, 1, 3]),
        (["type=exec.cachemount"], [3]),
        (["type==exec.cachemount"], [3]),
        (["type!=regular"], [3]),
        (["type~=^(regular|exec)"], [0, 1, 2, 3]),
        (["until=24h", "type=regular"], [2]),
    ],
)
def test_what_is_meant(entries, texts, found):
    meant = matching(entries, read_filters(texts, NOW))
    assert [entries.index(each) for each in meant] == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("until", "needs a value"),
        ("until=", "is not a duration"),
        ("until=yesterday", "is not a duration"),
        ("until!=24h", "cannot be compared with !="),
        ("unitl=24h", "did you mean until?"),
        ("", "the keys are until"),
        ("=x", "the keys are until"),
        ("inuse=maybe", "true or false"),
        ("inuse!=true", "cannot be compared"),
        ("type=layer", "the types are regular, "),
        ("id~=(", "no regular expression"),
        ("id", "needs a value"),
    ],
)
def test_mistakes(text, why):
    with pytest.raises(InvalidValueError) as caught:
        read_filters([text], NOW)
    assert why in caught.value.why
