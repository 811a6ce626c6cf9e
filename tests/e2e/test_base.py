"""`base create` where it fails; that it works, the getting-started document shows."""

import json
import shutil
import tarfile

import pytest
from cpus import FOREIGN, MACHINES

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.graph import image_for
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@pytest.fixture(autouse=True)
def _needs_mmdebstrap():
    if not shutil.which("mmdebstrap"):
        pytest.skip("needs mmdebstrap: make setup")


def test_the_foreign_one_is_made_with_native_programs_and_shows_nothing_of_it(amphora):
    options = ("--platform", FOREIGN, "--variant", "essential", "--include=hostname")
    created = json.loads(
        amphora.ok("base", "create", "debian:trixie", *options, "--format", "json")
    )
    (variant,) = created["variants"]
    assert (variant["platform"], variant["ran"]) == (FOREIGN, "handoff")
    store = Store(amphora.store)
    image = store.resolve(Reference.parse("debian:trixie"))
    _, manifest, _ = image_for(store.blobs, image, Platform.parse(FOREIGN))
    with (
        store.blobs.open(manifest.layers[0].digest) as blob,
        tarfile.open(fileobj=blob, mode="r:gz") as layer,
    ):
        names = [name.strip("./") for name in layer.getnames()]
    assert {"usr/bin/dpkg", "usr/bin/hostname"} < set(names)
    assert "usr/bin/apt-get" not in names  # which every larger variant has
    assert [name for name in names if "amphora" in name or name.startswith("dev/")] == []
    assert list((amphora.store / "work").iterdir()) == []


@pytest.mark.parametrize("platform", MACHINES)
def test_an_unknown_suite_is_said_in_mmdebstraps_words(amphora, platform):
    failed = amphora("base", "create", "debian:nosuchsuite", "--platform", platform)
    assert failed.returncode == 23
    assert "mmdebstrap exited with status" in failed.stderr
    assert "nosuchsuite" in failed.stderr
    assert amphora.ok("image", "ls").splitlines()[1:] == []
    assert list((amphora.store / "work").iterdir()) == []


def test_other_distributions_are_refused_before_anything_starts(amphora):
    failed = amphora("base", "create", "fedora:42")
    assert failed.returncode == 10
    assert "for example debian:trixie" in failed.stderr
