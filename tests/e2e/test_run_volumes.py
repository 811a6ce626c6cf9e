"""Volumes with a name: they outlive containers, and begin with what the image has there."""

import json
import subprocess

import pytest
from cpus import MACHINES
from waiting import wait_until

from amphora.core import errors

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

_PATIENCE = 30


def script(amphora, text, *flags, image="busybox"):
    return amphora.ok("run", *flags, image, "sh", "-c", text)


def volumes(amphora):
    return {each["name"]: each for each in json.loads(amphora.ok("volume", "ls", "--format=json"))}


@pytest.mark.parametrize("platform", MACHINES)
def test_it_outlives_its_container(seeded, remains, platform):
    flags = ("--platform", platform, "-v", "data:/d")
    script(seeded, "echo kept > /d/it; chown 8:12 /d/it", *flags)
    assert script(seeded, "cat /d/it; stat -c %u:%g /d/it", *flags) == "kept\n8:12\n"
    mount = ("--mount", "type=volume,src=data,dst=/other,readonly")
    refused = seeded("run", *mount, "busybox", "sh", "-c", "cat /other/it; touch /other/x")
    assert refused.stdout == "kept\n"
    assert "Read-only file system" in refused.stderr
    assert not remains.files()
    assert not remains.mounts()


def test_a_new_one_has_what_the_image_has_there(seeded, context):
    dockerfile = """\
FROM busybox
RUN mkdir -p /srv/it/below && echo first > /srv/it/file && ln -s file /srv/it/link
RUN chown 8:12 /srv/it /srv/it/file && chmod 750 /srv/it && ln -s srv/it /way
"""
    seeded.ok("build", "-q", "-t", "it", context(dockerfile))
    look = "cd /x; stat -c '%a %u:%g' . file; ls; cat link"
    expected = "750 8:12\n644 8:12\nbelow\nfile\nlink\nfirst\n"
    # By way of a link in the image, which is followed inside.
    first = script(seeded, look.replace("/x", "/way"), "-v", "one:/way", image="it")
    assert first == expected
    script(seeded, "echo second > /srv/it/file", "-v", "one:/srv/it", image="it")
    assert script(seeded, "cat /x/file", "-v", "one:/x", image="it") == "second\n"
    # Not into one that somebody has written to.
    script(seeded, "touch /x/mine", "-v", "two:/x")
    assert script(seeded, "ls /srv/it", "-v", "two:/srv/it", image="it") == "mine\n"
    seeded.ok("volume", "create", "three")
    assert script(seeded, "stat -c '%a %u:%g' /x; ls /x", "-v", "three:/x") == "755 0:0\n"
    # That nobody wrote to it is all that counts.
    again = script(seeded, look.replace("/x", "/srv/it"), "-v", "three:/srv/it", image="it")
    assert again == expected


def test_an_image_cannot_have_our_files_copied(seeded, context, tmp_path):
    """A link that leads out of it, at the place where the volume is shown."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("secret\n")
    dockerfile = f"FROM busybox\nRUN ln -s {tmp_path}/secret /x && ln -s / /y\n"
    seeded.ok("build", "-q", "-t", "it", context(dockerfile))
    for target in ("/x", f"/y/../..{tmp_path}/secret"):
        seeded("run", "-v", f"v:{target}", "it", "true")
        assert "secret" not in seeded("run", "-v", "v:/v", "busybox", "ls", "/v").stdout


def test_one_in_two_places_and_two_containers(seeded):
    flags = ("-v", "data:/a", "-v", "data:/b:ro")
    assert script(seeded, "echo x > /a/it; cat /b/it", *flags) == "x\n"
    seeded.ok("run", "-d", "--name=it", *flags, "busybox", "sleep", "600")
    try:
        assert script(seeded, "cat /a/it", "-v", "data:/a") == "x\n"
        assert volumes(seeded)["data"]["in_use"] is True
        refused = seeded("volume", "rm", "data")
        assert refused.returncode == errors.ContainerError.exit_code
        assert "a container that runs uses it" in refused.stderr
    finally:
        seeded.ok("rm", "-f", "it")
    assert seeded.ok("volume", "rm", "data") == "data\n"
    assert volumes(seeded) == {}


def test_listing_and_removing(seeded, remains):
    assert seeded.ok("volume", "ls").split() == ["NAME", "CREATED", "IN", "USE"]
    assert seeded.ok("volume", "create", "a", "b.c") == "a\nb.c\n"
    script(seeded, "echo x > /d/it", "-v", "a:/d")
    before = volumes(seeded)
    assert [each["in_use"] for each in before.values()] == [False, False]
    assert seeded.ok("volume", "create", "a") == "a\n"
    assert volumes(seeded) == before
    assert script(seeded, "cat /d/it", "-v", "a:/d") == "x\n"
    (shown,) = json.loads(seeded.ok("volume", "inspect", "a"))
    assert shown == before["a"]
    assert shown["place"] == str(seeded.store / "volumes/a/data")

    assert seeded("volume", "rm", "none").returncode == errors.NotFoundError.exit_code
    assert seeded("volume", "inspect", "none").returncode == errors.NotFoundError.exit_code
    assert seeded("volume", "create", "../x").returncode == errors.InvalidValueError.exit_code
    assert seeded("volume", "rm", "../volumes/a").returncode == errors.NotFoundError.exit_code
    refused = seeded("volume", "prune", "-f")
    assert refused.returncode == errors.InvalidValueError.exit_code
    assert seeded.ok("volume", "ls", "-q") == "a\nb.c\n"
    # Nobody says yes.
    assert seeded("volume", "prune", "-a").returncode != 0
    assert seeded.ok("volume", "prune", "-a", "-f") == "a\nb.c\n"
    assert volumes(seeded) == {}
    assert not remains.files()


def test_collecting_garbage_and_checking_leave_them_alone(seeded):
    script(seeded, "echo x > /d/it", "-v", "data:/d")
    seeded.ok("store", "gc", "--cache")
    seeded.ok("store", "check")
    assert script(seeded, "cat /d/it", "-v", "data:/d") == "x\n"


def test_one_that_is_killed_holds_nothing(seeded, remains):
    process = subprocess.Popen(
        seeded.command("run", "-v", "data:/d", "busybox", "sleep", "600"),
        env=seeded.environ(),
        stdin=subprocess.DEVNULL,
    )
    wait_until(lambda: volumes(seeded).get("data", {}).get("in_use"))
    process.kill()
    process.wait()
    remains.wait_for_processes()
    seeded.ok("volume", "rm", "data")
