"""All that is looked at on a machine, in the order in which it is told.

What needs the caller's own rights comes first, outside the worker; the rest is proven in it.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from amphora.doctor import storage
from amphora.doctor.check import Check
from amphora.doctor.control_groups import check_control_groups
from amphora.doctor.engines import check_containerd, check_docker, check_logins
from amphora.doctor.identities import check_identities
from amphora.doctor.kernel import check_namespaces, check_release
from amphora.doctor.machine_table import check_machine_table
from amphora.doctor.registries import check_registry, hosts_of
from amphora.doctor.worker import prove
from amphora.emulation.host.machine import Machine

_ROOT = Path("/")

#: Programs that run images through the machine's own table.
_USERS_OF_THE_TABLE = ("docker", "podman", "buildah", "nerdctl", "containerd", "kubelet")


class Patient(Struct, frozen=True):
    """Who asks, and about what. `several`: does docker keep several platforms, if it answers?"""

    store: Path
    environment: Mapping[str, str]
    insecure_registries: Sequence[str]
    registries: Sequence[str]
    several: bool | None


def look_outside(patient: Patient) -> list[Check]:
    """Files, switches and groups of this machine; to be called by a process of one thread."""
    home = Path(patient.environment.get("HOME") or "/")
    uid = os.getuid()
    return [
        check_release(os.uname().release),
        *check_namespaces(_ROOT, uid),
        *check_identities(uid),
        check_control_groups(),
        *check_docker(_ROOT, home, several=patient.several, plain=patient.insecure_registries),
        *check_logins(patient.environment),
        *check_containerd(_ROOT),
    ]


def look_at_table() -> list[Check]:
    """The machine's own binfmt_misc."""
    needed = any(map(shutil.which, _USERS_OF_THE_TABLE))
    return list(check_machine_table(Machine(), needed=needed))


async def ask_registries(patient: Patient) -> list[Check]:
    """Those that were named, and those with a login."""
    hosts = hosts_of(patient.registries, patient.environment)
    asked = (
        check_registry(host, patient.insecure_registries, patient.environment) for host in hosts
    )
    return list(await asyncio.gather(*asked))


async def prove_inside(patient: Patient) -> AsyncIterator[Check]:
    """In the worker: the store, then everything that can be proven."""
    store, checks = storage.open_store(patient.store)
    if store is not None:
        checks += storage.check_store(store)
    for check in checks:
        yield check
    async for check in prove(store):
        yield check
