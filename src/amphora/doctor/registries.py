"""Does a registry answer, and let us in?

Only those are asked that the user names or is logged in to.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress

from amphora.core.errors import AmphoraError, InvalidValueError, RegistryAuthError
from amphora.core.reference import Reference
from amphora.doctor.check import Check, failed, ok
from amphora.registry.client import Registry
from amphora.registry.credentials import find_credential, read_logins
from amphora.registry.endpoint import Endpoint
from amphora.registry.retry import Retry

#: Somebody waits, and what fails twice fails.
_RETRY = Retry(attempts=2)


def hosts_of(named: Collection[str], environment: Mapping[str, str]) -> list[str]:
    """The registries that are named and those with a login, without duplicates."""
    hosts = [*named]
    # Of a file that cannot be read `engines.check_logins` tells.
    with suppress(RegistryAuthError):
        hosts += [host for logins in read_logins(environment) for host in logins.hosts]
    return [host for host in dict.fromkeys(hosts) if is_host(host)]


def is_host(text: str) -> bool:
    """Is it what a reference may begin with, `HOST` or `HOST:PORT`?"""
    try:
        return Reference.parse(f"{text}/x").domain == text
    except InvalidValueError:
        return False


async def check_registry(
    host: str, insecure_registries: Collection[str], environment: Mapping[str, str]
) -> Check:
    """Log in, as `pull` and `push` would."""
    name = f"registry {host}"
    try:
        credential = await find_credential(host, environment)
        async with Registry(
            host,
            insecure_registries=insecure_registries,
            environment=environment,
            retry=_RETRY,
        ) as registry:
            await registry.greet()
    except AmphoraError as error:
        return failed(name, error)
    scheme = Endpoint.of(host, insecure_registries).scheme
    who = str(credential) if credential else "nobody (no login was found)"
    return ok(name, f"it answers over {scheme} and lets us in as {who}")
