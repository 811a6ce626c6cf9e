"""Builders: stores that do not see each other, chosen, listed, removed; builds that are stopped."""

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from amphora.oci.archive import import_archive
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "linux/amd64,linux/arm64"
_PATIENCE = 60

#: In the command line of what a RUN starts that does not end by itself.
MARK = "amphora-endless-step"
ENDLESS = f"FROM busybox\nRUN : {MARK}; while :; do sleep 1; done\n"


@pytest.fixture
def program(seeded):
    """The program, whose ordinary store the configuration names: nothing is nearer."""
    file = seeded.home / ".config/amphora/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'store = "{seeded.store}"\n')
    return replace(seeded, environment={"AMPHORA_STORE": ""})


@pytest.fixture
def ci(program, busybox_archive):
    """The same, with a builder `ci` in use that has busybox, too."""
    program.ok("builder", "create", "--name", "ci", "--use")
    fill(program, "ci", busybox_archive)
    return program


def fill(program, name, archive):
    with archive.open("rb") as file:
        import_archive(Store(store_of(program, name)), file)


def store_of(program, name):
    return program.home / "builders" / name / "store"


def listed(program):
    return {each["name"]: each for each in json.loads(program.ok("builder", "ls", "--format=json"))}


def names(program, *flags):
    images = json.loads(program.ok(*flags, "image", "ls", "--format", "json"))
    return sorted(name for image in images for name in [image["name"]])


def in_use(program):
    return next(name for name, each in listed(program).items() if each["current"])


def begin(program, directory, *flags):
    """A build, of what does not end by itself."""
    return subprocess.Popen(
        program.command(*flags, "build", "--progress=plain", directory),
        env=program.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(true):
    deadline = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_do_not_see_each_other(ci, context, busybox_archive):
    """Neither images nor steps nor history."""
    directory = context("FROM busybox\nRUN echo made > /made\n")
    first = json.loads(ci.ok("build", "-t", "mine", "--format=json", directory))
    assert first["steps"][-1]["ran"] == "native"
    assert ci.ok("run", "mine", "cat", "/made") == "made\n"
    again = json.loads(ci.ok("build", "--format=json", directory))
    assert again["steps"][-1]["ran"] == "cached"

    assert ci.ok("builder", "create", "--name", "two") == "two\n"
    fill(ci, "two", busybox_archive)
    other = json.loads(ci.ok("build", "--builder", "two", "--format=json", directory))
    assert other["steps"][-1]["ran"] == "native"
    assert len(json.loads(ci.ok("history", "ls", "--format=json"))) == 2
    assert len(json.loads(ci.ok("--builder", "two", "history", "ls", "--format=json"))) == 1
    assert len(json.loads(ci.ok("--builder", "default", "history", "ls", "--format=json"))) == 0
    assert any("mine" in name for name in names(ci))
    for flags in (("--builder", "two"), ("--builder", "default")):
        assert not any("mine" in name for name in names(ci, *flags))
    ci.ok("--builder=two", "store", "check")


def test_which_one_is_worked_with(ci):
    """A flag, then the environment, then the file, then docker's variable, then `use`."""
    for name in ("two", "three", "four"):
        ci.ok("builder", "create", "--name", name)
    assert in_use(ci) == "ci"
    ci.ok("builder", "use", "two")
    assert in_use(ci) == "two"
    docker = replace(ci, environment={**ci.environment, "BUILDX_BUILDER": "three"})
    assert in_use(docker) == "three"
    unknown = replace(ci, environment={**ci.environment, "BUILDX_BUILDER": "of-docker"})
    assert in_use(unknown) == "two"
    file = ci.home / ".config/amphora/config.toml"
    file.write_text(f'{file.read_text()}builder = "four"\n')
    assert in_use(docker) == "four"
    named = replace(ci, environment={**ci.environment, "AMPHORA_BUILDER": "two"})
    assert in_use(named) == "two"
    told = named("builder", "use", "three")
    assert told.returncode == 0
    assert "here the builder is still two" in told.stderr
    created = named("builder", "create", "--use", "--name=five")
    assert (created.stdout, created.returncode) == ("five\n", 0)
    assert "here the builder is still two" in created.stderr
    with_flag = json.loads(named.ok("--builder=default", "builder", "inspect", "--format=json"))
    assert (with_flag["name"], with_flag["store"]) == ("default", str(ci.store))
    stored = replace(ci, environment={"AMPHORA_STORE": str(ci.store)})
    assert in_use(stored) == "default"


def test_one_that_is_not_there(ci, context):
    nobody = replace(ci, environment={**ci.environment, "AMPHORA_BUILDER": "nobody"})
    for done in (
        nobody("image", "ls"),
        ci("build", "--builder=nobody", context("FROM scratch\n")),
        ci("builder", "use", "nobody"),
        ci("builder", "inspect", "nobody"),
        ci("builder", "stop", "nobody"),
        ci("builder", "rm", "nobody"),
    ):
        assert done.returncode == 52, done.stderr
        assert "no builder is called nobody" in done.stderr
        assert "there are: default, ci" in done.stderr
    # It can be made all the same, and named again.
    nobody.ok("builder", "create", "--name", "nobody")
    nobody.ok("image", "ls")
    (ci.home / "builders/ci/builder.json").unlink()
    lost = ci("image", "ls")
    assert lost.returncode == 52
    assert "next: amphora builder use default" in lost.stderr


def test_a_store_and_a_builder_together(ci, context):
    directory = context("FROM scratch\n")
    for arguments in (
        ("--store", ci.store, "--builder", "ci", "image", "ls"),
        ("--store", ci.store, "build", "--builder", "ci", directory),
    ):
        done = ci(*arguments)
        assert done.returncode == 10
        assert "--store and --builder cannot both be given" in done.stderr


def test_fixed_platforms(program, context):
    directory = context("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
    program.ok("builder", "create", "--name=two", "--use", "--platform", BOTH, "--bootstrap")
    assert listed(program)["two"]["platforms"] == BOTH.split(",")
    program.ok("build", "--platform", BOTH, directory)
    refused = program("build", "--platform=linux/s390x", directory)
    assert refused.returncode == 21
    assert "the builder two does not build for linux/s390x" in refused.stderr
    program.ok("builder", "create", "--name=one", "--platform=linux/riscv64")
    done = json.loads(program.ok("build", "--builder=one", "--format=json", directory))
    assert [each["platform"] for each in done["variants"]] == ["linux/riscv64"]


def test_baking_at_a_builder(program, context):
    directory = context("FROM scratch\nCOPY Dockerfile /\n")
    (directory / "docker-bake.json").write_text(
        json.dumps({"target": {"free": {}, "fixed": {"platforms": ["linux/s390x"]}}})
    )
    program.ok("builder", "create", "--name=one", "--platform=linux/riscv64", "--jobs=1")
    flags = ("--builder=one", "--format=json", "--metadata-file=told.json")
    baked = program("bake", *flags, "free", cwd=directory)
    assert baked.returncode == 0, baked.stderr
    assert [each["platform"] for each in json.loads(baked.stdout)["free"]["variants"]] == [
        "linux/riscv64"
    ]
    built = json.loads(program.ok("--builder=one", "history", "ls", "--format=json"))
    told = json.loads((directory / "told.json").read_text())
    assert told["free"]["buildx.build.ref"] == f"one/one/{built[0]['id']}"
    assert len(built) == 1
    refused = program("bake", "--builder=one", "fixed", cwd=directory)
    assert refused.returncode == 21
    assert "does not build for linux/s390x" in refused.stderr


def test_no_more_steps_at_once_than_it_has_jobs(program, context, busybox_archive):
    """Both steps want a directory to be theirs alone, in a cache that they share."""
    program.ok("builder", "create", "--name=narrow", "--jobs=1")
    fill(program, "narrow", busybox_archive)
    step = (
        "RUN --mount=type=cache,id=both,target=/c"
        " mkdir /c/mine && sleep 0.5 && rmdir /c/mine && touch /{}\n"
    )
    directory = context(
        f"FROM busybox AS one\n{step.format('one')}"
        f"FROM busybox AS two\n{step.format('two')}"
        "FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
    )
    program.ok("--jobs=4", "build", "--builder=narrow", directory)
    found = listed(program)["narrow"]
    assert (found["jobs"], found["memory"], found["cpus"]) == (1, None, None)


def test_what_is_promised_is_proven(program, without):
    crunless = replace(without("crun"), environment=program.environment)
    refused = crunless("builder", "create", "--name=it", "--bootstrap")
    assert refused.returncode == 20
    assert "crun is not installed" in refused.stderr
    assert list(listed(program)) == ["default"]
    program.ok("builder", "create", "--name=it")
    assert not store_of(program, "it").exists()
    assert crunless("builder", "inspect", "it", "--bootstrap").returncode == 20
    shown = program.ok("builder", "inspect", "it", "--bootstrap")
    assert "Status:     inactive" in shown
    assert (store_of(program, "it") / "oci-layout").exists()
    mounts = (program.home / "builders").glob("**/work/*")
    assert list(mounts) == []


def test_removing(ci):
    for name in ("two", "three"):
        ci.ok("builder", "create", "--name", name)
    assert ci.ok("builder", "ls", "-q").split() == ["default", "ci", "three", "two"]
    assert ci.ok("builder", "rm", "two") == "two\n"
    assert not (ci.home / "builders/two").exists()
    # As with buildx, the one in use if none is named.
    assert ci.ok("builder", "rm", "--keep-state") == "ci\n"
    assert in_use(ci) == "default"
    refused = ci("builder", "rm")
    assert refused.returncode == 52
    assert "the builder default cannot be removed" in refused.stderr
    ci.ok("builder", "create", "--name", "ci", "--use")
    assert any("busybox" in name for name in names(ci))
    assert ci("builder", "rm", "--all-inactive", "--force", "ci").returncode == 10
    unasked = ci("builder", "rm", "--all-inactive")
    assert unasked.returncode != 0
    assert list(listed(ci)) == ["default", "ci", "three"]
    assert ci.ok("builder", "rm", "--all-inactive", "--force").split() == ["ci", "three"]
    assert list(listed(ci)) == ["default"]


def test_a_build_is_stopped(ci, context, remains):
    """It ends as on Ctrl-C; what runs elsewhere goes on."""
    directory = context(ENDLESS)
    process = begin(ci, directory)
    elsewhere = begin(ci, directory, "--builder", "default")
    try:
        wait_until(lambda: len(remains.processes(MARK)) >= 2)
        assert listed(ci)["ci"]["status"] == "running"
        refused = ci("builder", "rm", "ci")
        assert refused.returncode == 52
        assert "something uses its store" in refused.stderr
        identity = listed(ci)["ci"]["builds"][0]
        assert ci.ok("builder", "stop") == f"{identity}\n"
        output, _ = process.communicate(timeout=_PATIENCE)
        assert process.returncode == 130
        assert "interrupted" in output
        assert ci.ok("builder", "stop", "ci") == ""
        assert elsewhere.poll() is None
        assert listed(ci)["default"]["status"] == "running"
        built = json.loads(ci.ok("history", "inspect", "--format=json"))
        assert (built["id"], built["status"]) == (identity, "canceled")
        store = store_of(ci, "ci")
        assert [*(store / "work").iterdir(), *(store / "history").glob("*.stop")] == []
        ci.ok("store", "check")
    finally:
        elsewhere.send_signal(signal.SIGINT)
        elsewhere.communicate(timeout=_PATIENCE)


def test_two_builds_at_once_end_with_their_builder(ci, context, remains):
    directory = context(ENDLESS)
    processes = [begin(ci, directory) for _ in range(2)]
    wait_until(lambda: len(remains.processes(MARK)) >= 2)
    assert ci.ok("builder", "rm", "--force", "ci") == "ci\n"
    for process in processes:
        process.communicate(timeout=_PATIENCE)
        assert process.returncode == 130
    remains.wait_for_processes(MARK)
    assert not (ci.home / "builders/ci").exists()
    assert in_use(ci) == "default"


def test_a_build_that_was_killed_is_not_running(ci, context, remains):
    process = begin(ci, context(ENDLESS))
    wait_until(lambda: remains.processes(MARK))
    process.kill()
    process.communicate()
    remains.wait_for_processes(MARK)
    assert listed(ci)["ci"]["status"] == "inactive"
    assert ci.ok("builder", "stop") == ""
    assert ci.ok("builder", "rm", "ci") == "ci\n"


def test_what_is_run_keeps_a_builder(ci):
    ci.ok("run", "-d", "--name", "it", "busybox", "sleep", "600")
    try:
        refused = ci("builder", "rm", "--force", "ci")
        assert refused.returncode == 52
        assert "amphora --builder ci ps" in refused.stderr
        assert json.loads(ci.ok("--builder=default", "ps", "--format=json")) == []
    finally:
        ci.ok("stop", "-t", "0", "it")
    ci.ok("rm", "it")


def test_killed_at_any_moment(program, remains):
    """kill -9 while one is made with its store, or removed: it is there as a whole, or not."""
    chance = random.Random(8)
    root = program.home / "builders"
    for arguments in (("create", "--name=it", "--bootstrap"), ("rm", "it")) * 4:
        process = subprocess.Popen(
            program.command("builder", *arguments),
            env=program.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.random() * 0.6)
        process.kill()
        process.wait()
        remains.wait_for_processes()
        program.ok("builder", "ls")
        if "it" in listed(program):
            program.ok("builder", "inspect", "it", "--bootstrap")
            program.ok("--builder=it", "store", "check")
        else:
            program.ok("builder", "create", "--name=it", "--bootstrap")
        assert set(os.listdir(root)) <= {".lock", ".kept", "it"}
    assert not remains.mounts()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["eager"], "amphora builder create --name eager"),
        (["--driver=kubernetes"], "amphora builder create, without --driver"),
        (["--driver-opt", "memory=2g"], "--memory 2g"),
        (["--append"], "--platform"),
        (["--leave"], "--platform"),
        (["--node", "n"], "--platform"),
        (["--buildkitd-config", "f"], "amphora --help"),
        (["--buildkitd-flags", "--debug"], "amphora --help"),
        (["--name", "../up"], "amphora builder ls"),
        (["--memory", "99999999999g"], "as in --memory"),
        (["--cpus", "nan"], "as in --cpus"),
        (["--cpus", "inf"], "as in --cpus"),
    ],
)
def test_what_buildx_takes_and_is_nothing_here(program, flags, words):
    refused = program("builder", "create", *flags)
    assert refused.returncode == 10
    assert words in refused.stderr
    assert list(listed(program)) == ["default"]


def test_the_driver_that_ours_are_like(program):
    name = program.ok("builder", "create", "--driver", "docker-container").strip()
    assert list(listed(program)) == ["default", name]


def test_names_complete(ci):
    script = ci.ok("completion", "bash")
    assert "amphora" in script
    for words in ("amphora builder use c", "amphora --builder c"):
        environment = {
            **ci.environ(),
            "_AMPHORA_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(
            ci.command(), env=environment, capture_output=True, text=True, check=False
        )
        assert "plain,ci" in done.stdout


def test_where_builders_are(program):
    directory = program.home / "elsewhere"
    program.ok("--builder-directory", directory, "builder", "create", "--name", "far")
    assert sorted(os.listdir(directory)) == [".lock", "far"]
    assert list(listed(program)) == ["default"]
