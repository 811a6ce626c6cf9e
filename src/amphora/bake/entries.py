"""Fields whose items have fields of their own: outputs, caches, secrets, agents, attestations.

Each is written as text (`type=registry,ref=…`) or as an object. buildx prints them as objects.
https://docs.docker.com/build/bake/reference/#target
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from amphora.bake.hcl.values import Value, to_list, to_object, to_text

#: One item as it is printed: texts, `paths` of an agent, `disabled` of an attestation.
Entry: TypeAlias = Mapping[str, "str | bool | Sequence[str]"]


def read_caches(value: Value) -> list[Entry]:
    """Places of caches; a text without `=` has names of images. Raises ValueError."""
    if isinstance(value, str) and "=" not in value:
        return [{"ref": name, "type": "registry"} for name in _fields(value)]
    return [_typed(value, "a cache")] if value else []


def read_outputs(value: Value) -> list[Entry]:
    """Outputs; a text that is no list of fields is a directory. Raises ValueError."""
    if isinstance(value, str) and value and len(_fields(value)) == 1 and "=" not in value:
        return [{"dest": value, "type": "tar" if value == "-" else "local"}]
    return [_typed(value, "an output")] if value else []


def read_attestations(value: Value) -> list[Entry]:
    """Raises ValueError."""
    if not value:
        return []
    entry: dict[str, str | bool | Sequence[str]] = dict(_typed(value, "an attestation"))
    if str(entry.pop("disabled", "false")).lower() in {"true", "1"}:
        entry["disabled"] = True
    return [dict(sorted(entry.items()))]


def read_secrets(value: Value) -> list[Entry]:
    """Raises ValueError; it does not say what stands there, which may be the secret itself."""
    if not value:
        return []
    given = _pairs(value)
    kind = given.pop("type", "")
    found = {
        "id": given.pop("id", ""),
        "src": given.pop("src", "") or given.pop("source", ""),
        "env": given.pop("env", ""),
    }
    given.pop("source", "")
    if given or kind not in {"", "file", "env"}:
        raise ValueError("the fields of a secret are id, src and env, and its type file or env")
    if kind == "env" and not found["env"]:
        found["env"], found["src"] = found["src"], ""
    return [{name: text for name, text in found.items() if text}]


def read_agents(value: Value) -> list[Entry]:
    """SSH agents and keys: `ID` or `ID=PATH,PATH`. Raises ValueError."""
    if not value:
        return []
    if isinstance(value, str):
        name, _, text = value.partition("=")
        paths = [path for path in text.split(",") if path]
    else:
        given = to_object(value)
        name = to_text(given.get("id", ""))
        paths = [to_text(path) for path in to_list(given.get("paths") or ())]
    return [{"id": name, "paths": paths} if paths else {"id": name}]


def attestation_of(kind: str, text: str) -> str:
    """What `--provenance` or `--sbom` is short for."""
    if text.lower() in {"true", "1", "false", "0"}:
        return f"type={kind},disabled={'false' if text.lower() in {'true', '1'} else 'true'}"
    return f"type={kind},{text}"


def to_fields(entry: Entry) -> str:
    """The item as the flags of `amphora build` take it."""
    if "id" in entry and "type" not in entry and not {"src", "env"} & entry.keys():
        paths = paths_of(entry)
        return f"{entry['id']}={','.join(paths)}" if paths else str(entry["id"])
    if entry.keys() == {"type", "ref"} and entry["type"] == "registry":
        return str(entry["ref"])
    first = [name for name in ("type", "id") if name in entry]
    names = [*first, *(name for name in entry if name not in first)]
    line = io.StringIO()
    row = [f"{name}={_text(entry[name])}" for name in names]
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()


def paths_of(agent: Entry) -> list[str]:
    """The sockets and keys of an agent; none if it is the one of the environment."""
    paths = agent.get("paths", ())
    return [] if isinstance(paths, str | bool) else list(paths)


def without_twins(entries: Iterable[Entry]) -> list[Entry]:
    """Every item once, where it came first."""
    return list({repr(sorted(entry.items())): entry for entry in entries}.values())


def last_of_type(entries: Iterable[Entry]) -> list[Entry]:
    """Attestations: the last one of a type counts."""
    return list({entry["type"]: entry for entry in entries}.values())


Reader = Callable[[Value], list[Entry]]


def _text(value: str | bool | Sequence[str]) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed(value: Value, what: str) -> dict[str, str]:
    given = _pairs(value)
    if not given.get("type"):
        raise ValueError(f"{what} needs a type, as in type=registry")
    return dict(sorted(given.items()))


def _pairs(value: Value) -> dict[str, str]:
    """Names and values, of an object or of a line of CSV."""
    if not isinstance(value, str):
        items = to_object(value).items()
        return {name: to_text(item) for name, item in items if item is not None}
    pairs = [field.partition("=") for field in _fields(value)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("it is written as NAME=VALUE,NAME=VALUE")
    return {_name(name): text for name, _, text in pairs}


def _name(written: str) -> str:
    """Names are in lower case, but for the keys of annotations."""
    name = written.strip()
    return name if name.startswith("annotation") else name.lower()


def _fields(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error
