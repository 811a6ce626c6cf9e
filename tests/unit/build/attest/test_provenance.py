"""Provenance, field by field: what min tells, what max adds, what none ever tells."""

import base64
import io
import json

import pytest
from msgspec.structs import replace

from amphora.build.attest.facts import Material, TakenStep
from amphora.build.attest.ledger import Ledger
from amphora.build.attest.options import ProvenanceOptions
from amphora.build.attest.provenance import Facts, provenance
from amphora.build.request import BuildRequest
from amphora.build.run_options import RunOptions
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.remote.location import parse_git

ARM64, AMD64 = Platform.parse("linux/arm64"), Platform.parse("linux/amd64")
DEBIAN = Material.of_image(Reference.parse("debian:trixie"), ARM64, Digest.of(b"index"))
FILE = Material.of_file("https://example.org/a.tar", Digest.of(b"file"))
COMMIT = Material.of_commit(
    parse_git("https://git:git-password@example.org/a.git#v1:directory"),
    "4b220de5058abfd01ff619c9d2ff6b09a049bea0",
)
RUN = TakenStep("[build 1/2] RUN make", 3, ARM64, "handoff", Digest.of(b"layer"))
COPY = TakenStep("[build 2/2] COPY a /", 4, ARM64, "worker", None)

REQUEST = BuildRequest(
    context="/home/somebody/work",
    dockerfile="/home/somebody/work/Dockerfile.app",
    platforms=(ARM64, AMD64),
    stdin=io.BytesIO(),
    target="build",
    build_args={"PASSWORD": "build arg value", "https_proxy": "http://user:proxy-password@p"},
    labels={"team": "label value"},
    build_contexts={
        "near": "/home/somebody/near",
        "far": "https://user:url-password@example.org/x.tar?token=url-token",
        "base": "docker-image://debian:trixie",
    },
    use_cache=False,
    run=RunOptions(secrets={"npm-token": b"the secret"}, agents={"default": ()}, network="host"),
)
FACTS = Facts(
    request=REQUEST,
    platform=ARM64,
    text="FROM debian:trixie AS build\nARG PASSWORD\nRUN make\nCOPY a /\n",
    context=None,
    materials=[FILE, COMMIT, DEBIAN],
    steps=[RUN, COPY],
    started=1_700_000_000.25,
    finished=1_700_000_060.5,
)
MIN, MAX = ProvenanceOptions(), ProvenanceOptions(complete=True)
NEVER = (
    b"the secret",
    b"proxy-password",
    b"url-password",
    b"url-token",
    b"git-password",
    b"/home/somebody",
)
ONLY_MAX = (b"build arg value", b"label value", b"npm-token", b"RUN make", b"PASSWORD")


def made(options=MIN, facts=FACTS):
    return provenance(facts, options).content


def test_version_1_has_what_slsa_asks_for():
    predicate = provenance(FACTS, MIN)
    assert predicate.kind == "https://slsa.dev/provenance/v1"
    assert predicate.content == {
        "buildDefinition": {
            "buildType": "urn:amphora:build:dockerfile:v1",
            "externalParameters": {
                "configSource": {"path": "Dockerfile.app"},
                "request": {
                    "frontend": "dockerfile.v0",
                    "args": {"platform": "linux/arm64", "target": "build", "no-cache": ""},
                    "locals": [{"name": "context"}, {"name": "dockerfile"}],
                },
            },
            "internalParameters": {"builderPlatform": str(Platform.host())},
            "resolvedDependencies": [
                {"uri": "https://example.org/a.tar", "digest": {"sha256": FILE.value}},
                {"uri": "https://example.org/a.git#v1", "digest": {"gitCommit": COMMIT.value}},
                {
                    "uri": "pkg:docker/debian@trixie?platform=linux%2Farm64",
                    "digest": {"sha256": DEBIAN.value},
                },
            ],
        },
        "runDetails": {
            "builder": {
                "id": "urn:amphora:builder",
                "version": predicate.content["runDetails"]["builder"]["version"],
            },
            "metadata": {
                "startedOn": "2023-11-14T22:13:20Z",
                "finishedOn": "2023-11-14T22:14:20Z",
                "amphora_reproducible": False,
                "amphora_metadata": {"ran": {"handoff": 1, "worker": 1}},
            },
        },
    }


def test_max_adds_arguments_names_of_secrets_the_text_and_the_steps():
    content = made(MAX)
    request = content["buildDefinition"]["externalParameters"]["request"]
    assert request["args"] == {
        "platform": "linux/arm64",
        "target": "build",
        "no-cache": "",
        "build-arg:PASSWORD": "build arg value",
        "context:base": "docker-image://debian:trixie",
        "context:far": "https://example.org/x.tar",
        "context:near": "local",
        "force-network-mode": "host",
        "label:team": "label value",
    }
    assert (request["secrets"], request["ssh"]) == ([{"id": "npm-token"}], [{"id": "default"}])
    metadata = content["runDetails"]["metadata"]["amphora_metadata"]
    assert base64.b64decode(metadata["source"].pop("data")).decode() == FACTS.text
    assert metadata["source"] == {"filename": "Dockerfile.app", "language": "Dockerfile"}
    assert metadata["steps"] == [
        {
            "title": "[build 1/2] RUN make",
            "line": 3,
            "platform": "linux/arm64",
            "ran": "handoff",
            "layer": {"diffId": str(RUN.diff_id)},
        },
        {"title": "[build 2/2] COPY a /", "line": 4, "platform": "linux/arm64", "ran": "worker"},
    ]


@pytest.mark.parametrize("version", ["v1", "v0.2"])
def test_what_is_private_is_told_by_max_only_and_a_secret_by_none(version):
    least, most = (
        json.dumps(made(ProvenanceOptions(complete, version))).encode()
        for complete in (False, True)
    )
    text = base64.b64encode(FACTS.text.encode())
    assert text in most
    assert text not in least
    for private in ONLY_MAX:
        assert private not in least
        assert private in most
    for secret in NEVER:
        assert secret not in least + most


def test_version_02_says_the_same_in_its_own_words():
    predicate = provenance(FACTS, ProvenanceOptions(True, "v0.2", "https://ci.example", True))
    assert predicate.kind == "https://slsa.dev/provenance/v0.2"
    old, new = predicate.content, made(MAX)
    assert set(old) == {"builder", "buildType", "invocation", "materials", "metadata"}
    assert old["builder"] == {"id": "https://ci.example"}
    assert old["materials"] == new["buildDefinition"]["resolvedDependencies"]
    assert old["invocation"]["configSource"] == {"entryPoint": "Dockerfile.app"}
    parameters = new["buildDefinition"]["externalParameters"]["request"]
    assert old["invocation"]["parameters"] == parameters
    assert old["metadata"]["reproducible"] is True
    assert old["metadata"]["completeness"]["parameters"] is True
    assert old["metadata"]["buildStartedOn"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("version", ["v1", "v0.2"])
def test_with_source_date_epoch_equal_builds_have_equal_provenance(version):
    request = replace(REQUEST, source_date_epoch=1)
    options = ProvenanceOptions(True, version)
    first = made(options, replace(FACTS, request=request))
    again = made(options, replace(FACTS, request=request, started=1.0, finished=2.0))
    assert json.dumps(first) == json.dumps(again)
    assert "2023" not in json.dumps(first["runDetails" if version == "v1" else "metadata"])


def test_a_fetched_context_is_the_source():
    request = replace(REQUEST, context="https://example.org/a.git#v1", dockerfile="dir/Dockerfile")
    facts = replace(FACTS, request=request, context=COMMIT)
    external = made(facts=facts)["buildDefinition"]["externalParameters"]
    assert external["configSource"] == {
        "uri": "https://example.org/a.git#v1",
        "digest": {"gitCommit": COMMIT.value},
        "path": "dir/Dockerfile",
    }
    assert "locals" not in external["request"]


def test_the_book_tells_stage_by_stage_and_nothing_twice():
    book = Ledger()
    book.built(ARM64, 2, [RUN, COPY])
    book.built(AMD64, 1, [COPY])
    book.built(ARM64, 0, [RUN])
    book.used(ARM64, [DEBIAN, FILE])
    book.used(ARM64, [DEBIAN])
    assert book.steps(ARM64) == [RUN, COPY]
    assert book.steps(AMD64) == [COPY]
    assert book.materials(ARM64) == {DEBIAN, FILE}
    assert book.materials(AMD64) == set()
