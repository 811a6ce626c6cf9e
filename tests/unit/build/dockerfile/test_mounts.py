"""The fields of `RUN --mount`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile.mounts import Mount, read_mount, read_size
from amphora.build.dockerfile.parser import parse
from amphora.core.errors import DockerfileError


@pytest.mark.parametrize(
    ("text", "mount"),
    [
        ("target=/x", Mount(target="/x")),
        ("type=bind,src=a,dst=b,rw", Mount(source="a", target="b", read_only=False)),
        ("Type=BIND,destination=b,readonly=false", Mount(target="b", read_only=False)),
        ("type=bind,from=a,target=/x,ro", Mount(from_="a", target="/x", read_only=True)),
        (
            "type=cache,id=i,target=/c,sharing=locked,mode=0700,uid=1,gid=2",
            Mount("cache", id="i", target="/c", sharing="locked", mode=0o700, uid=1, gid=2),
        ),
        ("type=tmpfs,target=/t,size=1.5k", Mount("tmpfs", target="/t", size=1536)),
        ("type=secret,id=s,env=S,required", Mount("secret", id="s", env="S", required=True)),
        ("type=secret,target=/s,required=0", Mount("secret", target="/s")),
        ("type=ssh", Mount("ssh")),
        ('"target=/a,b",type=cache', Mount("cache", target="/a,b")),
    ],
)
def test_fields(text, mount):
    assert read_mount(text) == mount


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type=volume,target=/x", "no type 'volume'"),
        ("type=bind", "needs a target"),
        ("type=cache", "needs a target"),
        ("type=secret", "an id or a target"),
        ("type=secret,id=a,src=b", "not both"),
        ("target=/x,size=1m", "size is not for a mount of type bind"),
        ("target=/x,uid=1", "uid is not for"),
        ("type=tmpfs,target=/x,size=big", "not a size"),
        ("type=cache,target=/x,sharing=some", "shared, private, locked"),
        ("type=cache,target=/x,mode=9", "octal"),
        ("type=cache,target=/x,mode=17777", "octal"),
        ("type=cache,target=/x,uid=-1", "uid is a number"),
        ("type=secret,id=a,required=maybe", "true or false"),
        ("target", "target=VALUE"),
        ("taget=/x", "did you mean target?"),
        ("from=$A,target=/x", "does not take variables"),
        ('"target=/x', "unexpected end"),
        ("target=/\0", "NUL"),
    ],
)
def test_mistakes(text, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        read_mount(text)


def test_variables_are_replaced_everywhere_but_in_from():
    mount = read_mount("from=a,source=$S,target=$T", lambda text: text.replace("$", "var-"))
    assert mount == Mount(from_="a", source="var-S", target="var-T")


def test_a_mistake_is_shown_before_anything_is_built():
    with pytest.raises(DockerfileError) as caught:
        parse("FROM a\nRUN --mount=type=cache,target=/x,sharing=some make\n")
    assert caught.value.what == "--mount is wrong"
    assert "sharing=some" in caught.value.excerpt
    parse("FROM a\nRUN --mount=type=cache,target=/x,sharing=$KIND make\n")
    with pytest.raises(DockerfileError, match="does not take variables"):
        parse("FROM a\nRUN --mount=from=$IMAGE,target=/x make\n")


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("64m", 64 << 20), ("1GiB", 1 << 30), ("2 kb", 2048)]
)
def test_sizes(text, size):
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["9" * 400, "1." + "9" * 400, "", "m", "-1"])
def test_wrong_sizes(text):
    with pytest.raises(ValueError, match="is not a size"):
        read_size(text)


@given(st.text(max_size=60))
def test_no_text_is_worse_than_a_mistake(text):
    try:
        mount = read_mount(text)
    except ValueError:
        return
    assert mount.kind in {"bind", "cache", "tmpfs", "secret", "ssh"}
