"""What `--print` and `--list` say, in the form in which `docker buildx bake` says it."""

from collections.abc import Mapping, Sequence
from posixpath import normpath
from typing import Any

from amphora.bake.resolve import Plan
from amphora.bake.target import FIELDS, Configuration, Group, Target
from amphora.bake.variables import Listed
from amphora.remote.location import is_remote

#: Fields that may hold what would be read as a template again, if it were baked again.
_TEMPLATES = ("annotations", "dockerfile-inline", "labels", "args", "extra-hosts")
_LOCAL = "cwd://"


def printed(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values; baked again, it is the same plan."""
    groups = {name: _group(plan.groups[name]) for name in sorted(plan.groups)}
    targets = {name: _target(plan.targets[name]) for name in sorted(plan.targets)}
    return {"group": groups, "target": targets}


def local_path(location: str) -> str:
    """A directory as it is meant here: `cwd://` is where the command runs."""
    return normpath(location.removeprefix(_LOCAL) or ".")


def is_local(location: str) -> bool:
    """Is it a directory of this machine?"""
    kinds = ("target:", "docker-image:", "oci-layout:")
    return location.startswith(_LOCAL) or not (location.startswith(kinds) or is_remote(location))


def listed_targets(configuration: Configuration) -> list[dict[str, Any]]:
    """Targets and groups, but for those whose names begin with _, which are private."""
    found: list[dict[str, Any]] = [
        _without_nothing({"name": target.name, "description": target.text("description")})
        for target in configuration.targets.values()
    ]
    for group in configuration.groups.values():
        names = ", ".join(sorted(group.targets))
        text = f"{group.description} ({names})" if group.description and names else ""
        described = text or group.description or names
        found.append(
            _without_nothing({"name": group.name, "description": described, "group": True})
        )
    public = [item for item in found if not item["name"].startswith("_")]
    return sorted(public, key=lambda item: str(item["name"]))


def listed_variables(variables: Sequence[Listed]) -> list[dict[str, Any]]:
    return [
        {
            key: value
            for key, value in (
                ("name", each.name),
                ("type", each.type or None),
                ("description", each.description or None),
                ("value", each.value),
            )
            if value is not None
        }
        for each in variables
    ]


def _group(group: Group) -> dict[str, Any]:
    described = {"description": group.description} if group.description else {}
    return {**described, "targets": list(group.targets)}


def _target(target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in FIELDS:
        value = target.fields.get(name)
        if value in (None, [], {}) or (name == "description" and not value):
            continue
        if name == "context":
            value = local_path(value) if is_local(value) else value
        found[name] = _escaped(value) if name in _TEMPLATES else _sorted(value)
    return found


def _sorted(value: Any) -> Any:
    """Names in their order, as Go writes them; the first of a secret is its id."""
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, Mapping) and "id" not in value:
        return dict(sorted(value.items()))
    return value


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in sorted(value.items())}
    return [_escaped(item) for item in value]


def _without_nothing(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value}
