"""What a build prints, where it puts the image, and what becomes of images in the store."""

import json
import re
import shutil
import subprocess

import pytest
from cpus import NATIVE

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@pytest.fixture
def simple(build):
    return build.write("FROM busybox\nRUN echo said; echo made > /made\nCMD cat /made\n")


def test_an_oci_archive_is_what_skopeo_reads(simple, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo: make setup-test")
    archive = tmp_path / "image.tar"
    built = simple(BOTH, "-t", "hello:1", "-o", f"type=oci,dest={archive}")
    source = f"oci-archive:{archive}"
    raw = json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", source]))
    platforms = [item["platform"]["architecture"] for item in raw["manifests"]]
    assert platforms == ["amd64", "arm64"]
    for architecture in platforms:
        command = ["skopeo", "inspect", f"--override-arch={architecture}", source]
        assert json.loads(subprocess.check_output(command))["Architecture"] == architecture
    copy = tmp_path / "copy"
    subprocess.run(["skopeo", "copy", "--quiet", "--all", source, f"oci:{copy}:hello"], check=True)
    [root] = json.loads((copy / "index.json").read_text())["manifests"]
    assert root["digest"] == built.digest
    names = {path.name for path in (copy / "blobs/sha256").iterdir()}
    assert {item["digest"].removeprefix("sha256:") for item in raw["manifests"]} < names


def test_quiet_prints_the_digest_and_nothing_else(simple):
    done = simple.amphora("build", "-q", simple.directory)
    assert DIGEST.fullmatch(done.stdout.strip())
    assert done.stderr == ""


def test_plain_progress_is_lines_a_log_can_keep(simple):
    done = simple.amphora("build", "--progress=plain", "-t", "hello", simple.directory)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    [start] = [line for line in lines if "RUN echo said" in line]
    number = start.split()[0]
    assert start == f"{number} [{NATIVE}] [stage-0 1/2] RUN echo said; echo made > /made"
    assert any(re.fullmatch(rf"{number} \d+\.\d{{3}} said", line) for line in lines)
    assert any(re.fullmatch(rf"{number} DONE \d+\.\ds \(native\)", line) for line in lines)
    header, row, _, last = done.stdout.splitlines()
    assert header.split() == ["PLATFORM", "DIGEST", "SIZE"]
    assert row.startswith(f"{NATIVE} ")
    assert re.fullmatch(rf"{DIGEST.pattern}  hello:latest", last)
    again = simple.amphora("build", "--progress=plain", simple.directory)
    warned, *lines = [line.split()[1] for line in again.stderr.splitlines() if line]
    assert (warned, lines[1:]) == (f"{simple.directory}/Dockerfile:3:", ["CACHED"])


def test_json_says_everything_once(simple):
    built = simple(BOTH, "-t", "hello", "-t", "registry.example/other:2")
    assert set(built.said) == {"digest", "tags", "variants", "steps"}
    assert built.said["tags"] == ["docker.io/library/hello:latest", "registry.example/other:2"]
    assert [item["platform"] for item in built.said["variants"]] == ["linux/amd64", "linux/arm64"]
    for step in built.said["steps"]:
        assert set(step) == {"platform", "title", "ran", "seconds"}


def test_a_failing_command_shows_what_it_said_and_where_it_stands(build):
    build.write("FROM busybox\nRUN echo first\nRUN echo the reason; exit 3\n")
    failed = build.amphora("build", build.directory)
    assert failed.returncode == 12
    assert "the reason" in failed.stderr
    assert "Dockerfile:3" in failed.stderr
    assert "exited with status 3" in failed.stderr


def test_images_are_listed_inspected_and_removed(simple):
    amphora = simple.amphora
    built = simple(BOTH, "-t", "hello:1", "-t", "hello:2", "--label", "a=1")
    listed = {
        image["name"]: image for image in json.loads(amphora.ok("image", "ls", "--format=json"))
    }
    assert set(listed) == {
        "docker.io/library/busybox:latest",
        "docker.io/library/hello:1",
        "docker.io/library/hello:2",
    }
    table = amphora.ok("image", "ls").splitlines()
    assert table[0].split() == ["NAME", "DIGEST", "PLATFORMS", "SIZE", "ATTACHED"]
    assert [line.split()[0] for line in table[1:]] == ["busybox:latest", "hello:1", "hello:2"]

    image = json.loads(amphora.ok("image", "inspect", "--format", "json", "hello:1"))
    assert image == listed["docker.io/library/hello:1"]
    assert image["digest"] == built.digest
    assert [variant["platform"] for variant in image["variants"]] == ["linux/amd64", "linux/arm64"]
    for variant in image["variants"]:
        assert variant["command"] == ["/bin/sh", "-c", "cat /made"]
        assert variant["labels"] == {"a": "1"}
        assert variant["size"] > sum(layer["size"] for layer in variant["layers"])
        assert len(variant["layers"]) == 2
    assert "linux/arm64" in amphora.ok("image", "inspect", "hello:1")

    assert amphora("image", "inspect", "hello:9").returncode == 30
    assert amphora("image", "rm", "hello:9").returncode == 30
    blobs = amphora.store / "blobs/sha256"
    index = blobs / built.digest.removeprefix("sha256:")
    amphora.ok("image", "rm", "hello:1")
    assert index.exists()
    amphora.ok("image", "rm", "hello:2")
    assert not index.exists()
    assert amphora.ok("image", "ls").splitlines()[1:] == table[1:2]
    assert amphora("store", "check").returncode == 0


def test_removing_images_frees_their_blobs_and_snapshots(simple):
    amphora = simple.amphora
    simple("-t", "hello")
    snapshots = amphora.store / "snapshots"
    assert len(list(snapshots.iterdir())) == 2
    amphora.ok("image", "rm", "hello")
    assert len(list(snapshots.iterdir())) == 1  # that of busybox, which has a name
    said = amphora.ok("image", "rm", "busybox")
    assert "freed" in said
    assert list(snapshots.iterdir()) == []
    left = {path.name for path in (amphora.store / "blobs/sha256").iterdir()}
    assert len(left) == 1  # the layer that the step cache remembers
    assert amphora("store", "check").returncode == 0
