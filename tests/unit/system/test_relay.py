"""Copying in threads: whole, stoppable, and noticed at the other end."""

import asyncio
import os

from amphora.system.relay import Relay


def test_everything_is_copied_and_the_end_is_told():
    content = bytes(range(256)) * 4096

    async def copy():
        source, feed = os.pipe()
        read, sink = os.pipe()
        with Relay(source, sink) as relay:
            for descriptor in (source, sink):
                os.close(descriptor)
            with os.fdopen(feed, "wb") as file, os.fdopen(read, "rb") as result:
                writing = asyncio.to_thread(lambda: (file.write(content), file.close()))
                _, copied = await asyncio.gather(writing, asyncio.to_thread(result.read))
            await relay.ended()
            return copied, relay.beginning

    copied, beginning = asyncio.run(copy())
    assert copied == content
    assert beginning == content[:4096]


def test_a_reader_that_goes_away_is_noticed_by_the_writer():
    async def copy():
        source, feed = os.pipe()
        read, sink = os.pipe()
        with Relay(source, sink) as relay:
            for descriptor in (source, sink, read):
                os.close(descriptor)
            os.write(feed, b"x")
            await relay.ended()
            try:
                os.write(feed, b"x")
            except BrokenPipeError:
                return True
            finally:
                os.close(feed)
        return False

    assert asyncio.run(copy())


def test_it_stops_while_nobody_writes_or_reads():
    async def copy(*, full):
        source, feed = os.pipe()
        read, sink = os.pipe()
        os.set_blocking(sink, False)
        if full:
            os.set_blocking(feed, False)
            os.write(feed, bytes(1 << 16))
            os.write(sink, bytes(1 << 16))
        with Relay(source, sink) as relay:
            pass
        await relay.ended()
        for descriptor in (source, feed, read, sink):
            os.close(descriptor)

    for full in (False, True):
        asyncio.run(asyncio.wait_for(copy(full=full), 60))
