"""The journal of a container in the background: what is written can be read, whatever it is."""

import asyncio
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.runtime import journal
from amphora.runtime.journal import Journal, JournalReader, Record, followed, journalled, last_lines


def read(directory):
    with JournalReader(directory) as reader:
        return list(reader.new())


def text_of(records, stream="stdout"):
    return b"".join(record.text for record in records if record.stream == stream)


@given(chunks=st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=40))))
def test_what_was_written_is_read_byte_for_byte(tmp_path_factory, chunks):
    directory = tmp_path_factory.mktemp("journal")
    writer = Journal(directory)
    for stream, chunk in chunks:
        writer.write(stream, chunk)
    writer.close()
    records = read(directory)
    for stream in ("stdout", "stderr"):
        written = b"".join(chunk for name, chunk in chunks if name == stream)
        assert text_of(records, stream) == written


def test_lines_are_as_kubernetes_keeps_them(tmp_path):
    writer = Journal(tmp_path)
    writer.write("stdout", b"whole\nbegun")
    writer.write("stderr", b"wrong\n")
    writer.close()
    time = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
    pattern = rb"%b stdout F whole\n%b stdout P begun\n%b stderr F wrong\n" % (time, time, time)
    assert re.fullmatch(pattern, (tmp_path / "log").read_bytes())


def test_a_line_that_is_half_written_is_read_later(tmp_path):
    log = tmp_path / "log"
    start = b"2026-01-01T00:00:00.000000Z stdout F "
    log.write_bytes(start + b"one\n" + start + b"tw")
    with JournalReader(tmp_path) as reader:
        assert text_of(reader.new()) == b"one\n"
        with log.open("ab") as file:
            file.write(b"o\n")
        assert text_of(reader.new()) == b"two\n"
        assert not list(reader.new())


def test_what_is_no_record_is_passed_over(tmp_path):
    lines = [b"", b"x", b"time stdin F x", b"time stdout Q x", b"time stderr F said"]
    (tmp_path / "log").write_bytes(b"\n".join(lines) + b"\n")
    assert read(tmp_path) == [Record("time", "stderr", b"said\n")]


def test_the_beginning_of_much_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_MOST", 1000)
    writer = Journal(tmp_path)
    with JournalReader(tmp_path) as reader:
        seen = b""
        for number in range(200):
            writer.write("stdout", b"%d\n" % number)
            seen += text_of(reader.new())
    writer.close()
    assert seen == b"".join(b"%d\n" % number for number in range(200))
    left = text_of(read(tmp_path))
    assert seen.endswith(left)
    assert 0 < len(left) < len(seen)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2200


@pytest.mark.parametrize(
    ("count", "expected"), [(None, b"a\nb\nc"), (0, b""), (1, b"c"), (2, b"b\nc"), (9, b"a\nb\nc")]
)
def test_the_last_lines(count, expected):
    texts = (b"a\n", b"b", b"\n", b"c")
    records = [Record("", "stdout", text) for text in texts]
    assert text_of(last_lines(iter(records), count)) == expected


def test_following_ends_with_the_writer(tmp_path):
    writer = Journal(tmp_path)
    writer.write("stdout", b"1\n")
    answers = iter([True, False])

    def goes_on():
        # What is written just before the end is read as well.
        writer.write("stdout", b"more\n")
        return next(answers)

    with JournalReader(tmp_path) as reader:
        assert text_of(followed(reader, goes_on)) == b"1\nmore\nmore\n"
    writer.close()


def test_descriptors_lead_into_it(tmp_path):
    async def body():
        async with journalled(tmp_path) as ends:
            # More than a pipe holds: somebody must read while it is written.
            await asyncio.to_thread(_write_all, ends.stdout, b"out\n" * 100_000)
            os.write(ends.stderr, b"err")
            os.set_blocking(ends.stdin, False)
            with pytest.raises(BlockingIOError):
                os.read(ends.stdin, 1)

    asyncio.run(body())
    records = read(tmp_path)
    assert text_of(records) == b"out\n" * 100_000
    assert text_of(records, "stderr") == b"err"


def _write_all(descriptor, content):
    while content:
        content = content[os.write(descriptor, content) :]
