"""Cache mounts on disk: who shares which copy, and who waits."""

import asyncio
import os

import pytest
from msgspec.structs import replace

from amphora.oci.cache_mounts import CacheIdentity, CacheMounts

MINE = CacheIdentity("pip", uid=os.getuid(), gid=os.getgid())


@pytest.fixture
def caches(tmp_path):
    return CacheMounts(tmp_path)


def nothing(directory):
    pass


async def take(caches, sharing, identity=MINE, fill=nothing):
    """Hold it; returns the directory and what to call to let go."""
    holder = caches.held(identity, sharing, fill)
    return await holder.__aenter__(), lambda: holder.__aexit__(None, None, None)


def test_it_outlives_its_user_and_is_filled_once(caches):
    async def main():
        for line in "ab":
            directory, let_go = await take(caches, "shared", fill=fill)
            with (directory / "log").open("a") as file:
                file.write(line)
            await let_go()
        return (directory / "log").read_text()

    def fill(directory):
        (directory / "log").write_text("begins ")

    assert asyncio.run(main()) == "begins ab"


def test_sharers_share_and_private_ones_get_another_copy(caches):
    async def main():
        first, _ = await take(caches, "shared")
        second, _ = await take(caches, "shared")
        third, let_go = await take(caches, "private")
        fourth, _ = await take(caches, "private")
        await let_go()
        fifth, _ = await take(caches, "private")
        return first == second, len({first, third, fourth}), fifth == third

    assert asyncio.run(main()) == (True, 3, True)
    assert [(cache.id, cache.copies) for cache in caches.kept()] == [("pip", 3)]


def test_locked_waits_for_everybody_else(caches):
    async def main():
        first, let_go = await take(caches, "shared")
        waiting = asyncio.create_task(take(caches, "locked"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await let_go()
        second, _ = await waiting
        return first == second

    assert asyncio.run(main())


def test_who_waits_can_be_stopped(caches):
    async def main():
        _, let_go = await take(caches, "locked")
        waiting = asyncio.create_task(take(caches, "locked"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await let_go()
        return waiting.cancelled()

    assert asyncio.run(main())


def test_another_owner_mode_or_beginning_is_another_cache():
    others = [{"id": "x"}, {"mode": 0o700}, {"uid": 9}, {"gid": 9}, {"base": "b"}, {"source": "s"}]
    keys = {replace(MINE, **change).key for change in others}
    assert len(keys | {MINE.key}) == len(others) + 1


def test_a_filling_that_fails_leaves_nothing(caches, tmp_path):
    def fail(directory):
        (directory / "half").touch()
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        asyncio.run(take(caches, "shared", fill=fail))
    assert caches.kept() == []
    assert not list(tmp_path.rglob("half"))


def test_what_a_killed_build_left_goes_and_all_goes_when_asked(caches, tmp_path):
    directory, _ = asyncio.run(take(caches, "shared", replace(MINE, mode=0o711)))
    (directory / "file").write_bytes(bytes(1000))
    assert directory.stat().st_mode & 0o777 == 0o711
    (tmp_path / "mounts/.new-1234").mkdir()
    assert caches.remove(only_unfinished=True).count == 1
    (kept,) = caches.kept()
    assert (kept.copies, kept.in_use, kept.size >= 1000) == (1, False, True)
    assert caches.remove().size >= 1000
    assert not list((tmp_path / "mounts").iterdir())


def test_one_that_nobody_holds_is_buried_and_made_anew_by_who_comes(caches, tmp_path):
    grave = tmp_path / "grave"
    grave.mkdir()

    async def main():
        first, let_go = await take(caches, "private")
        _, let_go_too = await take(caches, "private")
        (first / "file").write_text("old")
        await let_go()
        (kept,) = caches.kept()
        refused = (kept.in_use, caches.bury(kept.key, grave))
        await let_go_too()
        gone = caches.bury(kept.key, grave)
        listed = caches.kept()
        again, _ = await take(caches, "shared")
        return refused, gone, listed, again == first, list(again.iterdir())

    assert asyncio.run(main()) == ((True, False), True, [], True, [])
    assert len(list(grave.iterdir())) == 2
    assert [cache.copies for cache in caches.kept()] == [1]
