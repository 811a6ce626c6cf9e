"""Caches for other stores: a second, clean one executes nothing, and writers only add."""

import json
import shutil
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

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
#: What an inline cache has: the steps of the image itself.
ONE_STAGE = """\
FROM busybox
COPY source /
RUN cat source > made
RUN true
"""


@dataclass(frozen=True)
class Place:
    """Options that write to a cache, those that read it, and what must be in the environment."""

    write: str
    read: str
    environment: dict = field(default_factory=dict)


def in_directory(request):
    place = request.getfixturevalue("tmp_path") / "cache"
    return Place(f"type=local,dest={place}", f"type=local,src={place}")


def in_registry(request):
    reference = f"{request.getfixturevalue('registry')}/cache:main"
    return Place(f"type=registry,ref={reference}", reference)


def in_s3(request):
    s3 = request.getfixturevalue("s3")
    return Place(f"{s3.place},prefix=some/where/", f"{s3.place},prefix=some/where/", s3.environment)


def in_azure(request):
    place = f"{request.getfixturevalue('azure').place},prefix={uuid.uuid4().hex}"
    return Place(place, place)


def in_google(request):
    google = request.getfixturevalue("google")
    place = f"type=gcs,bucket=cache,endpoint_url={google.url}"
    return Place(place, place, {"GOOGLE_BEARER_TOKEN": google.token})


def in_actions(request):
    actions = request.getfixturevalue("actions")
    environment = {"ACTIONS_RESULTS_URL": actions.url, "ACTIONS_RUNTIME_TOKEN": actions.token}
    return Place("type=gha,scope=tests", "type=gha,scope=tests", environment)


PLACES = {
    "local": in_directory,
    "registry": in_registry,
    "s3": in_s3,
    "azblob": in_azure,
    "gcs": in_google,
    "gha": in_actions,
}


@pytest.fixture
def cache(request):
    return PLACES[request.param](request)


def caches(*names):
    return pytest.mark.parametrize("cache", names or list(PLACES), indirect=True)


@pytest.fixture
def machine(build, busybox_archive, tmp_path):
    """The same build for another machine, which has nothing but the base image."""

    def make(name, environment=None):
        home = tmp_path / name
        home.mkdir()
        amphora = replace(build.amphora, home=home, environment=environment or {})
        with busybox_archive.open("rb") as archive:
            import_archive(Store(amphora.store), archive)
        return replace(build, amphora=amphora)

    return make


def where(built):
    """Where steps ran, but for what every store unpacks for itself."""
    ran = built.ran().items()
    return {place for step, places in ran if "unpack" not in step for place in places}


@caches()
def test_a_clean_store_executes_nothing(build, machine, cache):
    build.write(DOCKERFILE, source="text")
    first = machine("first", cache.environment)(BOTH, "--cache-to", f"{cache.write},mode=max")
    assert "native" in where(first)
    second = machine("second", cache.environment)(BOTH, "--cache-from", cache.read)
    assert where(second) == {"cached"}
    assert second.digest == first.digest
    assert "WARN" not in first.errors + second.errors


@caches("local")
def test_min_keeps_what_the_image_has(build, machine, cache):
    build.write(DOCKERFILE, source="text")
    machine("first", cache.environment)("--cache-to", cache.write)
    ran = machine("second", cache.environment)("--cache-from", cache.read).ran()
    assert ran["RUN cat source > made"] == ["native"]
    assert ran["RUN echo done >> /made"] == ["cached"]


@caches("registry", "s3", "gha")
def test_writers_at_the_same_time_add_and_never_take_away(build, machine, cache):
    """The jobs of a matrix: each builds its platform, all share one cache."""
    build.write(DOCKERFILE, source="text")
    jobs = [machine(f"job-{number}", cache.environment) for number in range(2)]
    platforms = ["--platform=linux/amd64", "--platform=linux/arm64"]
    with ThreadPoolExecutor(len(jobs)) as pool:
        write = ("--cache-from", cache.read, "--cache-to", f"{cache.write},mode=max")
        done = [
            pool.submit(job, platform, *write)
            for job, platform in zip(jobs, platforms, strict=True)
        ]
        assert [future.result().errors.count("WARN") for future in done] == [0, 0]
    both = machine("both", cache.environment)(BOTH, "--cache-from", cache.read)
    ran = {step: set(places) for step, places in both.ran().items() if "RUN" in step}
    assert set(map(frozenset, ran.values())) == {frozenset({"cached"})}


def test_an_image_brings_its_steps(build, machine, registry):
    image = f"{registry}/app:1"
    build.write(ONE_STAGE, source="text")
    push = ("-t", image, "--push", "--cache-to", "type=inline")
    first = machine("first")(BOTH, *push)
    assert "native" in where(first)
    for name, read in (("second", image), ("third", f"type=registry,ref={image}")):
        again = machine(name)(BOTH, "--cache-from", read, "--cache-to", "type=inline")
        assert where(again) == {"cached"}
        assert again.digest == first.digest
    assert machine("plain")(BOTH).digest != first.digest


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo: make setup-test")
def test_other_tools_take_an_image_that_brings_its_steps(build, registry, tmp_path):
    build.write(ONE_STAGE, source="text")
    build("-t", f"{registry}/app:1", "--push", "--cache-to", "type=inline")
    copy = ("skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false")
    subprocess.run([*copy, f"docker://{registry}/app:1", f"dir:{tmp_path}/copy"], check=True)
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    digest = manifest["config"]["digest"].removeprefix("sha256:")
    config = json.loads((tmp_path / "copy" / digest).read_text())
    assert len(config["vnd.amphora.steps.v1"]) == 3
