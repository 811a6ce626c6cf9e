"""What is fuzzed: each target takes bytes, and lets only defects out.

An error of ours is an answer; any other exception, a hang, or a result that contradicts itself
is a defect. `make test` feeds them by hypothesis, `make fuzz` by atheris, for longer.
"""

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import islice

import inputs
from amphora.build import gopath
from amphora.build.checks.directive import check_settings
from amphora.build.checks.outline import outline
from amphora.build.checks.text import check_text
from amphora.build.checks.variables import check_variables
from amphora.build.dockerfile import instructions as ast
from amphora.build.dockerfile.evaluate import StageScope
from amphora.build.dockerfile.expand import ExpansionError, expand
from amphora.build.dockerfile.mounts import read_mount, read_size
from amphora.build.dockerfile.parser import Dockerfile, Stage, parse, parse_trigger
from amphora.build.dockerfile.scope import Scope, expand_from, global_scope
from amphora.build.dockerfile.values import check_signal, read_duration, read_ports
from amphora.build.glob import Glob
from amphora.build.ignore import IgnoreRules
from amphora.build.modes import parse_mode
from amphora.core.digest import Digest
from amphora.core.errors import AmphoraError, InvalidValueError, LayerError, ManifestError
from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.config import ImageConfig
from amphora.oci.layers.compression import LayerReader
from amphora.oci.layers.decode import TarReader
from amphora.oci.layers.stream import TarStream
from amphora.oci.members import members
from amphora.oci.model import Index, Manifest
from amphora.registry.challenge import parse_challenges
from amphora.remote.authorization import Authorizations
from amphora.remote.location import is_git, is_remote, parse_git, path_of, shown_url
from amphora.system.binary import read_binary
from supply import Supply

_HOST = Platform("linux", "amd64")
_LARGEST = 1 << 20


def dockerfile(data: bytes) -> None:
    """Any text."""
    with suppress(UnicodeDecodeError):
        _build(data.decode())


def instructions(data: bytes) -> None:
    """Text that is nearly a Dockerfile."""
    _build(inputs.dockerfile(Supply(data)))


def _build(text: str) -> None:
    """Read it, and evaluate all that does not need an image."""
    with suppress(AmphoraError):
        parsed = parse(text)
        scope = global_scope(parsed, {"a": "$b"}, _HOST, _HOST)
        for stage in parsed.stages:
            _evaluate(parsed, stage, scope)
        check_settings(parsed, {})
        list(check_text(parsed))
        list(check_variables(parsed, {}, _HOST, lambda _image: None))
        outline(parsed, "", {})


def _evaluate(parsed: Dockerfile, stage: Stage, scope: Scope) -> None:
    with suppress(AmphoraError):
        expand_from(stage, scope)
    variables = StageScope(scope, {"PATH": "/bin"})
    for instruction in stage.instructions:
        with suppress(AmphoraError):
            variables.apply(instruction)
            if isinstance(instruction, ast.Run):
                variables.mounts(instruction)
            elif isinstance(instruction, ast.OnBuild):
                parse_trigger(instruction.expression, "image")
            elif isinstance(instruction, ast.Copy) and instruction.from_:
                parsed.source_stage(instruction.from_, stage)


def expansion(data: bytes) -> None:
    """One word, its variables, and every option."""
    supply = Supply(data)
    options = supply.number(32)
    environment = {"a": supply.words(inputs.TOKENS, 6), "b": supply.words(inputs.TOKENS, 6)}
    word = supply.words(inputs.TOKENS, 30)
    with suppress(ExpansionError):
        expand(
            word,
            environment,
            escape="`" if options & 1 else "\\",
            keep_quotes=bool(options & 2),
            keep_escapes=bool(options & 4),
            ignore_quotes=bool(options & 8),
            keep_unset=bool(options & 16),
        )


_OF_PATTERNS = (
    *("a", "b", "/", "*", "**", "?", "[", "]", "[a-b]", "[^a]", "\\", "-", "^", "!", ".", ".."),
    *("**/", "/**", "é", "\n", " ", "#"),
)
_NAMES = ("a", "b", "ab", "é", "-", "\n", " ", ".a", "a.b", "**", "[a]")


def patterns(data: bytes) -> None:
    """Ignore files and wildcards; what is pruned holds nothing that is wanted."""
    supply = Supply(data)
    text = "\n".join(supply.words(_OF_PATTERNS, 8) for _ in range(supply.number(6)))
    path = _path(supply)
    with suppress(InvalidValueError):
        gopath.match(text, path)
    with suppress(InvalidValueError):
        rules = IgnoreRules.parse(text)
        for rule in rules.rules:
            _check_both_ways(rule.glob, path)
        inside = f"{path}/{_path(supply)}"
        if rules.ignores(path) and not rules.may_contain_exceptions(path):
            assert rules.ignores(inside), (text, path, inside)


def _path(supply: Supply) -> str:
    """As a directory that is walked gives them."""
    return "/".join(supply.choice(_NAMES) for _ in range(1 + supply.number(4)))


def _check_both_ways(glob: Glob, path: str) -> None:
    """The automaton and `re` agree."""
    assert glob.matches(path) == glob.automaton_matches(path), (glob.tokens, path)


def tar(data: bytes) -> None:
    """Any bytes, as a layer or an archive."""
    _read_tar(data)


def headers(data: bytes) -> None:
    """Tars whose checksums are right."""
    _read_tar(inputs.tar(Supply(data)))


def _read_tar(content: bytes) -> None:
    with suppress(LayerError), TarStream(LayerReader(io.BytesIO(content)), _LARGEST) as stream:
        reader = TarReader(stream)
        for entry in islice(reader, 1000):
            assert entry.size >= 0
            assert 0 <= entry.mode <= 0o7777
            assert sum(map(len, reader.content())) == entry.size
    with suppress(ManifestError):
        for member in islice(members(io.BytesIO(content)), 1000):
            assert len(member.read(_LARGEST)) == member.size


def compressed(data: bytes) -> None:
    """What may be gzip or zstd, from its first bytes on."""
    supply = Supply(data)
    start = supply.choice(
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18")
    )
    with suppress(LayerError):
        reader = LayerReader(io.BytesIO(start + supply.rest()))
        for _ in range(64):
            if not reader.read(1 << 16):
                break


def documents(data: bytes) -> None:
    """Indexes, manifests and configs; what is written is read as what it was."""
    content = inputs.document(Supply(data)) if data[:1] < b"\xc0" else data[1:]
    for kind in (Index, Manifest, ImageConfig):
        with suppress(ManifestError):
            value = kind.decode(content)
            assert kind.decode(value.encode()) == value


def names(data: bytes) -> None:
    """References, digests and platforms; what is printed is read as what it was."""
    text = data.decode(errors="replace")
    for kind in (Reference, Digest, Platform):
        with suppress(InvalidValueError):
            value = kind.parse(text)
            assert kind.parse(str(value)) == value
    with suppress(InvalidValueError):
        reference = Reference.parse(text)
        assert Reference.parse(reference.familiar) == reference


_OF_URLS = (
    *("https://", "http://", "git@", "ssh://", "git://", "host", ":", "/", ".git", "#", "?", "@"),
    *("ref=", "tag=", "subdir=", "checksum=", "keep-git-dir=", "&", "%", "%00", "[", "]", "::1"),
    *("v1.0", "a" * 40, "..", "//", "\\", " ", "\n", "é", "80", "\u2100"),
)


def locations(data: bytes) -> None:
    """URLs and Git repositories, as ADD and the context take them."""
    text = Supply(data).words(_OF_URLS, 12)
    with suppress(InvalidValueError):
        is_remote(text)
        shown_url(text)
        path_of(text)
        authorizations = Authorizations({"GIT_AUTH_TOKEN": data, f"HTTP_AUTH_TOKEN_{text}": data})
        authorizations.of_file(text)
        authorizations.of_repository(text)
        if is_git(text):
            parse_git(text)


def values(data: bytes) -> None:
    """Mounts, sizes, durations, ports, signals, modes: each says what is wrong."""
    supply = Supply(data)
    readers: tuple[Callable[[str], object], ...] = (
        read_mount,
        read_size,
        read_duration,
        read_ports,
        check_signal,
        parse_mode,
    )
    reader = supply.choice(readers)
    text = (
        supply.words(inputs.TOKENS, 8)
        if supply.seldom()
        else supply.rest().decode(errors="replace")
    )
    with suppress(ValueError, InvalidValueError):
        reader(text)


def challenges(data: bytes) -> None:
    """What registries answer in WWW-Authenticate."""
    parse_challenges([data.decode("latin-1")])


def programs(data: bytes) -> None:
    """What an image's programs say of themselves."""
    content = inputs.program(Supply(data))
    if found := read_binary(content):
        assert isinstance(found.damaged, bool)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(dockerfile, instructions, expansion, patterns, tar, headers, compressed, documents),
        *(names, locations, values, challenges, programs),
    )
}
