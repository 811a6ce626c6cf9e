"""Every CPU that can be emulated: is its emulator there, does it run a program, what is known?"""

from collections.abc import Iterator

from amphora.core.errors import ToolFailedError, UnsupportedPlatformError
from amphora.core.platform import Platform
from amphora.doctor.check import Check, failed, ok, problem, refused, warning
from amphora.emulation.emulators import PACKAGE, find_emulator
from amphora.emulation.formats import FORMATS
from amphora.emulation.host.defects import defects_of
from amphora.emulation.support import Emulation, Execution

#: The two that every image should be for.
_BOTH = frozenset({"amd64", "arm64"})

_INSTALL = f"sudo apt-get install {PACKAGE}"
_REINSTALL = f"sudo apt-get install --reinstall {PACKAGE}"


def check_emulators(emulation: Emulation) -> Iterator[Check]:
    """In the worker: one check for each platform, and one for all that lack an emulator."""
    absent = []
    for architecture, elf in FORMATS.items():
        platform = Platform.parse(architecture)
        try:
            execution = emulation.prepare([platform])[platform]
        except UnsupportedPlatformError as error:
            if find_emulator(elf) is None and architecture not in _BOTH:
                absent.append(str(platform))
            else:
                yield failed(str(platform), error)
        except ToolFailedError as error:
            yield problem(str(platform), f"{error.what}: {error.why}", _REINSTALL)
        except OSError as error:
            yield refused(str(platform), error, _REINSTALL)
        else:
            yield _judge(platform, execution)
    if absent:
        seen = f"no emulator is installed for {', '.join(absent)}"
        yield warning("other platforms", seen, _INSTALL)


def _judge(platform: Platform, execution: Execution) -> Check:
    name = str(platform)
    if execution.emulator is None:
        return ok(name, "a program of it ran natively")
    seen = f"a program of it ran, emulated by {execution.emulator}"
    defects = defects_of(platform, execution.emulator.rpartition(" ")[2])
    if not defects:
        return ok(name, seen)
    known = defects[0]
    command = f"amphora emulator verify {platform} --deep"
    return warning(name, f"{seen}; known of it: {known.what}", command, source=known.reference)
