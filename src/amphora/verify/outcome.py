"""What came out of verifying one variant: its files, and its run if there was one."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from amphora.verify.static import StaticReport
from amphora.verify.verify import VariantReport


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both reports of one variant; `run` is None if it was not run."""

    static: StaticReport
    run: VariantReport | None = None

    @property
    def failures(self) -> Iterator[str]:
        """Why the variant is not what its label says, in words; none if it is."""
        for finding in self.static.findings:
            if finding.level == "error":
                yield f"{finding.path}: {finding.what}" if finding.path else finding.what
        if self.run and self.run.problem:
            yield self.run.problem

    @property
    def failed(self) -> bool:
        return any(True for _ in self.failures)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        static = self.static
        return {
            **({} if self.run is None else asdict(self.run)),
            "platform": str(static.platform),
            "manifest": str(static.manifest.digest),
            "checked": {"programs": static.programs, "scripts": static.scripts},
            "allowed": static.allowed,
            "findings": [asdict(finding) for finding in static.findings],
        }
