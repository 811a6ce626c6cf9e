"""Builders on disk: made, kept, chosen and removed as a whole; what is read is not trusted."""

import os
import subprocess
import sys
import threading
import time

import pytest
from msgspec.structs import replace

from amphora.builders.builder import Builder
from amphora.builders.directory import Builders
from amphora.builders.in_use import name_in_use, put_in_use
from amphora.core.errors import BuilderError, UnsupportedPlatformError
from amphora.core.platform import Platform
from amphora.oci.store import Store
from amphora.system.cgroup_limits import Limits
from amphora.system.files import locked

ARM = Platform.parse("linux/arm64")
RISC = Platform.parse("linux/riscv64")


@pytest.fixture
def builders(tmp_path):
    return Builders(tmp_path / "builders")


def builder(builders, name="ci", **more):
    return Builder(name, builders.place(name), created="2026-11-21T12:00:00Z", **more)


def create(builders, name="ci", **more):
    made = builder(builders, name)
    builders.create(made, **more)
    return made


def test_one_is_found_as_it_was_made(builders):
    limits = Limits(memory=1 << 30, cpus=1.5)
    made = builder(builders, platforms=(ARM, RISC), limits=limits, jobs=3)
    builders.create(made)
    assert builders.find("ci") == made
    plain = create(builders, "a-plain_one.1")
    assert builders.all() == [plain, made]
    assert not plain.store.exists()


@pytest.mark.parametrize("name", ["ci", "default"])
def test_a_name_is_had_once(builders, name):
    create(builders)
    with pytest.raises(BuilderError, match=f"there is a builder called {name} already"):
        create(builders, name)


def test_one_that_is_not_there(builders):
    for act in (builders.find, builders.use, builders.remove):
        with pytest.raises(BuilderError, match="no builder is called ci"):
            act("ci")
    create(builders, "other")
    with pytest.raises(BuilderError) as caught:
        builders.find("ci")
    assert caught.value.why == "there are: default, other"


def test_what_it_cannot_prove_is_not_made(builders, tmp_path):
    def prove(promised):
        Store(promised.store)
        raise BuilderError("no", why="it cannot", next_command="try")

    with pytest.raises(BuilderError, match="it cannot"):
        create(builders, prove=prove)
    assert builders.all() == []
    assert os.listdir(tmp_path / "builders") == [".lock"]


def test_the_store_that_was_proven_is_the_one_it_has(builders):
    made = create(builders, prove=lambda promised: (Store(promised.store).root / "mark").touch())
    assert (made.store / "mark").exists()


def test_removed_with_all_that_is_in_it(builders, tmp_path):
    create(builders)
    (builders.place("ci") / "deep/er").mkdir(parents=True)
    builders.remove("ci")
    assert os.listdir(tmp_path / "builders") == [".lock"]


def test_the_default_one_stays(builders):
    with pytest.raises(BuilderError, match="default cannot be removed"):
        builders.remove("default")


def test_what_is_used_stays(builders):
    made = create(builders)
    with Store(made.store).using(), pytest.raises(BuilderError, match="something uses its store"):
        builders.remove("ci")
    assert builders.find("ci") == made
    builders.remove("ci")


def test_the_last_moment_of_a_build_is_waited_for(builders):
    made = create(builders)
    begun = threading.Event()

    def use():
        with Store(made.store).using():
            begun.set()
            time.sleep(0.3)

    user = threading.Thread(target=use)
    user.start()
    assert begun.wait(30)
    builders.remove("ci")
    user.join()
    assert builders.all() == []


def test_state_is_kept_for_the_next_one_of_the_name(builders):
    made = create(builders)
    (Store(made.store).root / "mark").touch()
    builders.remove("ci", keep_state=True)
    assert builders.all() == []
    builders.create(replace(made, jobs=7))
    assert (made.store / "mark").exists()
    assert builders.find("ci").jobs == 7
    builders.remove("ci", keep_state=True)
    builders.remove("ci")  # what was kept
    create(builders)
    assert not made.store.exists()


def test_one_is_in_use_until_it_is_removed(builders, tmp_path):
    root = tmp_path / "builders"
    assert name_in_use(root) == "default"
    create(builders, use=True)
    create(builders, "other")
    assert name_in_use(root) == "ci"
    builders.use("other")
    builders.remove("ci")
    assert name_in_use(root) == "other"
    builders.remove("other")
    assert name_in_use(root) == "default"
    create(builders, use=True)
    builders.use("default")
    assert name_in_use(root) == "default"


@pytest.mark.parametrize("content", [b"", b"../..\n", b"\xff\0", b"x" * 5000])
def test_a_damaged_choice_is_told(tmp_path, content):
    (tmp_path / ".current").write_bytes(content)
    with pytest.raises(BuilderError, match="not known which builder is in use") as caught:
        name_in_use(tmp_path)
    assert caught.value.next_command == "amphora builder use default"
    put_in_use(tmp_path, "default")
    assert name_in_use(tmp_path) == "default"


def test_a_choice_that_is_no_file_is_told(tmp_path):
    (tmp_path / ".current").symlink_to("/dev/zero")
    with pytest.raises(BuilderError, match="not known"):
        name_in_use(tmp_path)


GOOD = '{"name": "ci", "created": "now", "memory": 4096}'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        GOOD[:-1],
        GOOD.replace('"ci"', '"other"'),
        GOOD.replace("4096", "-1"),
        GOOD.replace("4096", '"x"'),
        GOOD.replace('"memory": 4096', '"cpus": 0'),
        GOOD.replace('"memory": 4096', '"cpus": 1e300'),
        GOOD.replace('"memory": 4096', '"jobs": -1'),
        GOOD.replace('"memory": 4096', '"platforms": ["linux/../.."]'),
        GOOD + " " * (1 << 17) + "x",
    ],
)
def test_what_we_would_not_have_written_is_damage(builders, tmp_path, content):
    create(builders)
    record = tmp_path / "builders/ci/builder.json"
    record.write_text(GOOD)
    assert builders.find("ci").limits.memory == 4096
    record.write_text(content)
    if len(content) > 1 << 17:  # what stands behind is not read
        assert builders.find("ci").limits.memory == 4096
    else:
        with pytest.raises(BuilderError, match="the builder ci is damaged"):
            builders.find("ci")
        assert builders.all() == []
    builders.remove("ci")


def test_a_record_that_is_no_file_is_damage(builders, tmp_path):
    create(builders)
    record = tmp_path / "builders/ci/builder.json"
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        record.unlink()
        make(record)
        with pytest.raises(BuilderError, match="damaged"):
            builders.find("ci")


def test_what_a_killed_process_left_goes(builders, tmp_path):
    root = tmp_path / "builders"
    create(builders)
    for name in (".new-1/store", ".gone-2/store", "unborn/store"):
        (root / name).mkdir(parents=True)
    assert [each.name for each in builders.all()] == ["ci"]
    create(builders, "unborn")
    assert sorted(os.listdir(root)) == [".lock", "ci", "unborn"]


def test_killed_while_it_is_made_or_removed(builders, tmp_path):
    """At every system call that changes a name: it is there as a whole, or not."""
    root = tmp_path / "builders"
    script = """
import os, signal, sys
from pathlib import Path
from amphora.builders.builder import Builder
from amphora.builders.directory import Builders

root, moment = Path(sys.argv[1]), int(sys.argv[2])
builders, seen = Builders(root), 0

def count(event, arguments):
    global seen
    if event in {"os.rename", "os.mkdir", "os.remove", "os.rmdir"}:
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
builders.create(Builder("ci", builders.place("ci"), created="now"), use=True)
(builders.place("ci") / "deep").mkdir(parents=True)
builders.remove("ci")
"""
    killed, moment = -9, 0
    while killed == -9:
        moment += 1
        killed = subprocess.run(
            [sys.executable, "-c", script, root, str(moment)], check=False
        ).returncode
        found = builders.all()
        assert found in ([], [Builder("ci", builders.place("ci"), created="now")])
        assert name_in_use(root) in {"default", *(each.name for each in found)}
        if found:
            builders.remove("ci")
        create(builders, "next")
        builders.remove("next")
        assert set(os.listdir(root)) <= {".lock", "ci"}
        if (root / "ci").exists():
            builders.remove("ci")
    assert killed == 0
    assert moment > 8


def test_only_one_changes_them_at_a_time(builders, tmp_path):
    create(builders)
    with locked(tmp_path / "builders/.lock"):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path;"
                "from amphora.builders.directory import Builders;"
                "Builders(Path(sys.argv[1])).use('ci')",
                tmp_path / "builders",
            ]
        )
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1)
    assert child.wait(30) == 0
    assert name_in_use(tmp_path / "builders") == "ci"


def test_fixed_platforms(builders):
    host = Platform.host()
    other = builder(builders, platforms=(RISC, ARM))
    free = builder(builders)
    assert free.platforms_for(()) == (host,)
    assert free.platforms_for((RISC,)) == (RISC,)
    assert builder(builders, platforms=(RISC, host)).platforms_for(()) == (host,)
    assert other.platforms_for(()) == ((host,) if host == ARM else (RISC,))
    with pytest.raises(UnsupportedPlatformError) as caught:
        other.platforms_for((ARM, Platform.parse("linux/s390x")))
    assert caught.value.what == "the builder ci does not build for linux/s390x"
    assert "--platform linux/riscv64,linux/arm64,linux/s390x" in caught.value.next_command
