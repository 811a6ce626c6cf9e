"""`amphora builder du` and `prune`: what goes, what stays, and what is then built again."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest

from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference
from amphora.oci import uses
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

MEGABYTE = 1 << 20
DOCKERFILE = """\
FROM busybox
ARG WHO=one
RUN echo $WHO; head -c 3145728 /dev/urandom > /large
RUN --mount=type=cache,id=kept,target=/kept echo more >> /kept/file; cp /kept/file /copy
COPY data /data
RUN true
"""


@pytest.fixture
def du(build):
    """Entries of the cache by the beginning of what they are; totals with --filter."""

    def look(*filters):
        arguments = [word for each in filters for word in ("--filter", each)]
        return json.loads(build.amphora.ok("builder", "du", "--format", "json", *arguments))

    return look


@pytest.fixture
def prune(build):
    """Without asking; returns the bytes that it says it freed."""

    def remove(*arguments):
        said = build.amphora.ok("builder", "prune", "-f", *arguments)
        return said.splitlines()[-1].removeprefix("Total: ")

    return remove


def age(root, title, hours):
    """As if nobody had used the steps with that in their title for so long."""
    uses.fold(root, Store(root).database)
    with sqlite3.connect(root / "index.db") as connection:
        seconds = hours * 3600
        done = connection.execute(
            "UPDATE uses SET used = used - ? WHERE instr(title, ?)", (seconds, title)
        )
        assert done.rowcount
    connection.close()


def executed(built):
    """Instructions that were; unpacking layers is none."""
    titles = {title for title, places in built.ran().items() if places != ["cached"]}
    return {title for title in titles if title[0].isupper()}


def test_the_cache_is_listed_with_what_it_takes(build, du):
    build.write(DOCKERFILE, data="x" * 100_000)
    build("-t", "it")
    build()
    found = {
        record["description"].partition("] ")[2] or record["description"]: record
        for record in du()["records"]
    }
    large = found["RUN echo $WHO; head -c 3145728 /dev/urandom > /large"]
    # The unpacked half of an image's layer is not the step's alone.
    assert large["size"] >= 3 * MEGABYTE
    assert (large["shared"], large["reclaimable"], large["usage_count"]) == (True, True, 2)
    assert found["cache mount kept"]["mutable"] is True
    assert found["RUN true"]["size"] == 0
    sums = du()
    assert sums["total"] == sums["shared"] + sums["private"]
    assert sums["reclaimable"] == sums["private"]
    assert sums["shared"] >= 3 * MEGABYTE
    assert du("type=exec.cachemount")["records"] == [found["cache mount kept"]]
    assert du("until=24h")["records"] == []
    table = build.amphora.ok("builder", "du").splitlines()
    assert table[0].split() == [
        "ID",
        "RECLAIMABLE",
        "SIZE",
        "LAST",
        "ACCESSED",
        "TYPE",
        "DESCRIPTION",
    ]
    assert [line.split(":")[0] for line in table[-4:]] == [
        *("Shared", "Private", "Reclaimable", "Total")
    ]
    details = build.amphora.ok("builder", "du", "--verbose", "--filter", "description=RUN true")
    assert "Usage count:    2" in details
    assert "Last used:      " in details


def test_what_was_not_used_goes_and_just_that_is_executed_again(build, prune, du):
    build.write(DOCKERFILE, data="x")
    built = build()
    age(build.amphora.store, "COPY data", hours=25)
    age(build.amphora.store, "RUN true", hours=25)
    assert prune("--filter", "until=26h") == "0 B"
    prune("--filter", "until=24h")
    assert not [each for each in du()["records"] if "COPY" in each["description"]]
    again = build()
    assert executed(again) == {"COPY data /data", "RUN true"}
    assert again.layer_digests() == built.layer_digests()
    assert executed(build()) == set()
    build.amphora.ok("store", "check")


def test_down_to_a_size_what_was_used_last_stays(build, prune, du):
    build.write(DOCKERFILE, data="x")
    for who in ("one", "two", "three"):
        build("--build-arg", f"WHO={who}")
    build("--build-arg", "WHO=one")
    before = du()["private"]
    freed = prune("--max-used-space", "16mb")
    assert freed.endswith(" MB")
    assert du()["private"] <= before - 6 * MEGABYTE
    assert executed(build("--build-arg", "WHO=one")) == set()
    assert executed(build("--build-arg", "WHO=three")) == set()
    assert "RUN true" in executed(build("--build-arg", "WHO=two"))
    assert prune("--reserved-space", "1gb") == "0 B"
    assert prune("--min-free-space", "1") == "0 B"
    prune("--max-used-space", "1gb", "--min-free-space", "1000tb", "--reserved-space", "16mb")
    assert 6 * MEGABYTE < du()["private"] <= 16 * MEGABYTE


def test_an_image_keeps_all_that_it_needs(build, prune, du):
    build.write(DOCKERFILE, data="kept")
    build("-t", "it")
    prune()
    assert {record["type"] for record in du()["records"]} == {"internal"}
    snapshots = list((build.amphora.store / "snapshots").iterdir())
    prune("--all")
    assert du()["records"] == []
    assert snapshots
    assert not list((build.amphora.store / "snapshots").iterdir())
    build.amphora.ok("store", "check")
    assert build.amphora.ok("run", "--rm", "it", "cat", "/data", "/copy") == "keptmore\n"
    assert "RUN true" in executed(build("-t", "it"))


def test_a_file_that_was_fetched_is_an_entry_of_its_own(build, web, page, du, prune):
    web.pages["/file?token=secret"] = page(b"x" * 5000, headers={"ETag": '"1"'})
    build.write(f"FROM busybox\nADD {web.url('/file?token=secret')} /file\n")
    build()
    (record,) = du("type=source.http")["records"]
    assert (record["description"], record["size"]) == (f"fetched from {web.url('/file')}", 5000)
    assert prune("--filter", "type=source.http") == "5 kB"
    assert du("type=source.http")["records"] == []
    assert not [path for path in (build.amphora.store / "remote").rglob("*") if path.is_file()]
    assert executed(build()) == set()
    assert len(du("type=source.http")["records"]) == 1


def test_it_asks_and_takes_no_for_an_answer(build, du):
    build.write(DOCKERFILE, data="x")
    build()
    before = du()["records"]
    command = build.amphora.command("builder", "prune")
    for answer, status in (("n\n", 130), ("", 130), ("y\n", 0)):
        done = subprocess.run(
            command,
            env=build.amphora.environ(),
            input=answer,
            text=True,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, "Go on?" in done.stdout) == (status, True)
        assert (du()["records"] == before) is (status != 0)
    verbose = build.amphora.ok("builder", "prune", "-f", "--verbose", "-a")
    assert "Type:           internal" in verbose


@pytest.mark.parametrize("size", ["ten", "-1", "10 parsecs", ""])
def test_what_is_no_size(build, size):
    done = build.amphora("builder", "prune", "-f", f"--max-used-space={size}")
    assert done.returncode == InvalidValueError.exit_code
    assert "--max-used-space cannot be" in done.stderr


WAITING = """\
FROM busybox AS below
COPY data /data
RUN echo $((1)) > /one
RUN true
FROM below
RUN --mount=type=cache,id=flag,target=/flag touch /flag/waits; \\
    until [ -e /flag/go ]; do sleep 0.02; done; cat /data /one > /all
COPY --from=below /one /two
"""


def test_beside_a_build_that_runs_all_stays_that_it_has(build, prune, du):
    build.write(DOCKERFILE, data="x")
    build()
    build.write(WAITING, data="data ")
    cache = build.amphora.home / "cache"
    arguments = (
        "build",
        "-t",
        "it",
        "--progress=plain",
        f"--cache-to=type=local,dest={cache},mode=max",
    )
    arguments += (build.directory,)
    running = subprocess.Popen(
        build.amphora.command(*arguments),
        env=build.amphora.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    mounts = build.amphora.store / "mounts"
    waits = wait_for(lambda: next(mounts.glob("*/0/waits"), None))
    in_use = du("inuse")["records"]
    # What it did is not noted before its end.
    assert {"cache mount flag", "unpacked layer that no image and no step leads to"} <= {
        record["description"] for record in in_use
    }
    assert not any(record["reclaimable"] for record in in_use)
    prune("--all")
    assert du()["records"] == du("inuse")["records"]
    assert not [each for each in du()["records"] if "RUN echo $WHO" in each["description"]]
    waits.with_name("go").touch()
    assert running.wait() == 0, running.stderr.read()
    running.stderr.close()
    build.amphora.ok("store", "check")
    assert build.amphora.ok("run", "--rm", "it", "cat", "/all", "/two") == "data 1\n1\n"
    assert du("inuse")["records"] == []
    # What it had done was remembered in its end: all of its steps are saved.
    prune("--all")
    again = build(f"--cache-from=type=local,src={cache}")
    assert executed(again) == set()


def wait_for(look):
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_what_is_unpacked_may_go_alone_and_from_the_middle(build, prune):
    """Steps go on upon layers of which some are unpacked still."""
    build.write(DOCKERFILE, data="x")
    build("-t", "it")
    snapshots = build.amphora.store / "snapshots"
    assert len(list(snapshots.iterdir())) == 4
    build.write(f"{DOCKERFILE}RUN touch /more\n", data="x")
    build()
    prune("--all", "--filter", "type=internal")
    assert len(list(snapshots.iterdir())) == 1  # of the step that no image has
    build.write(f"{DOCKERFILE}RUN touch /more\nRUN cat /data > /most\n", data="x")
    assert executed(build("-t", "it")) == {"RUN cat /data > /most"}
    assert build.amphora.ok("run", "--rm", "it", "cat", "/most") == "x"


def test_killed_in_the_middle_of_pruning_a_store_works(build, prune):
    build.write(DOCKERFILE, data="x")
    build("-t", "it")
    chance = random.Random(4)
    for number in range(4):
        build("--build-arg", f"WHO={number}")
        process = subprocess.Popen(
            build.amphora.command("builder", "prune", "-f"),
            env=build.amphora.environ(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(0.15 + chance.random() * 0.35)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        build("--build-arg", f"WHO={number}")
        build.amphora.ok("store", "check")
    prune("-a")
    assert build.amphora.ok("run", "--rm", "it", "cat", "/data") == "x"
    images = Store(build.amphora.store).images()
    assert [image.reference for image in images] == [*map(Reference.parse, ("busybox", "it"))]
