"""A real store: written to, judged, swept of what killed processes leave."""

from amphora.doctor import storage
from amphora.doctor.check import Remedy, Verdict
from amphora.oci.store import Store


def leave_behind(root):
    """What a process that was killed leaves: locks that nobody holds, half a blob."""
    (root / "work/dead").mkdir(parents=True)
    (root / "work/dead/file").touch()
    (root / "work/dead.lock").touch()
    (root / "ingest/half").write_bytes(b"half")


def test_a_good_store_is_made_written_to_and_left_clean(tmp_path):
    store, checks = storage.open_store(tmp_path / "store")
    assert [check.verdict for check in checks] == [Verdict.OK]
    assert {check.verdict for check in storage.check_store(store)} <= {Verdict.OK, Verdict.WARNING}
    assert not any(check.remedy for check in storage.check_store(store))
    assert list((tmp_path / "store/work").iterdir()) == []


def test_a_store_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    store, (check,) = storage.open_store(tmp_path / "file/store")
    assert store is None
    assert check.verdict is Verdict.PROBLEM
    assert "not a directory" in check.seen
    assert "AMPHORA_STORE" in check.command


def test_a_database_that_is_none(tmp_path):
    Store(tmp_path)
    (tmp_path / "index.db").write_bytes(b"no database" * 100)
    store, (check,) = storage.open_store(tmp_path)
    assert store is None
    assert check.verdict is Verdict.PROBLEM
    assert "index.db" in check.seen
    assert f"rm {tmp_path}/index.db" in check.command


def test_leftovers_are_found_and_swept(tmp_path):
    store = Store(tmp_path)
    leave_behind(tmp_path)
    wanted = [check for check in storage.check_store(store) if check.remedy is Remedy.LEFTOVERS]
    assert ["1 workspaces and 1 files" in check.seen for check in wanted] == [True]
    assert storage.sweep(store) == "1 workspaces removed, and files of 4 bytes"
    assert not any(check.remedy for check in storage.check_store(store))
    assert list((tmp_path / "work").iterdir()) == list((tmp_path / "ingest").iterdir()) == []


def test_a_layout_that_lags_behind_is_mended(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "index.json").write_bytes(b"{}")
    (check,) = [check for check in storage.check_store(store) if check.remedy]
    assert check.name == "store's layout"
    storage.sweep(store)
    assert not any(check.remedy for check in storage.check_store(store))
