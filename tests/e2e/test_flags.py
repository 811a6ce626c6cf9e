"""Flags that no other test is about: what each changes."""

import json
import socket
from dataclasses import replace

import pytest
from cpus import FOREIGN

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


def test_where_the_registry_keeps_its_images(seeded, serving, tmp_path, context):
    directory = context("FROM busybox\n")
    with serving(before=("--registry-store", tmp_path / "kept")) as place:
        seeded.ok("build", "-t", f"{place}/it", "--push", directory)
    assert any((tmp_path / "kept").rglob("sha256/*"))
    assert not (seeded.home / "registry").exists()


def test_the_address_that_is_listened_on(serving):
    with serving("--host", "127.0.0.2") as place:
        host, _, port = place.partition(":")
        assert host == "127.0.0.2"
        socket.create_connection((host, int(port))).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)))


def test_registries_without_encryption_are_those_that_are_named(seeded, called_otherwise, tmp_path):
    place, told = called_otherwise
    there = told(seeded)
    there.ok("build", "-t", f"{place}/it", empty(tmp_path))
    assert there("push", f"{place}/it").returncode != 0
    there.ok("--insecure-registries", f"other:1,{place}", "push", f"{place}/it")
    there.ok("image", "rm", f"{place}/it")
    there.ok("--insecure-registries", place, "pull", f"{place}/it")


def test_one_step_at_a_time(seeded, context):
    """Both steps want a directory to be theirs alone, in a cache that they share."""
    step = (
        "RUN --mount=type=cache,id=both,target=/c"
        " mkdir /c/mine && sleep 0.5 && rmdir /c/mine && touch /{}\n"
    )
    directory = context(
        f"FROM busybox AS one\n{step.format('one')}"
        f"FROM busybox AS two\n{step.format('two')}"
        "FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
    )
    seeded.ok("--jobs", "1", "build", directory)


def test_bases_are_made_from_the_mirror_that_is_named(amphora, web):
    failed = amphora("--mirror", web.url("/mine"), "base", "create", "debian:trixie")
    assert failed.returncode == 23
    assert "/mine/dists/trixie/InRelease" in [path for path, _ in web.asked]


def test_a_base_without_handoff(amphora, tmp_path):
    """What would be done by native programs is left to mmdebstrap as it is."""
    tool = tmp_path / "tools/mmdebstrap"
    tool.parent.mkdir()
    root = r'for it; do case "$it" in */work/*) mkdir -p "$it/etc";; esac; done'
    tool.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n{root}\n')
    tool.chmod(0o755)
    path = f"{tool.parent}:{amphora.environ()['PATH']}"
    amphora = replace(amphora, environment={"PATH": path})
    flags = ("--platform", FOREIGN, "--handoff", "off", "--format", "json")
    [variant] = json.loads(amphora.ok("base", "create", "debian:trixie", *flags))["variants"]
    assert variant["ran"] == "emulated"
    [called] = (tmp_path / "called").read_text().splitlines()
    assert "hook" not in called


def test_a_base_that_is_here_is_asked_for_anew(seeded, registry, context, tmp_path):
    name = f"{registry}/base"
    other = replace(seeded, home=tmp_path)
    other_context = tmp_path / "other"
    other_context.mkdir()

    def publish(text):
        (other_context / "Dockerfile").write_text(f"FROM scratch\nLABEL is={text}\n")
        other.ok("build", "-t", name, "--push", other_context)

    def label(*flags):
        seeded.ok("build", "-t", "it", *flags, context(f"FROM {name}\n"))
        [variant] = json.loads(seeded.ok("image", "inspect", "--format=json", "it"))["variants"]
        return variant["labels"]["is"]

    publish("old")
    assert label() == "old"
    publish("new")
    assert label() == "old"
    assert label("--pull") == "new"


def empty(tmp_path):
    """A context of an image with next to nothing in it."""
    directory = tmp_path / "empty"
    directory.mkdir()
    (directory / "Dockerfile").write_text("FROM scratch\nLABEL made=here\n")
    return directory
