"""Answering a step that installs programs: what is judged anew, what is fetched, and floods."""

import asyncio
import os
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from amphora.core.platform import Platform
from amphora.emulation.offer import SHOWN_AT, Offer, offered

pytestmark = pytest.mark.privileged

HOST = Platform.host()
FOREIGN = next(Platform.parse(name) for name in ("arm64", "amd64") if name != HOST.architecture)
PYTHON = "usr/bin/python3.13"
COMPILE = ("-m", "py_compile", "x.py")


@dataclass
class Shop:
    """An image without programs (a Stage), a native root that has some, and who fetches more."""

    stage: Any
    fetched: list[dict[str, str]] = field(default_factory=list)
    brings: bool = True

    @property
    def area(self) -> Path:
        return self.stage.root / SHOWN_AT.lstrip("/")

    def native(self, name: str, *programs: str) -> Path:
        root = self.area / name
        for program in programs:
            self.put(root / program, "native")
        return root

    def install(self, path: str) -> str:
        """Put a foreign program into the image; returns its path there."""
        self.put(self.stage.root / path, "foreign")
        return f"/{path}"

    def put(self, place: Path, kind: str) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(".new")
        shutil.copy(self.stage.programs[kind], fresh)
        fresh.rename(place)

    def register(self, root: Path, package: str, version: str) -> None:
        """As dpkg does it before it configures what it has unpacked."""
        database = root / "var/lib/dpkg"
        (database / "info").mkdir(parents=True, exist_ok=True)
        entry = f"Package: {package}\nStatus: install ok unpacked\nVersion: {version}\n\n"
        (database / "status").write_text(entry)
        (database / f"info/{package}.list").write_text(f"/{PYTHON}\n")

    async def fetch(self, packages):
        self.fetched.append(dict(packages))
        if not self.brings:
            return None
        native = self.native(f"root-{len(self.fetched)}", PYTHON)
        for package, version in packages.items():
            self.register(native, package, version)
        return native

    def offer(self) -> Offer:
        native = self.native("root-0", "usr/bin/sed")
        return Offer(self.area, native, FOREIGN, self.fetch)

    async def run(self, path: str, *arguments: str) -> bool:
        """Execute it in the image; was it handed off?"""
        ran = await asyncio.to_thread(self.stage.run, *arguments, executable=path)
        assert ran.status == 0
        return ran.native


@pytest.fixture
def shop(on_stage):
    """Call a coroutine function with a shop while its offer stands; the result and account."""

    def call(function):
        async def offering(stage):
            made = Shop(stage)
            async with offered(made.offer(), stage.root) as account:
                result = await function(made)
            return result, dict(account.handed_off), dict(account.emulated)

        return on_stage(lambda stage: asyncio.run(offering(stage)))

    return call


def test_a_program_that_comes_later_is_handed_off_and_so_is_the_next_of_its_name(shop):
    async def inside(shop):
        first = await shop.run(shop.install("usr/bin/sed"))
        second = await shop.run(shop.install("usr/bin/sed"))
        return first, second, await shop.run("/usr/bin/sed")

    assert shop(inside) == ((True, True, True), {"/usr/bin/sed": 3}, {})


def test_what_no_rule_names_or_the_native_side_lacks_stays_in_qemu(shop):
    async def inside(shop):
        paths = ("usr/bin/uname", "usr/bin/grep", "opt/sed")
        return [await shop.run(shop.install(path)) for path in paths]

    ran, handed_off, _ = shop(inside)
    assert ran == [False, False, False]
    assert handed_off == {}


def test_a_path_that_is_a_link_is_followed_in_the_image(shop):
    async def inside(shop):
        shop.install("usr/bin/sed")
        (shop.stage.root / "bin/edit").symlink_to("/usr/bin/sed")
        return await shop.run("/bin/edit")

    assert shop(inside)[0]


def test_a_package_is_fetched_when_something_of_it_is_executed(shop):
    async def inside(shop):
        shop.register(shop.stage.root, "python3.13-minimal", "3.13.5-2")
        python = shop.install(PYTHON)
        before = list(shop.fetched)
        ran = [await shop.run(python, *COMPILE), await shop.run(python, "-c", "pass")]
        return before, ran, await shop.run(shop.install(PYTHON), *COMPILE), shop.fetched

    wanted = [{"python3.13-minimal": "3.13.5-2"}]
    assert shop(inside)[0] == ([], [True, False], True, wanted)


def test_what_cannot_be_fetched_is_tried_once(shop):
    async def inside(shop):
        shop.brings = False
        shop.register(shop.stage.root, "python3.13-minimal", "3.13.5-2")
        ran = [await shop.run(shop.install(PYTHON), *COMPILE) for _ in range(3)]
        return ran, len(shop.fetched)

    assert shop(inside)[0] == ([False] * 3, 1)


def test_many_that_ask_at_once_wait_for_one_fetch(shop):
    async def inside(shop):
        shop.register(shop.stage.root, "python3.13-minimal", "3.13.5-2")
        python = shop.install(PYTHON)
        ran = await asyncio.gather(*(shop.run(python, *COMPILE) for _ in range(5)))
        return all(ran), len(shop.fetched)

    assert shop(inside)[0] == (True, 1)


def test_nonsense_is_answered_with_no_and_silence_holds_nobody_up(shop):
    """Any program may talk to the socket: whatever it says, others are answered."""

    async def inside(shop):
        with ExitStack() as silent:
            for _ in range(50):
                silent.enter_context(_connected(shop.area))
            questions = (b"\0", b"/\xff", b"relative", b"/" + b"x" * 9000, b"/..//../etc/passwd")
            answers = [await asyncio.to_thread(_ask, shop.area, text) for text in questions]
            return set(answers), await shop.run(shop.install("usr/bin/sed"))

    assert shop(inside)[0] == ({b"N"}, True)


def _connected(area: Path) -> socket.socket:
    """By a short name, as the worker binds it."""
    directory = os.open(area, os.O_PATH)
    link = socket.socket(socket.AF_UNIX)
    try:
        link.connect(f"/proc/self/fd/{directory}/ask")
    finally:
        os.close(directory)
    return link


def _ask(area: Path, question: bytes) -> bytes:
    with _connected(area) as link:
        link.sendall(question)
        return link.recv(1)
