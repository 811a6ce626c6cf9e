"""The control group that the containers of a build are in; made before the worker is entered."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from amphora.core.errors import InvalidValueError

if TYPE_CHECKING:
    from amphora.builders.builder import Builder
    from amphora.system.cgroup_shared import SharedGroup

#: In the directory of a builder: held by a build that has the limits for itself.
_LOCK = ".limits"


@contextmanager
def around_containers(builder: "Builder", parent: str | None) -> "Iterator[SharedGroup | None]":
    """That of the builder, if it has limits, or one below `parent`; None without either.

    To be entered before any program is started: a group is delegated to whoever is alone in it.
    Raises ControlGroupError if it cannot be had, and InvalidValueError for both.
    """
    if parent is None:
        with _turn(builder), limited_group(builder) as group:
            yield group
        return
    if builder.limits.controllers:
        raise InvalidValueError(
            "--cgroup-parent cannot be given here",
            why=f"the builder {builder.name} has limits, and so a control group of its own",
            next_command="leave it out, or choose another --builder",
        )
    from amphora.system.cgroup_shared import group_below

    with group_below(parent) as group:
        yield group


@contextmanager
def limited_group(builder: "Builder") -> "Iterator[SharedGroup | None]":
    """That of a builder with limits, None for another; raises ControlGroupError."""
    if not builder.limits.controllers:
        yield None
        return
    from amphora.system.cgroup_shared import shared_group

    with shared_group(builder.group_key, builder.limits, builder.group_title) as group:
        yield group


@contextmanager
def _turn(builder: "Builder") -> Iterator[None]:
    """One build after the other, where their control groups cannot be one.

    What is delegated to an ordinary user is a group for each scope, so that two builds would
    have the limits each.
    """
    if os.geteuid() == 0 or not builder.limits.controllers:
        yield
        return
    from amphora.system.files import is_locked, locked

    lock = builder.store.parent / _LOCK
    if is_locked(lock):
        click.echo(
            f"note: waits for another build of {builder.name}, whose limits are for all together",
            err=True,
        )
    with locked(lock):
        yield
