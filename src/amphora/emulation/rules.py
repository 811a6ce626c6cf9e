"""The rules of handoff, read from `rules.toml`."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from amphora.core.platform import Platform
from amphora.system.roots import glob_in_root

#: What the placeholders in a rule's paths may stand for.
_PLACEHOLDERS = {
    "triplet": "[a-z0-9_]+-linux-[a-z0-9]+",
    "version": "[0-9]+(?:[.][0-9]+)*",
    "goarch": "[a-z0-9]+",
    "libexec": "lib(?:exec)?",
}


class Rule(Struct, frozen=True):
    """When a program may be handed off; the fields are explained in `rules.toml`."""

    programs: Sequence[str]
    counterpart: str = ""
    package: str = ""
    only_as: Sequence[str] = ()
    also_as: Sequence[str] = ()
    also_as_unless: str = ""
    name_follows: Sequence[str] = ()
    never_as: Sequence[str] = ()
    only_with: Sequence[str] = ()
    only_scripts: Sequence[str] = ()
    never_with: Sequence[str] = ()
    never_with_prefix: Sequence[str] = ()
    inserted: Sequence[str] = ()
    replaced_after: str = ""
    replacement: str = ""
    script_never_has: Sequence[str] = ()
    environment: Sequence[str] = ()
    never_with_variable: Sequence[str] = ()
    only_with_variable: Sequence[str] = ()
    starts: Sequence[str] = ()
    accompanied: Sequence[str] = ()
    accompanied_where: str = ""
    names_architecture: bool = False
    same_word_size: bool = False
    renamed_libraries: Sequence[str] = ()

    def applied(self, root: Path) -> Iterator[tuple[str, "Rule"]]:
        """Each path (relative to a root) that the rule names there, and the rule for it.

        The rule for a path has its placeholders filled in.
        """
        for pattern in self.programs:
            if "{" not in pattern:
                yield pattern, self
                continue
            for path in glob_in_root(root, re.sub(r"\{\w+\}", "*", pattern)):
                match = _expression(pattern).fullmatch(path)
                if match:
                    yield path, self._filled(match.groupdict())

    def applied_to(self, path: str) -> "Rule | None":
        """The rule for one path (relative to a root), if it names that, whatever is there."""
        for pattern in self.programs:
            match = _expression(pattern).fullmatch(path)
            if match:
                return self._filled(match.groupdict()) if "{" in pattern else self
        return None

    def _filled(self, values: Mapping[str, str]) -> "Rule":
        native = Platform.host().architecture
        return replace(
            self,
            counterpart=self.counterpart.format(native=native, **values),
            # Debian's names of packages have no underscore: x86-64-linux-gnu.
            package=self.package.format(**values).replace("_", "-"),
            inserted=[text.format(**values) for text in self.inserted],
            only_scripts=[text.format(**values) for text in self.only_scripts],
            environment=[text.format(**values) for text in self.environment],
            replacement=self.replacement.format(**values),
            starts=[text.format(**values) for text in self.starts],
            accompanied_where=self.accompanied_where.format(**values),
        )


@cache
def read_rules() -> tuple[Rule, ...]:
    """All rules, in the order of the file."""
    text = Path(__file__).with_name("rules.toml").read_text(encoding="utf-8")
    return tuple(Rule(**row) for row in tomllib.loads(text)["rule"])


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Matches the paths that a pattern of a rule stands for."""
    return re.compile(re.sub(r"\\{(\w+)\\}", _group, re.escape(pattern)))


def _group(match: re.Match[str]) -> str:
    return f"(?P<{match[1]}>{_PLACEHOLDERS[match[1]]})"
