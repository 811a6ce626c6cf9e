"""What came out of verifying one variant: its files, its run if there was one, and its tests."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from amphora.verify.run import VariantReport
from amphora.verify.static import StaticReport
from amphora.verify.suite import Checked


class Outcome(Struct, frozen=True):
    """All reports of one variant; `run` is None if its own command was not run.

    `ran` says on what CPU programs of it ran: native or emulated, or empty.
    """

    static: StaticReport
    run: VariantReport | None = None
    tests: tuple[Checked, ...] = ()
    ran: str = ""

    @property
    def failures(self) -> Iterator[str]:
        """Why the variant is not what it should be, in words; none if it is."""
        for finding in self.static.findings:
            if finding.level == "error":
                yield f"{finding.path}: {finding.what}" if finding.path else finding.what
        if self.run and self.run.problem:
            yield self.run.problem
        for test in self.tests:
            if test.result == "failed":
                yield f"the test {test.name!r} of {test.source} failed: {test.problem}"

    @property
    def failed(self) -> bool:
        return any(True for _ in self.failures)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        static = self.static
        return {
            **({} if self.run is None else asdict(self.run)),
            "platform": str(static.platform),
            "ran": self.ran,
            "manifest": str(static.manifest.digest),
            "created": static.created,
            "checked": {"programs": static.programs, "scripts": static.scripts},
            "allowed": static.allowed,
            "findings": [asdict(finding) for finding in static.findings],
            "tests": [asdict(test) for test in self.tests],
        }
