"""Caches that are not there, that lie, whose writers are killed; and secrets on the way."""

import hashlib
import json
import signal
import subprocess
from dataclasses import replace

import pytest

from amphora.core.errors import CacheError

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

DOCKERFILE = "FROM scratch\nCOPY source /\n"


@pytest.fixture
def machine(build, tmp_path):
    """The same build for another machine, whose store is empty."""

    def make(name, environment=None):
        home = tmp_path / name
        home.mkdir()
        amphora = replace(build.amphora, home=home, environment=environment or {})
        return replace(build, amphora=amphora)

    return make


def put(blobs, content):
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return f"sha256:{digest}"


def where(built):
    return {place for places in built.ran().values() for place in places}


def test_a_cache_that_is_not_there_is_no_cache(build, tmp_path):
    build.write(DOCKERFILE, source="text")
    assert "WARN" not in build("--cache-from", f"type=local,src={tmp_path}/nowhere").errors
    told = build("--cache-from", "localhost:1/cache", "--no-cache").errors
    assert "WARN" not in told  # nobody is asked
    build.write(DOCKERFILE, source="changed")
    told = build("--cache-from", "localhost:1/cache").errors
    assert told.count("WARN --cache-from") == 1


@pytest.mark.parametrize("consistent", [False, True])
def test_what_is_no_step_is_told_built_and_replaced(build, machine, tmp_path, consistent):
    build.write(DOCKERFILE, source="text")
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
    both = ("--cache-from", f"type=local,src={place}", "--cache-to", f"type=local,dest={place}")
    told = machine("other")(*both)
    assert "WARN --cache-from" in told.errors
    assert where(told) == {"worker"}
    healed = machine("third")("--cache-from", f"type=local,src={place}")
    assert "WARN" not in healed.errors
    assert where(healed) == {"cached"}


@pytest.mark.parametrize("lie", ["truncated", "another layer"])
def test_an_object_that_lies_is_told_built_and_replaced(build, machine, s3, lie):
    build.write(DOCKERFILE, source="text")
    machine("first", s3.environment)("--cache-to", s3.place)
    blob, step = s3.names()
    if lie == "truncated":
        s3.put(blob, s3.get(blob)[:-1])
    else:  # it is what its digest says, but nothing of what the record says
        record = json.loads(s3.get(step))
        record["diff_id"] = "sha256:" + "0" * 64
        s3.put(step, json.dumps(record).encode())
    told = machine("second", s3.environment)("--cache-from", s3.place, "--cache-to", s3.place)
    assert told.errors.count("WARN --cache-from") == 1
    assert where(told) == {"worker"}
    healed = machine("third", s3.environment)("--cache-from", s3.place)
    assert where(healed) == {"cached"}
    assert "WARN" not in healed.errors


@pytest.mark.parametrize("kind", ["gcs", "gha"])
def test_a_killed_writer_leaves_a_cache_that_reads(request, build, machine, kind):
    """kill -9 when the layer is there and the record is not."""
    build.write(DOCKERFILE, source="text")
    if kind == "gcs":
        service = request.getfixturevalue("google")
        place = f"type=gcs,bucket=cache,endpoint_url={service.url}"
        environment = {"GOOGLE_BEARER_TOKEN": service.token}
        service.held = "PUT /cache/manifests"
    else:
        service = request.getfixturevalue("actions")
        place = "type=gha"
        environment = {
            "ACTIONS_RESULTS_URL": service.url,
            "ACTIONS_RUNTIME_TOKEN": service.token,
        }
        service.held = "PUT /blobs/"
    amphora = machine("killed", environment).amphora
    writer = subprocess.Popen(
        amphora.command("build", "--cache-to", place, build.directory),
        env=amphora.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert service.holds.wait(60)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    service.held = ""
    service.released.set()
    both = ("--cache-from", place, "--cache-to", place)
    second = machine("second", environment)(*both)
    assert "WARN" not in second.errors
    assert where(second) == {"worker"}
    assert where(machine("third", environment)("--cache-from", place)) == {"cached"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("bucket=no-such-bucket", "create it"),
        ("access_key_id=AKIAWRONG,secret_access_key=hunter2", "check the keys"),
    ],
)
def test_what_goes_wrong_with_a_bucket(build, s3, change, why):
    build.write(DOCKERFILE, source="text")
    mine = replace(build, amphora=replace(build.amphora, environment=s3.environment))
    name = change.partition("=")[0]
    kept = [part for part in s3.place.split(",") if not part.startswith(f"{name}=")]
    place = ",".join([*kept, change])
    read = mine("--cache-from", place)
    assert read.errors.count("WARN --cache-from") == 1
    failed = mine.run("--cache-to", place)
    assert failed.returncode == CacheError.exit_code
    assert why in failed.stderr
    ignored = mine("--cache-to", f"{place},ignore-error=true")
    assert ignored.errors.count("WARN --cache-to") == 1
    assert "hunter2" not in read.errors + failed.stderr + ignored.errors


def test_outside_of_a_job_there_is_no_cache_service(build):
    build.write(DOCKERFILE, source="text")
    assert build("--cache-from", "type=gha").errors.count("WARN --cache-from") == 1
    failed = build.run("--cache-to", "type=gha")
    assert failed.returncode == CacheError.exit_code
    assert "ACTIONS_RUNTIME_TOKEN" in failed.stderr
