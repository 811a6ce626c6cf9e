"""All checks of one build: of the text, of variables, and of what .dockerignore leaves out."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from amphora.build import gopath
from amphora.build.checks.directive import CheckSettings, check_settings
from amphora.build.checks.text import check_text
from amphora.build.checks.variables import check_variables
from amphora.build.dockerfile import instructions as ins
from amphora.build.dockerfile.parser import Dockerfile
from amphora.build.dockerfile.source import Notice
from amphora.build.filetree import FileTree
from amphora.build.inputs import Inputs
from amphora.build.request import BuildRequest
from amphora.core.errors import AmphoraError, DockerfileError
from amphora.core.reference import Reference
from amphora.oci.graph import image_for
from amphora.oci.store import Store
from amphora.remote.location import is_remote


class Checked(Struct, frozen=True):
    """What a build's checks found, and what of it counts."""

    dockerfile: Dockerfile
    notices: list[Notice]
    settings: CheckSettings


def check(inputs: Inputs, request: BuildRequest, store: Store) -> Checked:
    """Look, and build nothing. Images are asked for ENV only where the store has them.

    Raises DockerfileError for a check directive or global ARGs that cannot be read.
    """
    dockerfile = inputs.dockerfile
    platform = request.platforms[0]

    def environment(image: str) -> Mapping[str, str] | None:
        if image in request.build_contexts:
            return None
        try:
            root = store.resolve(Reference.parse(image))
            config = image_for(store.blobs, root, platform)[2].config
        except AmphoraError:
            return None
        return dict(entry.partition("=")[::2] for entry in config.env or ())

    settings = check_settings(dockerfile, request.build_args)
    notices = [
        *check_text(dockerfile),
        *check_variables(dockerfile, request.build_args, platform, environment),
        *_ignored(dockerfile, inputs.context),
    ]
    return Checked(dockerfile, settings.kept(dict.fromkeys(notices)), settings)


def insist(checked: Checked) -> None:
    """Raises DockerfileError if `# check=error=true` stands there and is violated."""
    if checked.settings.error and checked.notices:
        places = ", ".join(f"{item.rule} (line {item.line})" for item in checked.notices[:5])
        raise DockerfileError(
            f"{checked.dockerfile.filename} violates {len(checked.notices)} build check(s)",
            why=f"{places}; its check directive makes that an error",
            next_command="correct it (`amphora build --check` says more), or skip the checks",
        )


def _ignored(dockerfile: Dockerfile, context: FileTree) -> Iterator[Notice]:
    """COPY and ADD of exactly what .dockerignore keeps out of the context."""
    for stage in dockerfile.stages:
        for item in stage.instructions:
            if not isinstance(item, ins.Transfer) or (isinstance(item, ins.Copy) and item.from_):
                continue
            for name in item.sources:
                if "$" in name or gopath.has_wildcard(name) or is_remote(name):
                    continue
                if context.ignores(gopath.clean(f"/{name}").lstrip("/")):
                    message = f"{name} is left out of the context by .dockerignore"
                    yield Notice("CopyIgnoredFile", message, item.source.start)
