"""What a build is asked for, and what it answers."""

from collections.abc import Collection, Mapping, Sequence
from typing import BinaryIO

from msgspec import Struct, field

from amphora.build.attest.facts import Predicate
from amphora.build.attest.options import AttestOptions
from amphora.build.caches.places import CachePlace
from amphora.build.plan.plan import Plan
from amphora.build.run_options import RunOptions
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.emulation.account import Account


class BuildRequest(Struct, frozen=True):
    """The arguments of `amphora build` that decide what is built.

    `source_date_epoch` is in seconds since 1970, UTC; with it, nothing in the image
    is younger, and what comes from the context has exactly that time. `context` is a
    directory, a URL, or "-" for `stdin`; `dockerfile` is a path, "-", or None for the usual one.
    With `any_revision` handoff takes compilers of another revision too, as in NativeSide.
    The steps of `no_cache_stages` are executed whatever is remembered. `retries` is how often
    a RUN is done again in which a program crashed in the emulator. With `any_platform` a
    target that builds upon this one gets it for its own platforms, not only for `platforms`.
    `vcs` is what provenance tells of the commit that the context is of.
    `always_index` makes an index for one platform too.
    """

    context: str
    dockerfile: str | None
    platforms: Sequence[Platform]
    stdin: BinaryIO
    build_contexts: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    use_cache: bool = True
    pull: bool = False
    source_date_epoch: int | None = None
    handoff: bool = True
    any_revision: bool = False
    retries: int = 0
    run: RunOptions = field(default_factory=RunOptions)
    no_cache_stages: Collection[str] = ()
    cache_from: Sequence[CachePlace] = ()
    cache_to: Sequence[CachePlace] = ()
    attest: AttestOptions = field(default_factory=AttestOptions)
    any_platform: bool = False
    vcs: Mapping[str, str] = field(default_factory=dict)
    always_index: bool = False


class StepReport(Struct, frozen=True):
    """One step of the Dockerfile on one platform: where it ran and how long it took.

    `ran` is "native", "handoff", "emulated", "cached" or "worker" (no program of the image
    ran). `account` tells what handoff did, where it was possible.
    """

    platform: Platform
    title: str
    ran: str
    seconds: float
    account: Account | None = None


class Variant(Struct, frozen=True):
    """The image of one platform; `size` is in bytes, compressed, config and layers together."""

    platform: Platform
    manifest: Descriptor
    size: int


class BuildResult(Struct, frozen=True):
    """`image` is an index, or the manifest itself when one platform was asked for.

    `own_layers` are those that steps of the Dockerfile made, rather than a base image brought.
    `plan` is what was expected, if that was asked for.
    `predicates` is what is said of each variant; `artifacts` are those that hold it, beside it.
    """

    image: Descriptor
    variants: Sequence[Variant]
    steps: Sequence[StepReport]
    own_layers: Collection[Digest] = ()
    plan: Plan | None = None
    predicates: Mapping[Platform, Sequence[Predicate]] = field(default_factory=dict)
    artifacts: Sequence[Descriptor] = ()
