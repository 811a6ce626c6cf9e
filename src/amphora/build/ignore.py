""".dockerignore: which files of a build context are never read.

https://docs.docker.com/build/concepts/context/#dockerignore-files; the last rule that
matches a path, or a directory above it, decides.
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from amphora.build import gopath
from amphora.build.glob import Directories, Glob, Many, Token, literal
from amphora.core.errors import InvalidValueError

_SPECIAL = "*?[\\"


class Rule(Struct, frozen=True):
    """One pattern; `exception` if a `!` stood before it."""

    pattern: str
    exception: bool
    glob: Glob

    def matches(self, path: str) -> bool:
        return self.glob.matches(path)

    def may_match_below(self, directory: str) -> bool:
        """Could it match a path inside the directory? Says yes when in doubt."""
        prefix = _literal_prefix(self.pattern)
        inside = f"{directory}/"
        if len(prefix) == len(self.pattern):
            return prefix.startswith(inside)
        return prefix.startswith(inside) or inside.startswith(prefix)


class IgnoreRules:
    """The rules of one file, in their order."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._add = lru_cache(maxsize=4096)(self._add_matching)

    @classmethod
    def parse(cls, text: str, filename: str = ".dockerignore") -> "IgnoreRules":
        """Read the rules; raises InvalidValueError naming the line of a malformed pattern."""
        rules = []
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            try:
                rules.append(_parse_rule(pattern))
            except InvalidValueError as error:
                raise InvalidValueError(
                    f"{filename}:{number}: {error.what}",
                    why=error.why,
                    next_command=error.next_command,
                ) from error
        return cls(rules)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> "IgnoreRules":
        """The rules that --exclude gives one by one; raises InvalidValueError."""
        return cls(map(_parse_rule, patterns))

    @classmethod
    def matching(cls, pattern: str) -> "IgnoreRules":
        """One rule that "ignores" what a pattern names, with all below; `!` means nothing here.

        Raises InvalidValueError.
        """
        gopath.match(pattern, ".")
        return cls([Rule(pattern, False, _compile(pattern))])

    def ignores(self, path: str) -> bool:
        """Is this path, relative to the context and separated by slashes, left out?

        The context itself never is.
        """
        if not self.rules:
            return False
        path = gopath.clean(path)
        last = self._matching(path).bit_length() - 1
        return path != "." and last >= 0 and not self.rules[last].exception

    def may_contain_exceptions(self, directory: str) -> bool:
        """Must an ignored directory be walked, because a later `!` rule may want a part of it?

        False only where everything below is certainly ignored.
        """
        directory = gopath.clean(directory)
        later = self.rules[self._matching(directory).bit_length() :]
        return any(rule.exception and rule.may_match_below(directory) for rule in later)

    def _matching(self, path: str) -> int:
        """The set of rules (bit *i* for rule *i*) that match the path or a directory above."""
        matching = 0
        for index, character in enumerate(path):
            if character == "/" and index:
                matching = self._add(path[:index], matching)
        return self._add(path, matching)

    def _add_matching(self, path: str, matching: int) -> int:
        for index, rule in enumerate(self.rules):
            if not matching >> index & 1 and rule.matches(path):
                matching |= 1 << index
        return matching


def _parse_rule(pattern: str) -> Rule:
    exception = pattern.startswith("!")
    cleaned = pattern.removeprefix("!").strip() if exception else pattern
    if not cleaned:
        raise gopath.malformed(pattern, "nothing follows the `!`")
    cleaned = gopath.clean(cleaned)
    if len(cleaned) > 1:
        cleaned = cleaned.removeprefix("/")
    gopath.match(cleaned, ".")
    return Rule(cleaned, exception, _compile(cleaned))


def _literal_prefix(pattern: str) -> str:
    ends = (pattern.find(character) for character in _SPECIAL)
    return pattern[: min((end for end in ends if end >= 0), default=len(pattern))]


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> Glob:
    """As github.com/moby/patternmatcher: like filepath.Match, and `**` for any directories."""
    rest = pattern.removeprefix("**")
    if rest != pattern and not rest.startswith("/") and len(_literal_prefix(rest)) == len(rest):
        return Glob([Many(), *literal(rest)])
    tokens: list[Token] = []
    index = 0
    while index < len(pattern):
        token, index = _read_token(pattern, index)
        tokens.append(token)
    return Glob(tokens)


def _read_token(pattern: str, index: int) -> tuple[Token, int]:
    if pattern.startswith("**", index):
        index += 2
        index += pattern.startswith("/", index)
        return (Directories() if index < len(pattern) else Many()), index
    return gopath.read_token(pattern, index)
