"""Every error Amphora raises on purpose.

An error says three things: what happened, why, and the next command to type.
Each class has an exit code of its own (a test keeps them unique), so that a
script can tell a wrong password from a full disk.

    AmphoraError
    ├── InvalidValueError         10  a platform, digest, reference or setting that does not parse
    ├── DockerfileError           11  the Dockerfile is wrong, with file, line and caret
    ├── StepFailedError           12  a RUN step exited with a non-zero status
    │   └── EmulatorCrashError    14  the same, and a program of it crashed in the emulator
    ├── ContextError              13  the build context lacks what a step asks for
    ├── BakeError                 15  a bake or compose file is wrong, with file, line and caret
    ├── MissingToolError          20  a program that Amphora runs is not installed
    ├── UnsupportedPlatformError  21  this machine cannot execute a platform
    ├── NamespaceError            22  the kernel or the system denies a namespace
    ├── ToolFailedError           23  a program that Amphora runs failed
    ├── EmulatorError             24  the host's table of emulators is not as it should be
    ├── UnhealthyError            25  the doctor has found what does not work
    ├── ControlGroupError         26  control groups cannot limit what is to be limited
    ├── NotFoundError             30  no such image, blob or platform
    ├── StoreError                31  the store is damaged or in use
    ├── DiskFullError             32  no space is left where we write
    ├── DigestMismatchError       33  content is not what its digest says
    ├── LayerError                34  a layer is malformed or hostile
    ├── ManifestError             35  a manifest, index or config is malformed
    ├── RegistryError             40  the registry refused or answered nonsense
    ├── RegistryUnreachableError  41  no answer from the registry
    ├── RegistryAuthError         42  the registry did not accept our credentials
    ├── FetchError                43  a URL or a Git repository cannot be fetched
    ├── CacheError                44  a cache of build steps cannot be read or written
    ├── VerificationError         50  a variant is not what its label says
    ├── ContainerError            51  a container cannot be found, or not be had as it is asked for
    ├── BuilderError              52  a builder cannot be found, or not do what it is asked for
    ├── NotExecutableError       126  a container's command is there, but cannot be executed
    └── CommandNotFoundError     127  a container's command is not there
"""

from typing import ClassVar

#: What a shell expects of a program that Ctrl-C stopped (128 + SIGINT).
EXIT_INTERRUPTED = 130


class AmphoraError(Exception):
    """Base of all errors that a user is meant to read.

    `what` happened (one sentence), `why` it did, and `next_command`: what to
    type or do now. `excerpt`, where a file is to blame: its name, the line, and a
    caret below the word that is wrong.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self, what: str, *, why: str, next_command: str, excerpt: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_command = next_command
        self.excerpt = excerpt

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


class InvalidValueError(AmphoraError):
    exit_code = 10


class DockerfileError(AmphoraError):
    exit_code = 11


class StepFailedError(AmphoraError):
    exit_code = 12


class EmulatorCrashError(StepFailedError):
    exit_code = 14


class ContextError(AmphoraError):
    exit_code = 13


class BakeError(AmphoraError):
    exit_code = 15


class MissingToolError(AmphoraError):
    exit_code = 20


class UnsupportedPlatformError(AmphoraError):
    exit_code = 21


class NamespaceError(AmphoraError):
    exit_code = 22


class ToolFailedError(AmphoraError):
    exit_code = 23


class EmulatorError(AmphoraError):
    exit_code = 24


class UnhealthyError(AmphoraError):
    exit_code = 25


class ControlGroupError(AmphoraError):
    exit_code = 26


class NotFoundError(AmphoraError):
    exit_code = 30


class StoreError(AmphoraError):
    exit_code = 31


class DiskFullError(AmphoraError):
    exit_code = 32


class DigestMismatchError(AmphoraError):
    exit_code = 33


class LayerError(AmphoraError):
    exit_code = 34


class ManifestError(AmphoraError):
    exit_code = 35


class RegistryError(AmphoraError):
    exit_code = 40


class RegistryUnreachableError(AmphoraError):
    exit_code = 41


class RegistryAuthError(AmphoraError):
    exit_code = 42


class FetchError(AmphoraError):
    exit_code = 43


class CacheError(AmphoraError):
    exit_code = 44


class VerificationError(AmphoraError):
    exit_code = 50


class ContainerError(AmphoraError):
    exit_code = 51


class BuilderError(AmphoraError):
    exit_code = 52


class NotExecutableError(AmphoraError):
    exit_code = 126


class CommandNotFoundError(AmphoraError):
    exit_code = 127
