"""Definitions in a Git repository: their files, and where their targets find theirs.

https://docs.docker.com/build/bake/remote-definition/
"""

from collections.abc import Sequence
from pathlib import Path
from posixpath import join, normpath

from msgspec import Struct
from msgspec.structs import replace

from amphora.bake.files import File, read_files_in
from amphora.bake.printing import is_local
from amphora.bake.resolve import Plan
from amphora.bake.target import Target
from amphora.core.errors import BakeError
from amphora.remote.authorization import Authorizations
from amphora.remote.git import Repositories
from amphora.remote.location import GitLocation, is_git, parse_git, shown_url
from amphora.system.roots import resolve_in_root

_HERE = "cwd://"


class Fetched(Struct, frozen=True):
    """A repository's definition, and the commit that it is of."""

    files: Sequence[File]
    location: GitLocation

    def located(self, plan: Plan) -> Plan:
        """The plan with directories in the repository in place of those here."""
        targets = {name: self._located(target) for name, target in plan.targets.items()}
        return replace(plan, targets=targets)

    def _located(self, target: Target) -> Target:
        found = target.with_field("context", self._place(target.text("context")))
        contexts = target.pairs("contexts")
        if contexts:
            found = found.with_field(
                "contexts", {name: self._place(place) for name, place in contexts.items()}
            )
        return found

    def _place(self, place: str) -> str:
        if not is_local(place) or place.startswith(_HERE):
            return place
        directory = normpath(join("/", self.location.directory, place)).lstrip("/")
        end = f":{directory}" if directory else ""
        return f"{self.location.remote}#{self.location.ref}{end}"


async def fetch(
    url: str, names: Sequence[str], work: Path, authorizations: Authorizations
) -> Fetched:
    """The definition at a URL, checked out below `work`; `names` are those of -f.

    Raises BakeError and what fetching raises.
    """
    if not is_git(url.partition("#")[0].partition("?")[0]):
        raise BakeError(
            f"{shown_url(url)} is no Git repository",
            why="definitions are fetched from repositories, whose URL ends in .git",
            next_command=f"curl -fsSL {shown_url(url)} | amphora bake -f -",
        )
    location = parse_git(url)
    repositories = Repositories(work, authorizations)
    commit = await repositories.pin(location)
    checkout = await repositories.checkout(location, commit)
    root = resolve_in_root(checkout.root, location.directory)
    return Fetched(read_files_in(root, names), replace(location, ref=commit, checksum=""))
