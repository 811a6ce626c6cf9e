"""Provenance: how an image was made, in the terms of SLSA.

https://slsa.dev/spec/v1.0/provenance, https://slsa.dev/spec/v0.2/provenance. The parameters are
called as in BuildKit's (https://docs.docker.com/build/metadata/attestations/slsa-definitions/);
what it has no name for stands under keys that begin with `amphora_`.

mode=min says nothing of a build that may be private: no value of a build arg or label, no name
of a secret, no line of the Dockerfile. No mode ever says a secret, or a proxy's address. With
SOURCE_DATE_EPOCH there are no times, so that equal builds have equal provenance.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from msgspec import Struct

import amphora
from amphora.build.attest.facts import Material, Predicate, TakenStep
from amphora.build.attest.names import PROVENANCE
from amphora.build.attest.options import ProvenanceOptions
from amphora.build.dockerfile.scope import PROXY_ARGS
from amphora.build.request import BuildRequest
from amphora.core.platform import Platform
from amphora.oci.config import timestamp
from amphora.remote.location import is_remote, shown_url

#: What the parameters mean is written in docs/attestations.md.
BUILD_TYPE = "urn:amphora:build:dockerfile:v1"
BUILDER = "urn:amphora:builder"

_FRONTEND = "dockerfile.v0"


class Facts(Struct, frozen=True):
    """What is known of one variant after the build.

    `text` is the Dockerfile. `context` is what the context is, if it was fetched. `started` and
    `finished` are in seconds since 1970.
    """

    request: BuildRequest
    platform: Platform
    text: str
    context: Material | None
    materials: Sequence[Material]
    steps: Sequence[TakenStep]
    started: float
    finished: float

    @property
    def filename(self) -> str:
        """The Dockerfile's, without the directories of this machine."""
        name = self.request.dockerfile or "Dockerfile"
        return name if is_remote(self.request.context) else PurePath(name).name


def provenance(facts: Facts, options: ProvenanceOptions) -> Predicate:
    """The predicate of the version that is asked for."""
    make = _v1 if options.version == "v1" else _v02
    return Predicate(
        PROVENANCE[options.version], make(facts, options), options.filename, options.attached
    )


def _v1(facts: Facts, options: ProvenanceOptions) -> dict[str, Any]:
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "configSource": {**_source(facts), "path": facts.filename},
                "request": _request(facts, options),
            },
            "internalParameters": {"builderPlatform": str(Platform.host())},
            "resolvedDependencies": list(map(_resource, facts.materials)),
        },
        "runDetails": {
            "builder": {
                "id": options.builder or BUILDER,
                "version": {"amphora": amphora.__version__},
            },
            "metadata": {
                **_times(facts, "startedOn", "finishedOn"),
                "amphora_reproducible": options.reproducible,
                "amphora_metadata": _metadata(facts, options),
            },
        },
    }


def _v02(facts: Facts, options: ProvenanceOptions) -> dict[str, Any]:
    return {
        "builder": {"id": options.builder or BUILDER},
        "buildType": BUILD_TYPE,
        "invocation": {
            "configSource": {**_source(facts), "entryPoint": facts.filename},
            "parameters": _request(facts, options),
            "environment": {"platform": str(Platform.host())},
        },
        "materials": list(map(_resource, facts.materials)),
        "metadata": {
            **_times(facts, "buildStartedOn", "buildFinishedOn"),
            "completeness": {
                "parameters": options.complete,
                "environment": False,
                "materials": False,
            },
            "reproducible": options.reproducible,
            "amphora_metadata": _metadata(facts, options),
        },
    }


def _source(facts: Facts) -> dict[str, Any]:
    return _resource(facts.context) if facts.context else {}


def _resource(material: Material) -> dict[str, Any]:
    return {"uri": material.uri, "digest": {material.algorithm: material.value}}


def _times(facts: Facts, started: str, finished: str) -> dict[str, str]:
    if facts.request.source_date_epoch is not None:
        return {}
    return {started: timestamp(facts.started), finished: timestamp(facts.finished)}


def _request(facts: Facts, options: ProvenanceOptions) -> dict[str, Any]:
    request = facts.request
    arguments = {
        "platform": str(facts.platform),
        **({"target": request.target} if request.target else {}),
        **({} if request.use_cache else {"no-cache": ""}),
    }
    told: dict[str, Any] = {"frontend": _FRONTEND, "args": arguments}
    if not is_remote(request.context):
        told["locals"] = [{"name": "context"}, {"name": "dockerfile"}]
    if options.complete:
        arguments |= _private_arguments(request)
        told["secrets"] = [{"id": name} for name in sorted(request.run.secrets)]
        told["ssh"] = [{"id": name} for name in sorted(request.run.agents)]
    return told


def _private_arguments(request: BuildRequest) -> dict[str, str]:
    """In the order of their names. Directories of this machine are not told."""
    run = request.run
    given = {
        **{
            f"build-arg:{name}": value
            for name, value in request.build_args.items()
            if name.upper() not in PROXY_ARGS
        },
        **{f"label:{name}": value for name, value in request.labels.items()},
        **{
            f"context:{name}": shown_url(location)
            if is_remote(location) or location.startswith("docker-image://")
            else "local"
            for name, location in request.build_contexts.items()
        },
        **({"force-network-mode": run.network} if run.network != "default" else {}),
        **(
            {"no-cache-filter": ",".join(request.no_cache_stages)}
            if request.no_cache_stages
            else {}
        ),
    }
    return dict(sorted(given.items()))


def _metadata(facts: Facts, options: ProvenanceOptions) -> dict[str, Any]:
    """How many steps ran where; with mode=max which ones, and the text they come from."""
    ran = Counter(step.ran for step in facts.steps)
    told: dict[str, Any] = {"ran": dict(sorted(ran.items()))}
    if facts.request.vcs:
        told["vcs"] = dict(facts.request.vcs)
    if options.complete:
        data = base64.b64encode(facts.text.encode()).decode()
        told["source"] = {"filename": facts.filename, "language": "Dockerfile", "data": data}
        told["steps"] = list(map(_step, facts.steps))
    return told


def _step(step: TakenStep) -> dict[str, Any]:
    return {
        "title": step.title,
        "line": step.line,
        "platform": str(step.platform),
        "ran": step.ran,
        **({"layer": {"diffId": str(step.diff_id)}} if step.diff_id else {}),
    }
