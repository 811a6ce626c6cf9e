"""The keys under which steps are remembered."""

import asyncio
import dataclasses
from contextlib import nullcontext

import pytest
from msgspec.structs import replace

from amphora.build.attaching import Attached
from amphora.build.attachments import FileAttachment, MemoryAttachment
from amphora.build.copying import CopyRules
from amphora.build.executor import Executor
from amphora.build.run_options import RunOptions
from amphora.build.sandbox import Sandbox
from amphora.build.steps import CopyStep, RunStep, WorkdirStep
from amphora.core.descriptor import OCI_LAYER_GZIP
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.emulation.support import Execution
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")

RUN = RunStep(
    runtime=None,
    execution=Execution(ARM64, "qemu-aarch64"),
    title="[1/2] RUN make",
    arguments=("/bin/sh", "-c", "make"),
    environment={"A": "1", "B": "2"},
    passing_environment={"http_proxy": "http://proxy"},
    working_directory="/src",
    user="mail",
    sandbox=Sandbox(None, None, RunOptions()),
)
SECRET = FileAttachment("/run/secrets/s", b"one", None, {"secret": "s"})
COPY = CopyStep(
    find=nullcontext,
    content={"context": "sha256:1", "sources": ["a"]},
    destination="/new/",
    chown="",
    rules=CopyRules(),
)
WORKDIR = WorkdirStep("/src", "mail", None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def executor(store, tmp_path):
    def executor(epoch=None, use_cache=True, any_revision=False):
        work = tmp_path / f"work-{epoch}-{use_cache}-{any_revision}"
        work.mkdir()
        return Executor(
            store,
            Snapshots(store.blobs, work),
            work,
            slots=asyncio.Semaphore(1),
            use_cache=use_cache,
            source_date_epoch=epoch,
            any_revision=any_revision,
        )

    return executor


def layer(store, content):
    return Layer(store.blobs.put(content, OCI_LAYER_GZIP), Digest.of(content))


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (
            RUN,
            [
                {"arguments": ("/bin/sh", "-c", "make -j")},
                {"arguments": ("/bin/sh", "-c make")},
                {"environment": {"A": "1", "B": "3"}},
                {"environment": {"A": "1"}},
                {"environment": {"A": "2", "B": "1"}},
                {"working_directory": "/"},
                {"user": ""},
                {"execution": Execution(AMD64)},
                {"sandbox": Sandbox(None, None, RunOptions(), network="none")},
                {"sandbox": Sandbox(None, None, RunOptions(), insecure=True)},
                {"sandbox": Sandbox(None, None, RunOptions(hosts={"a": "10.0.0.1"}))},
                {"sandbox": Sandbox(None, None, RunOptions(shared_memory=1))},
                {"attached": Attached((MemoryAttachment("/a", None, read_only=False),))},
                {"attached": Attached((MemoryAttachment("/b", None, read_only=False),))},
                {"attached": Attached((SECRET,))},
            ],
        ),
        (
            COPY,
            [
                {"content": {"context": "sha256:2", "sources": ["a"]}},
                {"content": {"image": "sha256:1", "sources": ["a"]}},
                {"content": {"context": "sha256:1", "sources": ["a", "b"]}},
                {"destination": "/new"},
                {"chown": "mail"},
                {"rules": CopyRules(mode=0o755)},
                {"rules": CopyRules(mode=0)},
                {"rules": CopyRules(unpack=True)},
            ],
        ),
        (WORKDIR, [{"path": "/srv"}, {"user": ""}]),
    ],
)
def test_every_fact_is_part_of_the_key(executor, step, changes):
    executor = executor()
    steps = [step, *(replace(step, **change) for change in changes)]
    assert len({executor.key([], step) for step in steps}) == len(steps)


def test_different_steps_have_different_keys(executor):
    executor = executor()
    assert len({executor.key([], step) for step in (RUN, COPY, WORKDIR)}) == 3


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (
            RUN,
            [
                {"title": "[3/9] RUN make"},
                {"environment": {"B": "2", "A": "1"}},
                {"passing_environment": {}},
                {"execution": Execution(ARM64)},
                {"arguments": ["/bin/sh", "-c", "make"]},
            ],
        ),
        (
            COPY,
            [
                {"content": {"sources": ["a"], "context": "sha256:1"}},
                {"find": lambda: nullcontext([])},
            ],
        ),
    ],
)
def test_what_does_not_change_the_result_does_not_change_the_key(executor, step, changes):
    executor = executor()
    keys = {executor.key([], replace(step, **change)) for change in changes}
    assert keys == {executor.key([], step)}


def test_the_key_depends_on_the_layers_below_and_their_order(executor, store):
    executor, one, two = executor(), layer(store, b"1"), layer(store, b"2")
    stacks = [[], [one], [two], [one, two], [two, one]]
    assert len({executor.key(stack, COPY) for stack in stacks}) == len(stacks)


def test_the_key_depends_on_what_the_layers_unpack_to_not_on_their_compression(executor, store):
    below = layer(store, b"1")
    other = replace(below, blob=store.blobs.put(b"compressed otherwise", OCI_LAYER_GZIP))
    assert executor().key([below], COPY) == executor(epoch=None, use_cache=False).key([other], COPY)


def test_the_key_depends_on_source_date_epoch(executor):
    keys = {executor(epoch).key([], COPY) for epoch in (None, 0, 1)}
    assert len(keys) == 3


def test_a_remembered_step_comes_back_as_it_was(executor, store):
    executor, below = executor(), layer(store, b"1")
    key = executor.key([], COPY)
    assert executor.recall(key) is None
    store.cache_put(
        key, CacheRecord(below.blob, below.diff_id, "2020-01-01T00:00:00Z", "emulated", 2.5)
    )
    recalled = executor.recall(key)
    assert (recalled.layer, recalled.created) == (below, "2020-01-01T00:00:00Z")
    assert (recalled.cached, recalled.ran) == (True, "cached")


def test_a_step_that_changed_nothing_is_remembered_too(executor, store):
    executor = executor()
    key = executor.key([], RUN)
    store.cache_put(key, CacheRecord(None, None, "2020-01-01T00:00:00Z", "native", 0.1))
    assert executor.recall(key).layer is None


def test_a_step_whose_layer_is_gone_is_forgotten(executor, store):
    executor, below = executor(), layer(store, b"1")
    store.cache_put("key", CacheRecord(below.blob, below.diff_id, "", "native", 0.1))
    store.blobs.delete(below.blob.digest)
    assert executor.recall("key") is None


def test_without_cache_nothing_is_recalled(executor, store):
    store.cache_put("key", CacheRecord(None, None, "2020-01-01T00:00:00Z", "native", 0.1))
    assert executor(use_cache=False).recall("key") is None
    assert executor().recall("key") is not None


def test_a_secret_is_no_part_of_the_key(executor):
    key = executor().key
    keys = {
        key((), replace(RUN, attached=attached))
        for attached in (
            Attached((SECRET,), {}, {"TOKEN": "one"}),
            Attached((dataclasses.replace(SECRET, content=b"two"),), {}, {"TOKEN": "two"}),
        )
    }
    assert len(keys) == 1
