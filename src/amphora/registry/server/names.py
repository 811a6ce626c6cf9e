"""What a request's path names: repository, tag, digest; nothing else gets past here.

The grammar of names admits no `..`, so no path outside the registry's directory.
"""

from starlette.requests import Request

from amphora.core.digest import Digest
from amphora.core.errors import InvalidValueError
from amphora.core.reference import Reference
from amphora.registry.server.refusals import Refusal


def repository_of(request: Request) -> str:
    """The repository in the path; refuses what is not a name with NAME_INVALID."""
    return check_repository(request.path_params["name"])


def check_repository(name: str) -> str:
    """The same name, if it is one."""
    if _parse(f"localhost/{name}", name) is None:
        raise Refusal(400, "NAME_INVALID", f"{name[:100]!r} is not a repository name")
    return name


def digest_of(text: str) -> Digest:
    """A digest; refuses anything else with DIGEST_INVALID."""
    try:
        return Digest.parse(text)
    except InvalidValueError as error:
        raise Refusal(400, "DIGEST_INVALID", str(error)) from error


def target_of(request: Request) -> Digest | str:
    """The digest or the tag in the path of a manifest."""
    text: str = request.path_params["reference"]
    if ":" in text:
        return digest_of(text)
    reference = _parse(f"localhost/name:{text}", "name")
    if reference is None or reference.tag != text:
        raise Refusal(400, "MANIFEST_INVALID", f"{text[:100]!r} is not a tag")
    return text


def _parse(text: str, path: str) -> Reference | None:
    try:
        reference = Reference.parse(text)
    except InvalidValueError:
        return None
    return reference if reference.path == path and reference.digest is None else None
