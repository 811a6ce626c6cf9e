"""Package URLs: one line that says what a piece of software is and where it comes from.

https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst
"""

from collections.abc import Mapping
from urllib.parse import quote

from amphora.core.platform import Platform
from amphora.core.reference import Reference


def package_url(
    kind: str,
    name: str,
    version: str = "",
    *,
    namespace: str = "",
    qualifiers: Mapping[str, str] | None = None,
) -> str:
    """`pkg:KIND/NAMESPACE/NAME@VERSION?KEY=VALUE`; what is empty is left out."""
    parts = [part for part in namespace.split("/") if part]
    text = f"pkg:{kind}/" + "/".join(_quoted(part) for part in (*parts, name))
    if version:
        text += f"@{_quoted(version)}"
    given = {key: value for key, value in sorted((qualifiers or {}).items()) if value}
    if given:
        text += "?" + "&".join(f"{key}={_quoted(value)}" for key, value in given.items())
    return text


def image_url(reference: Reference, platform: Platform) -> str:
    """The package URL of an image's variant, as BuildKit writes it: `pkg:docker/debian@trixie…`."""
    name = reference.familiar.partition("@")[0]
    if reference.tag:
        name = name.removesuffix(f":{reference.tag}")
    namespace, _, last = name.rpartition("/")
    version = reference.tag or (str(reference.digest) if reference.digest else "")
    where = {"platform": str(platform)}
    return package_url("docker", last, version, namespace=namespace, qualifiers=where)


def _quoted(text: str) -> str:
    """Only the characters that the specification leaves as they are are left so."""
    return quote(text, safe=":")
