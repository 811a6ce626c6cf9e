"""What a container writes while nobody looks: kept line by line, to be read later.

    2026-11-21T14:45:07.123456Z stdout F the text of a line

The format is that of Kubernetes' container logs, which other tools read as well: F is a whole
line, P a part of one.
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from amphora.system.process import Streams

#: What is older than the last this many bytes, once or twice that, is given up.
_MOST = 64 << 20

_CHUNK = 1 << 16

#: How long somebody who follows may have to wait for what was written.
_PAUSE_SECONDS = 0.1

_LOG, _BEFORE = "log", "log.1"


class Journal:
    """Writes into a directory; what cannot be written (the disk is full) is lost."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = self._open()

    def write(self, stream: str, chunk: bytes) -> None:
        """Add what a program wrote just now."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        start = f"{now} {stream}".encode()
        lines = (
            b"%b %b %b\n"
            % (start, b"F" if text.endswith(b"\n") else b"P", text.removesuffix(b"\n"))
            for text in chunk.splitlines(keepends=True)
        )
        with suppress(OSError):
            self._file.write(b"".join(lines))
            if self._file.tell() > _MOST:
                self._begin_anew()

    def close(self) -> None:
        self._file.close()

    def _begin_anew(self) -> None:
        self._file.close()
        (self._directory / _LOG).rename(self._directory / _BEFORE)
        self._file = self._open()

    def _open(self) -> BinaryIO:
        return open(self._directory / _LOG, "ab", buffering=0)


@asynccontextmanager
async def journalled(directory: Path) -> AsyncIterator[Streams]:
    """Descriptors: what is written to them goes into a journal; input never comes, nor ends."""
    async with AsyncExitStack() as stack:
        journal = Journal(directory)
        stack.callback(journal.close)
        outputs = [await _recorded(stack, journal, name) for name in ("stdout", "stderr")]
        silent, kept = os.pipe2(os.O_CLOEXEC)
        stack.callback(os.close, silent)
        stack.callback(os.close, kept)
        yield Streams(silent, *outputs)


async def _recorded(stack: AsyncExitStack, journal: Journal, name: str) -> int:
    """The end of a pipe to write to; closed at the end, when all has been recorded."""
    read, written = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(read, False)
    stack.callback(os.close, read)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def take() -> None:
        with suppress(BlockingIOError):
            if chunk := os.read(read, _CHUNK):
                journal.write(name, chunk)
            else:
                loop.remove_reader(read)
                ended.set()

    async def finish() -> None:
        os.close(written)
        await ended.wait()

    loop.add_reader(read, take)
    stack.push_async_callback(finish)
    return written


class Record(Struct, frozen=True):
    """What was written at once; `text` ends with a newline if that is the end of a line."""

    when: str
    stream: str
    text: bytes


class JournalReader:
    """Reads a journal that somebody may still be writing; used in a `with` statement."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None

    def __enter__(self) -> "JournalReader":
        before = self._directory / _BEFORE
        self._file = open(before if before.exists() else self._directory / _LOG, "rb")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def new(self) -> Iterator[Record]:
        """All that was written since the last time."""
        while self._file is not None:
            while line := self._file.readline():
                if not line.endswith(b"\n"):
                    self._file.seek(-len(line), os.SEEK_CUR)  # Half written.
                    break
                if (record := _parse(line)) is not None:
                    yield record
            if not self._went_on():
                return

    def _went_on(self) -> bool:
        """Is the file that we read the last one? If not, go on with that."""
        current = self._directory / _LOG
        if self._file is None or not current.exists():
            return False
        if os.path.samestat(os.fstat(self._file.fileno()), current.stat()):
            return False
        self._file.close()
        self._file = current.open("rb")
        return True


def _parse(line: bytes) -> Record | None:
    when, _, rest = line.partition(b" ")
    stream, _, rest = rest.partition(b" ")
    tag, _, text = rest.partition(b" ")
    if stream not in {b"stdout", b"stderr"} or tag not in {b"F", b"P"}:
        return None
    text = text if tag == b"F" else text.removesuffix(b"\n")
    return Record(when.decode(errors="replace"), stream.decode(), text)


def last_lines(records: Iterator[Record], count: int | None) -> Iterator[Record]:
    """Only so many lines at the end; all of them if that is None."""
    if count is None:
        yield from records
        return
    kept: deque[Record] = deque()
    ends = 0
    for record in records:
        kept.append(record)
        ends += record.text.endswith(b"\n")
        while ends > count:
            ends -= kept.popleft().text.endswith(b"\n")
    # One that has only begun is a line as well.
    while kept and ends + (not kept[-1].text.endswith(b"\n")) > count:
        ends -= kept.popleft().text.endswith(b"\n")
    yield from kept


def followed(reader: JournalReader, goes_on: Callable[[], bool]) -> Iterator[Record]:
    """What is written from now on, until nobody writes any more; blocks while nothing is."""
    while True:
        last = not goes_on()
        yield from reader.new()
        if last:
            return
        time.sleep(_PAUSE_SECONDS)
