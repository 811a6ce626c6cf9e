"""Caches for other stores: a second, clean one executes nothing, and writers only add."""

import hashlib
import json
from dataclasses import replace

import pytest

from amphora.oci.archive import import_archive
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
DOCKERFILE = """\
FROM busybox AS build
WORKDIR /work
COPY source .
RUN cat source > made
FROM busybox
COPY --from=build /work/made /made
RUN echo done >> /made
"""


@pytest.fixture
def clean(build, busybox_archive, tmp_path):
    """The same build for another machine, which has nothing but the base image."""

    def make(name):
        home = tmp_path / name
        home.mkdir()
        amphora = replace(build.amphora, home=home)
        with busybox_archive.open("rb") as archive:
            import_archive(Store(amphora.store), archive)
        return replace(build, amphora=amphora)

    return make


@pytest.fixture(params=["local", "registry"])
def cache(request, tmp_path):
    """Options that write to a cache, and those that read it."""
    if request.param == "local":
        place = tmp_path / "cache"
        return f"type=local,dest={place}", f"type=local,src={place}"
    reference = f"{request.getfixturevalue('registry')}/cache:main"
    return f"type=registry,ref={reference}", reference


def put(blobs, content):
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return f"sha256:{digest}"


def where(built):
    return {place for places in built.ran().values() for place in places}


def test_a_clean_store_executes_nothing(build, clean, cache):
    write, read = cache
    first = build.write(DOCKERFILE, source="text")(BOTH, "--cache-to", f"{write},mode=max")
    assert "native" in where(first)
    second = clean("second")(BOTH, "--cache-from", read)
    steps = {step: places for step, places in second.ran().items() if "unpack" not in step}
    assert {place for places in steps.values() for place in places} == {"cached"}
    assert second.digest == first.digest


def test_min_keeps_what_the_image_has(build, clean, cache):
    write, read = cache
    build.write(DOCKERFILE, source="text")("--cache-to", write)
    ran = clean("second")("--cache-from", read).ran()
    assert ran["RUN cat source > made"] == ["native"]
    assert ran["RUN echo done >> /made"] == ["cached"]


def test_writers_add_and_never_take_away(build, clean, cache):
    """The jobs of a matrix: each builds its platform, and shares one cache."""
    write, read = cache
    build.write(DOCKERFILE, source="text")
    build("--platform=linux/amd64", "--cache-to", f"{write},mode=max")
    clean("other")("--platform=linux/arm64", "--cache-to", f"{write},mode=max")
    both = clean("both")(BOTH, "--cache-from", read)
    assert all(set(places) == {"cached"} for step, places in both.ran().items() if "RUN" in step)


def test_a_cache_that_is_not_there_is_no_cache(build, tmp_path):
    build.write("FROM scratch\nCOPY source /\n", source="text")
    assert "WARN" not in build("--cache-from", f"type=local,src={tmp_path}/nowhere").errors
    told = build("--cache-from", "localhost:1/cache", "--no-cache").errors
    assert "WARN" not in told  # nobody is asked
    build.write("FROM scratch\nCOPY source /\n", source="changed")
    told = build("--cache-from", "localhost:1/cache").errors
    assert told.count("WARN --cache-from") == 1


@pytest.mark.parametrize("consistent", [False, True])
def test_what_is_no_step_is_told_and_built(build, tmp_path, consistent):
    build.write("FROM scratch\nCOPY source /\n", source="text")
    place = tmp_path / "cache"
    build("--cache-to", f"type=local,dest={place}")
    index = json.loads((place / "index.json").read_text())
    [entry] = index["manifests"]
    blobs = place / "blobs/sha256"
    manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    record = blobs / manifest["config"]["digest"].removeprefix("sha256:")
    if consistent:
        manifest["config"] |= {"digest": put(blobs, b"{}"), "size": 2}
        content = json.dumps(manifest).encode()
        entry |= {"digest": put(blobs, content), "size": len(content)}
        (place / "index.json").write_text(json.dumps(index))
    else:
        record.write_text("{}")
    other = replace(build.amphora, home=tmp_path / "other")
    other.home.mkdir()
    told = replace(build, amphora=other)("--cache-from", f"type=local,src={place}")
    assert "WARN --cache-from" in told.errors
    assert where(told) == {"worker"}
