"""Layers unpacked into snapshots, and overlays mounted from them, with the kernel's own overlayfs.

Every test's body runs as root of new namespaces.
"""

import io
import os
import signal
import stat
import tarfile

import pytest
from waiting import wait_until

from amphora.core.descriptor import OCI_LAYER, OCI_LAYER_GZIP
from amphora.core.digest import Digest
from amphora.core.errors import DigestMismatchError, LayerError, NotFoundError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.assembly import put_image
from amphora.oci.blobs import BlobStore
from amphora.oci.config import ImageConfig, chain_id
from amphora.oci.layers.diff import write_diff
from amphora.oci.layers.writer import LayerWriter
from amphora.oci.snapshots import Layer, Snapshots
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store
from amphora.oci.workspace import (
    abandoned_workspaces,
    remove_tree,
    sweep_workspaces,
    workspace,
)
from amphora.system.namespace import run_inside

pytestmark = pytest.mark.privileged


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path)


@pytest.fixture
def layer(blobs):
    """Store a layer of `name: text`; a name that ends in a slash is a directory."""

    def layer(**files):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(name.rstrip("/"))
                info.mtime = 1_000_000_000
                if name.endswith("/"):
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
        content = file.getvalue()
        with LayerWriter(blobs) as writer:
            writer.write(content)
            written = writer.commit()
        assert written.diff_id == Digest.of(content)
        return Layer(written.descriptor, written.diff_id)

    return layer


def files(root):
    """Every regular file below a root, with its text."""
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


def seen(blobs, layers):
    """What is in the mounted stack of layers."""
    with workspace(blobs.root) as work:
        snapshots = Snapshots(blobs, work)
        snapshots.unpack(layers)
        with snapshots.mounted([layer.diff_id for layer in layers]) as overlay:
            return files(overlay.root)


def snapshot_names(blobs):
    return {path.name for path in (blobs.root / "snapshots").iterdir()}


def test_layers_lie_on_top_of_each_other(blobs, layer, in_worker):
    stack = [
        layer(**{"d/": "", "d/old": "1", "d/gone": "1", "other": "1"}),
        layer(**{"d/.wh.gone": "", "d/old": "2", "d/new": "2"}),
        layer(**{"d/.wh..wh..opq": "", "d/last": "3"}),
        layer(**{".wh.d": "", "e": "4"}),
        layer(d="a file now"),
    ]
    pictures = [
        {"d/old": "1", "d/gone": "1", "other": "1"},
        {"d/old": "2", "d/new": "2", "other": "1"},
        {"d/last": "3", "other": "1"},
        {"e": "4", "other": "1"},
        {"e": "4", "other": "1", "d": "a file now"},
    ]

    def look():
        return [seen(blobs, stack[: height + 1]) for height in range(len(stack))]

    assert in_worker(look) == pictures
    diff_ids = [item.diff_id for item in stack]
    assert snapshot_names(blobs) == {
        chain_id(diff_ids[: height + 1]).hex for height in range(len(stack))
    }


def test_a_stack_of_none_is_empty_and_makes_no_snapshot(blobs, in_worker):
    assert in_worker(lambda: seen(blobs, [])) == {}
    assert snapshot_names(blobs) == set()


def test_the_same_layer_on_different_ones_is_a_snapshot_of_its_own(blobs, layer, in_worker):
    one, two, top = layer(**{"d/": "", "d/a": "1"}), layer(b="2"), layer(**{"d/.wh.a": ""})
    assert in_worker(lambda: [seen(blobs, [one, top]), seen(blobs, [two, top])]) == [{}, {"b": "2"}]
    assert len(snapshot_names(blobs)) == 4


def test_more_layers_than_fit_into_mount_options_by_name(blobs, layer, in_worker):
    stack = [layer(**{f"file{number}": str(number)}) for number in range(100)]
    assert len(in_worker(lambda: seen(blobs, stack))) == 100


def test_times_and_owners_survive_unpacking(blobs, layer, in_worker):
    below = layer(**{"d/": "", "d/f": "x"})

    def look():
        with workspace(blobs.root) as work:
            snapshots = Snapshots(blobs, work)
            snapshots.unpack([below])
            with snapshots.mounted([below.diff_id]) as overlay:
                status = [(overlay.root / name).stat() for name in ("d", "d/f")]
                return [(item.st_mtime, item.st_uid) for item in status]

    assert in_worker(look) == [(1_000_000_000, 0)] * 2


def test_changes_go_unless_they_are_kept(blobs, layer, in_worker):
    below = layer(**{"d/": "", "d/f": "x", "gone": ""})

    def change():
        with workspace(blobs.root) as work:
            snapshots = Snapshots(blobs, work)
            snapshots.unpack([below])
            with snapshots.mounted([below.diff_id]) as overlay:
                (overlay.root / "lost").write_text("lost")
            with snapshots.mounted([below.diff_id]) as overlay:
                (overlay.root / "d/f").write_text("changed")
                (overlay.root / "gone").unlink()
                with LayerWriter(blobs) as writer:
                    write_diff(overlay.upper, writer)
                    written = writer.commit()
                overlay.keep([below.diff_id, written.diff_id])
            kept = Layer(written.descriptor, written.diff_id)
            from_kept = seen(blobs, [below, kept])
        for name in snapshot_names(blobs):
            remove_tree(blobs.root / "snapshots" / name)
        return from_kept, seen(blobs, [below, kept])

    expected = {"d/f": "changed"}
    assert in_worker(change) == (expected, expected)
    assert len(snapshot_names(blobs)) == 2


def test_nothing_is_kept_when_the_body_fails(blobs, layer, in_worker):
    below = layer(a="1")

    def fail():
        with workspace(blobs.root) as work:
            snapshots = Snapshots(blobs, work)
            snapshots.unpack([below])
            try:
                with snapshots.mounted([below.diff_id]) as overlay:
                    overlay.keep([below.diff_id, below.diff_id])
                    raise ZeroDivisionError
            except ZeroDivisionError:
                return sorted(path.name for path in work.iterdir())

    assert in_worker(fail) == ["empty"]
    assert snapshot_names(blobs) == {chain_id([below.diff_id]).hex}


def test_a_bottom_is_shown_and_never_kept(blobs, layer, tmp_path, in_worker):
    below = layer(**{"etc/": "", "etc/own": "image"})
    bottom = tmp_path / "bottom"
    (bottom / "etc").mkdir(parents=True)
    (bottom / "etc/hosts").write_text("")
    (bottom / "proc").mkdir()

    def look():
        with workspace(blobs.root) as work:
            snapshots = Snapshots(blobs, work)
            snapshots.unpack([below])
            with snapshots.mounted([below.diff_id], bottom=bottom) as overlay:
                shown = sorted(path.name for path in overlay.root.rglob("*"))
                return shown, list(overlay.upper.iterdir())

    assert in_worker(look) == (["etc", "hosts", "own", "proc"], [])


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"no tar at all" * 100, LayerError), (bytes(1024), DigestMismatchError)],
)
def test_a_bad_layer_leaves_no_snapshot(blobs, in_worker, content, error):
    bad = Layer(blobs.put(content, OCI_LAYER), Digest.of(b"something else"))

    def unpack():
        try:
            seen(blobs, [bad])
        except error:
            return True

    assert in_worker(unpack)
    assert snapshot_names(blobs) == set()
    assert list((blobs.root / "work").iterdir()) == []


def test_a_missing_blob_is_said_to_be_missing(blobs, layer, in_worker):
    lost = layer(a="1")
    blobs.delete(lost.blob.digest)

    def unpack():
        try:
            seen(blobs, [lost])
        except NotFoundError:
            return True

    assert in_worker(unpack)


def test_several_processes_unpack_the_same_chain_at_once(blobs, layer, in_worker):
    stack = [
        layer(**{f"{height}/": "", **{f"{height}/{n}": "x" * n for n in range(200)}})
        for height in range(4)
    ]

    def race():
        children = []
        for _ in range(4):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if len(seen(blobs, stack)) == 800 else 2
                finally:
                    os._exit(status)
            children.append(child)
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    assert in_worker(race) == [0, 0, 0, 0]
    assert len(snapshot_names(blobs)) == 4
    assert list((blobs.root / "work").iterdir()) == []


def test_a_killed_unpack_leaves_nothing_that_counts_and_is_swept(blobs, layer, in_worker):
    big = layer(**{"d/": "", **{f"d/{number}": "x" * 10_000 for number in range(2000)}})

    child = os.fork()
    if child == 0:
        try:
            run_inside(lambda: len(seen(blobs, [big])))
        finally:
            os._exit(1)
    wait_until(lambda: list(blobs.root.glob("work/*/*/upper/d/1")))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    # The worker ends, and lets go of its lock, when the kernel finds its parent gone.
    wait_until(lambda: abandoned_workspaces(blobs.root))
    assert snapshot_names(blobs) == set()
    assert in_worker(lambda: sweep_workspaces(blobs.root)) == 1
    assert list((blobs.root / "work").iterdir()) == []
    assert len(in_worker(lambda: seen(blobs, [big]))) == 2000


def test_sweeping_leaves_the_living_alone(blobs, in_worker):
    def sweep():
        with workspace(blobs.root) as work:
            (work / "deep/er").mkdir(parents=True)
            mine = sweep_workspaces(blobs.root), abandoned_workspaces(blobs.root), work.is_dir()
        return mine, list((blobs.root / "work").iterdir())

    assert in_worker(sweep) == ((0, [], True), [])


def test_workspaces_are_removed_whatever_is_in_them(blobs, in_worker):
    def fill():
        with workspace(blobs.root) as work:
            (work / "locked").mkdir()
            (work / "locked/f").write_text("")
            os.mkfifo(work / "pipe")
            os.mknod(work / "whiteout", stat.S_IFCHR, 0)
            (work / "link").symlink_to("/etc")
            (work / "locked").chmod(0)
            here = os.open(work, os.O_DIRECTORY)
            for _ in range(1500):  # deeper than Python recurses, and than a path can name
                os.mkdir("deep", dir_fd=here)
                here, above = os.open("deep", os.O_DIRECTORY, dir_fd=here), here
                os.close(above)
            os.close(here)
        return list((blobs.root / "work").iterdir())

    assert in_worker(fill) == []


def test_snapshots_stay_that_an_image_has(blobs, layer, in_worker):
    one, two = layer(a="1"), layer(b="2")
    store = Store(blobs.root)
    config = ImageConfig(Platform.host(), diff_ids=(one.diff_id,))
    store.tag(Reference.parse("it"), put_image(blobs, config, [one.blob]))
    store.cache_put("key", CacheRecord(two.blob, two.diff_id, "", "native", 1.0))

    def collect(**options):
        seen(blobs, [one, two])
        seen(blobs, [two])
        return store.collect_garbage(**options).count

    for options, count in (({}, 2), ({"cache": True}, 3)):  # with the step's blob
        assert in_worker(lambda options=options: collect(**options)) == count
        assert snapshot_names(blobs) == {chain_id([one.diff_id]).hex}
    assert list((blobs.root / "work").iterdir()) == []


def test_the_media_type_does_not_matter(blobs, layer, in_worker):
    """Registries hold layers whose label is wrong; the content decides."""
    plain = layer(a="1")
    with blobs.open(plain.blob.digest) as file:
        relabelled = Layer(blobs.put(file.read(), OCI_LAYER_GZIP + "+unknown"), plain.diff_id)
    assert in_worker(lambda: seen(blobs, [relabelled])) == {"a": "1"}
