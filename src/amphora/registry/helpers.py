"""Credential helpers: `docker-credential-NAME get`, the host on stdin, JSON on stdout.

They talk to the desktop's key ring, so unlike the programs of a build they get the
whole environment. What they print is not repeated anywhere: it may hold a secret.
https://github.com/docker/docker-credential-helpers#development
"""

import asyncio
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from amphora.core.errors import MissingToolError, RegistryAuthError

#: Seconds; a key ring may have to ask its owner first.
TIMEOUT = 60.0

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
#: What every helper prints for a host it knows nothing of.
_NOT_FOUND = b"credentials not found in native keychain"


class Answer(Struct, frozen=True, rename="pascal"):
    """What a helper knows; its repr is left to nobody."""

    username: str
    secret: str

    def __repr__(self) -> str:
        return f"Answer(username={self.username!r})"


async def ask(name: str, key: str, file: Path, environment: Mapping[str, str]) -> Answer | None:
    """Ask helper `name` (configured in `file`) for a registry; None if it has no login.

    Raises MissingToolError if it is not installed, RegistryAuthError if it fails.
    """
    program = f"docker-credential-{name}"
    found = shutil.which(program, path=environment.get("PATH")) if _NAME.fullmatch(name) else None
    if found is None:
        raise MissingToolError(
            f"{program!r} is not installed",
            why=f"{file} says that logins are kept with it",
            next_command=f"install it, or remove credsStore and credHelpers from {file}",
        )
    process = await asyncio.create_subprocess_exec(
        found,
        "get",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=dict(environment),
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(key.encode()), TIMEOUT)
    except TimeoutError:
        raise _failed(program, f"it did not answer within {TIMEOUT:.0f} seconds") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        if _NOT_FOUND in output:
            return None
        raise _failed(program, f"it exited with status {process.returncode}")
    return _decode(program, output)


def _decode(program: str, output: bytes) -> Answer:
    try:
        return msgspec.json.decode(output, type=Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _failed(program, "its answer is not the JSON that helpers print") from None


def _failed(program: str, why: str) -> RegistryAuthError:
    return RegistryAuthError(
        f"{program} did not tell the login",
        why=why,
        next_command=f"see what `echo HOST | {program} get` says",
    )
