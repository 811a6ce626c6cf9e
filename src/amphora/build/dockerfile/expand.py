"""Quotes, escapes and variables in one word, as BuildKit's shell lexer does them.

https://docs.docker.com/reference/dockerfile/#environment-replacement: `$name`,
`${name}`, `:-` `-` `:+` `+` `:?` `?`, `#` `##` `%` `%%`, `/` `//`. Single quotes keep
everything, double quotes keep all but variables, an unset variable is empty.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from amphora.build.dockerfile import pattern
from amphora.build.dockerfile.words import SPACE, WordCollector

#: How deep `${a:-${b:-…}}` may go.
MAX_DEPTH = 50

_SPECIAL_PARAMETERS = "@*#?-$!0"


class ExpansionError(ValueError):
    """A word that cannot be expanded; the message says why, without naming the place."""


class Expansion(Struct, frozen=True):
    """The result as one text and as words, and the variables that were looked at.

    Words are split at the white space that is not quoted, also inside the values of
    variables. `unset` are the names in `read` that have no value.
    """

    text: str
    words: tuple[str, ...]
    read: frozenset[str]
    unset: frozenset[str]


def expand(
    word: str,
    environment: Mapping[str, str],
    *,
    escape: str = "\\",
    keep_quotes: bool = False,
    keep_escapes: bool = False,
    ignore_quotes: bool = False,
    keep_unset: bool = False,
) -> Expansion:
    """Expand one word; raises ExpansionError.

    `keep_…` leave quotes, escapes or unset variables in the text; with
    `ignore_quotes` quotes are characters like any other.
    """
    options = _Options(escape, keep_quotes, keep_escapes, ignore_quotes, keep_unset)
    lexer = _Lexer(word, environment, options)
    text, words = lexer.read_until("")
    return Expansion(text, words, frozenset(lexer.read), frozenset(lexer.unset))


class _Options(Struct):
    escape: str
    keep_quotes: bool
    keep_escapes: bool
    ignore_quotes: bool
    keep_unset: bool


class _Lexer:
    def __init__(self, text: str, environment: Mapping[str, str], options: _Options) -> None:
        self.text = text
        self.index = 0
        self.depth = 0
        self.environment = environment
        self.options = options
        self.read: set[str] = set()
        self.unset: set[str] = set()

    def peek(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.index : self.index + 1]

    def take(self) -> str:
        character = self.peek()
        self.index += 1
        return character

    def read_until(self, stop: str) -> tuple[str, tuple[str, ...]]:
        """Process up to `stop` (to the end, if empty), which is taken."""
        words = WordCollector()
        while character := self.peek():
            if character == stop:
                self.index += 1
                return words.finish()
            self._read_one(character, words)
        if stop:
            raise ExpansionError(f"a {stop!r} is missing at the end")
        return words.finish()

    def _read_one(self, character: str, words: WordCollector) -> None:
        if character == "$":
            words.add(self._dollar())
        elif character in "'\"" and not self.options.ignore_quotes:
            words.add_quoted(self._single() if character == "'" else self._double())
        elif character == "<":
            words.add_quoted(self._less_than())
        elif character == self.options.escape:
            self.index += 1
            kept = self.options.escape if self.options.keep_escapes else ""
            words.add_quoted(kept + self.take())
        else:
            words.add(self.take())

    def _less_than(self) -> str:
        """`<<` keeps the white space behind it, so that `<< EOF` is one word."""
        if not self.text.startswith("<<", self.index):
            return self.take()
        end = self.index + 2
        while end < len(self.text) and self.text[end] in SPACE:
            end += 1
        found, self.index = self.text[self.index : end], end
        return found

    def _single(self) -> str:
        end = self.text.find("'", self.index + 1)
        if end < 0:
            raise ExpansionError("a single quote is opened and never closed")
        quoted = self.text[self.index : end + 1]
        self.index = end + 1
        return quoted if self.options.keep_quotes else quoted[1:-1]

    def _double(self) -> str:
        result = [self.take()]
        while (character := self.peek()) != '"':
            if not character:
                raise ExpansionError("a double quote is opened and never closed")
            if character == "$":
                result.append(self._dollar())
            elif character == self.options.escape:
                result.append(self._escape_in_double())
            else:
                result.append(self.take())
        result.append(self.take())
        return "".join(result if self.options.keep_quotes else result[1:-1])

    def _escape_in_double(self) -> str:
        """Inside double quotes only `"`, `$` and the escape character can be escaped."""
        escape = self.take()
        kept = escape if self.options.keep_escapes else ""
        following = self.peek()
        if following and following in f'"${self.options.escape}':
            return kept + self.take()
        return kept + (escape if following else "")

    def _dollar(self) -> str:
        self.index += 1
        if self.peek() == "{":
            self.index += 1
            return self._braces()
        name = self._name()
        if not name:
            return "$"
        value = self._look_up(name)
        if value is None:
            return f"${name}" if self.options.keep_unset else ""
        return value

    def _name(self) -> str:
        """Letters, digits and underscores; or digits alone; or one special parameter."""
        start = self.index
        first = self.peek()
        if first.isdecimal():
            while self.peek().isdecimal():
                self.index += 1
        elif first and first in _SPECIAL_PARAMETERS:
            self.index += 1
        else:
            while _is_name_character(self.peek()):
                self.index += 1
        return self.text[start : self.index]

    def _look_up(self, name: str) -> str | None:
        self.read.add(name)
        value = self.environment.get(name)
        if value is None:
            self.unset.add(name)
        return value

    def _braces(self) -> str:
        following = self.peek()
        if not following:
            raise ExpansionError("a '${' has no matching '}'")
        if following in "{}:":
            raise ExpansionError(f"no name follows the '${{' but {following!r}")
        name = self._name()
        operator = self.take()
        if operator == "}":
            value = self._look_up(name)
            return f"${{{name}}}" if value is None and self.options.keep_unset else value or ""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpansionError(f"'${{' is nested more than {MAX_DEPTH} deep")
        result = self._substitution(name, operator)
        self.depth -= 1
        return result

    def _substitution(self, name: str, operator: str) -> str:
        if operator == "/":
            return self._replacement(name)
        null_is_unset = operator == ":"
        if null_is_unset:
            operator = self.take()
        if operator and operator not in "-+?#%":
            shown = ":" * null_is_unset + operator
            raise ExpansionError(f"${{{name}{shown}…}} uses a modifier that does not exist")
        word = self._argument("}", raw=operator in {"#", "%"})
        value = self._look_up(name)
        if value is None and self.options.keep_unset:
            return f"${{{name}{':' * null_is_unset}{operator}{word}}}"
        if operator in {"#", "%"}:
            return _checked(pattern.trim, value or "", operator, word)
        return _choose(name, value, operator, word, null_is_unset=null_is_unset)

    def _replacement(self, name: str) -> str:
        every = self.peek() == "/"
        self.index += every
        old = self._argument("/", raw=True)
        new = self._argument("}", raw=True)
        value = self._look_up(name)
        if value is None and self.options.keep_unset:
            return f"${{{name}/{old}/{new}}}"
        return _checked(pattern.replace, value or "", "/" * (1 + every), old, new)

    def _argument(self, stop: str, *, raw: bool) -> str:
        """The text up to `stop`, expanded; `raw` leaves its escapes to the pattern."""
        before, self.options.keep_escapes = self.options.keep_escapes, raw
        try:
            return self.read_until(stop)[0]
        finally:
            self.options.keep_escapes = before


def _is_name_character(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or character == "_"


def _checked(function: Callable[..., str], *arguments: str) -> str:
    try:
        return function(*arguments)
    except pattern.PatternError as error:
        raise ExpansionError(str(error)) from error


def _choose(name: str, value: str | None, operator: str, word: str, *, null_is_unset: bool) -> str:
    absent = value is None or (null_is_unset and not value)
    if operator == "-":
        return word if absent else value or ""
    if operator == "+":
        return "" if absent else word
    if absent:
        state = "unset" if value is None else "empty"
        raise ExpansionError(f"{name}: {word or f'is not allowed to be {state}'}")
    return value or ""
