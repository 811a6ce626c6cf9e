"""What we build, other people's programs take from our registry, and the other way round."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import image_for
from amphora.oci.layers.apply import apply_layer
from amphora.oci.layers.compression import LayerReader
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

needs_skopeo = pytest.mark.skipif(
    shutil.which("skopeo") is None, reason="skopeo is not installed: make setup-test"
)
needs_buildah = pytest.mark.skipif(
    shutil.which("buildah") is None or os.getuid() != 0,
    reason="buildah is not installed (make setup-test), or this is not root, who may mount",
)

DOCKERFILE = """\
FROM busybox
COPY data /data/
RUN uname -m > /machine; ln /machine /data/hard; ln -s ../machine /data/link; rm /bin/vi; \
    chmod 4755 /bin/busybox; mkdir -m 1777 /shared; chown mail:staff /data/data
RUN rm -r /tmp; mkdir /tmp; touch -d '1999-12-31 23:59:59' /tmp/old
ENV COLOUR=blue
LABEL shape=round
CMD ["cat", "/machine"]
"""
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def run(*command):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


def skopeo_copy(*arguments):
    run(
        *("skopeo", "--insecure-policy", "copy"),
        *("--src-tls-verify=false", "--dest-tls-verify=false", *arguments),
    )


@pytest.fixture
def built(seeded, registry, context):
    """An image for two platforms in the registry: its name there, and its digest."""
    name = f"{registry}/team/built:1"
    directory = context(DOCKERFILE, data="some data\n")
    both = ("--platform", "linux/amd64,linux/arm64")
    done = seeded.ok("build", *both, "-t", name, "--push", "--format", "json", directory)
    return name, json.loads(done)["digest"]


@needs_skopeo
def test_skopeo_copies_our_index_out_and_back_and_we_pull_it(seeded, registry, built, tmp_path):
    name, digest = built
    layout = f"oci:{tmp_path}/layout:it"
    skopeo_copy("--all", f"docker://{name}", layout)
    skopeo_copy("--all", layout, f"docker://{registry}/another/name:2")

    assert digest in seeded.ok("pull", f"{registry}/another/name:2")
    listed = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert [entry["digest"] for entry in listed] == [digest]
    reports = json.loads(seeded.ok("verify", "--format", "json", f"{registry}/another/name:2"))
    assert {report["output"].strip() for report in reports} == set(MACHINES.values())


@needs_skopeo
@pytest.mark.parametrize(
    ("form", "manifest_type"),
    [
        ("v2s2", "application/vnd.docker.distribution.manifest.list.v2+json"),
        ("oci", "application/vnd.oci.image.index.v1+json"),
    ],
)
def test_an_image_in_dockers_or_ocis_form_is_built_on(
    seeded, registry, built, context, form, manifest_type
):
    converted = f"{registry}/converted/{form}:1"
    skopeo_copy("--all", "--format", form, f"docker://{built[0]}", f"docker://{converted}")
    seeded.ok("pull", converted)
    image = json.loads(seeded.ok("image", "inspect", "--format", "json", converted))
    assert image["media_type"] == manifest_type
    assert [item["environment"][-1] for item in image["variants"]] == ["COLOUR=blue"] * 2

    directory = context(f"FROM {converted}\nRUN cat /machine > /again; test $COLOUR = blue\n")
    both = ("--platform", "linux/amd64,linux/arm64")
    seeded.ok("build", *both, "-t", "derived", directory)
    reports = json.loads(seeded.ok("verify", "--cmd", "cat /again", "--format", "json", "derived"))
    assert {report["platform"]: report["output"].strip() for report in reports} == {
        f"linux/{architecture}": machine for architecture, machine in MACHINES.items()
    }


@needs_skopeo
def test_skopeo_sends_one_variant_and_we_build_on_it(seeded, registry, built, context):
    single = f"{registry}/single:1"
    skopeo_copy(
        *("--override-arch", "arm64", "--format", "v2s2"),
        *(f"docker://{built[0]}", f"docker://{single}"),
    )
    directory = context(f"FROM {single}\nRUN test $(uname -m) = $(cat /machine)\n")
    seeded.ok("build", "--platform", "linux/arm64", "-t", "derived", directory)
    image = json.loads(seeded.ok("image", "inspect", "--format", "json", "derived"))
    assert [item["platform"] for item in image["variants"]] == ["linux/arm64"]


@needs_buildah
@pytest.mark.parametrize("architecture", MACHINES)
def test_buildah_reads_the_same_files(seeded, built, tmp_path, architecture):
    name, _ = built
    storage = ("--root", tmp_path / "root", "--runroot", tmp_path / "run")
    buildah = ("buildah", *storage, "--storage-driver", "vfs")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    container = run(
        *(*buildah, "from", "--tls-verify=false", "--arch", architecture),
        *("--signature-policy", policy, name),
    )
    theirs = Path(run(*buildah, "mount", container))
    try:
        assert (theirs / "machine").read_text().strip() == MACHINES[architecture]
        assert files_in(theirs) == files_in(unpacked(seeded, name, architecture, tmp_path))
    finally:
        run(*buildah, "rm", container)


def unpacked(amphora, name, architecture, tmp_path):
    """The image's layers, one after the other in one directory: no overlay, no whiteouts."""
    store = Store(amphora.store)
    root = tmp_path / "ours"
    root.mkdir()
    _, manifest, config = image_for(
        store.blobs, store.resolve(Reference.parse(name)), Platform("linux", architecture)
    )
    for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
        with store.blobs.open(layer.digest) as blob:
            apply_layer(LayerReader(blob), root, expected=diff_id)
    return root


def files_in(root):
    """Path → type, mode, owner, content or link, and time of everything but directories."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        facts = [oct(status.st_mode), status.st_uid, status.st_gid]
        if stat.S_ISREG(status.st_mode):
            facts += [hashlib.sha256(path.read_bytes()).hexdigest(), status.st_nlink]
        elif stat.S_ISLNK(status.st_mode):
            facts.append(str(path.readlink()))
        if not stat.S_ISDIR(status.st_mode):
            facts.append(int(status.st_mtime))
        found[str(path.relative_to(root))] = facts
    assert found
    return found
