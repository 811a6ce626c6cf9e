"""From what files define to what is built: groups, inheritance, overrides, linked targets."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from amphora.bake.overrides import Overrides, overridden
from amphora.bake.target import Configuration, Group, Target
from amphora.core.errors import BakeError

DEFAULT = "default"
_EPOCH = "SOURCE_DATE_EPOCH"
_WILD = frozenset("*?[]")


class Plan(Struct, frozen=True):
    """What one command builds; `groups` are those that led there."""

    targets: Mapping[str, Target]
    groups: Mapping[str, Group]


def resolve(configuration: Configuration, wanted: Sequence[str], overrides: Overrides) -> Plan:
    """What these names of groups and targets mean; raises BakeError."""
    resolver = _Resolver(configuration, overrides)
    # A service of a compose file may have a dot in its name, a target may not.
    names = [name.replace(".", "_") for name in wanted or (DEFAULT,)]
    chosen = list(dict.fromkeys(found for name in names for found in resolver.matching(name)))
    targets: dict[str, Target] = {}
    groups: dict[str, Group] = {}
    for name in chosen:
        for found in resolver.members(name, groups, ()):
            targets[found] = resolver.target(found)
    own = list(groups[DEFAULT].targets) if DEFAULT in groups else []
    asked = [name for name in chosen if name != DEFAULT or DEFAULT not in groups]
    described = groups[DEFAULT].description if DEFAULT in groups else ""
    groups[DEFAULT] = Group(DEFAULT, sorted({*own, *asked}), described)
    for name in list(targets):
        resolver.link(name, targets, ())
    return Plan(targets, groups)


def with_epoch(plan: Plan, epoch: str) -> Plan:
    """The plan with SOURCE_DATE_EPOCH of the environment among the args, as buildx has it there."""
    if not epoch:
        return plan
    targets = {
        name: target.with_field("args", {_EPOCH: epoch, **target.pairs("args")})
        for name, target in plan.targets.items()
    }
    return replace(plan, targets=targets)


class _Resolver:
    def __init__(self, configuration: Configuration, overrides: Overrides) -> None:
        self._all = configuration
        self._overrides = overrides
        self._known: dict[str, Target] = {}

    def matching(self, pattern: str) -> list[str]:
        """The groups and targets that a pattern means; a name that is none means itself."""
        if not _WILD & set(pattern):
            return [pattern]
        names = list(dict.fromkeys([*self._all.groups, *self._all.targets]))
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            raise BakeError(
                f"no target matches {pattern!r}",
                why=f"there are {', '.join(names) or 'none'}",
                next_command="amphora bake --list targets",
            )
        return found

    def members(self, name: str, seen: dict[str, Group], above: Sequence[str]) -> list[str]:
        """The targets that a name means; groups on the way are added to `seen`."""
        group = self._all.groups.get(name)
        if name in above and group is not None:
            # The target of that name is meant: a group may have one that is called like it.
            if name in self._all.targets:
                return [name]
            raise BakeError(
                f"the group {name!r} contains itself",
                why=" → ".join([*above[above.index(name) :], name]),
                next_command="take one of them out of the targets of the other",
            )
        if group is None:
            self._insist(name)
            return [name]
        seen[name] = group
        found = [self.members(each, seen, (*above, name)) for each in group.targets]
        return list(dict.fromkeys(each for names in found for each in names))

    def target(self, name: str) -> Target:
        """A target with all that it inherits and the defaults."""
        found = self._inherited(name, ())
        fields = {key: value for key, value in found.fields.items() if key != "inherits"}
        fields["context"] = fields.get("context", ".")
        fields["dockerfile"] = fields.get("dockerfile") or "Dockerfile"
        return replace(found, fields=fields)

    def link(self, name: str, targets: dict[str, Target], above: Sequence[str]) -> None:
        """Add the targets that this one has as contexts, with what they are permitted."""
        for other in targets[name].links.values():
            if other in (*above, name):
                raise BakeError(
                    f"the target {other!r} needs itself",
                    why=" → ".join([*above, name, other]),
                    next_command="remove it from the contexts of one of them",
                )
            if other not in targets:
                found = self.target(other)
                fields = {**found.fields, "output": [{"type": "cacheonly"}]}
                targets[other] = replace(found, fields=fields, linked=True)
            self.link(other, targets, (*above, name))
            targets[name] = _permitted(targets[name], targets[other])
            _check_platforms(targets[name], targets[other])

    def _inherited(self, name: str, above: Sequence[str]) -> Target:
        if name in self._known:
            return self._known[name]
        if name in above:
            raise BakeError(
                f"the target {name!r} inherits from itself",
                why=" → ".join([*above[above.index(name) :], name]),
                next_command="remove it from the inherits of one of them",
            )
        self._insist(name)
        own = self._all.targets[name]
        found = Target(name)
        for parent in own.texts("inherits"):
            found = found.merged(self._inherited(parent, (*above, name)))
        found = overridden(found.merged(own), self._overrides.get(name, ())).tidied()
        self._known[name] = found
        return found

    def _insist(self, name: str) -> None:
        if name in self._all.targets:
            return
        known = [*self._all.targets, *self._all.groups]
        close = get_close_matches(name, known, n=1)
        raise BakeError(
            f"there is no target {name!r}",
            why=f"the files define {', '.join(dict.fromkeys(known)) or 'none'}",
            next_command=f"did you mean {close[0]}?" if close else "amphora bake --list targets",
        )


def _permitted(target: Target, other: Target) -> Target:
    """What a linked target may do, the one that uses it needs permission for, too."""
    needed = other.texts("entitlements")
    if not needed:
        return target
    own = target.texts("entitlements")
    return target.with_field("entitlements", list(dict.fromkeys([*own, *needed])))


def _check_platforms(target: Target, other: Target) -> None:
    wanted, built = target.texts("platforms"), other.texts("platforms")
    missing = [platform for platform in wanted if platform not in built]
    if len(wanted) > 1 and len(built) > 1 and missing:
        raise BakeError(
            f"the target {target.name!r} cannot use {other.name!r} for {', '.join(missing)}",
            why=f"{other.name} is built for {', '.join(built)}",
            next_command=f"add them to the platforms of {other.name}, or leave those out",
        )
