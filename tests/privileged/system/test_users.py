"""Subordinate IDs, read from files put in the place of the machine's."""

import os
from pathlib import Path

import pytest

from amphora.core.errors import NamespaceError
from amphora.system import syscalls
from amphora.system.users import root_ranges, user_name, user_ranges

pytestmark = pytest.mark.privileged

UID = 54321


@pytest.fixture
def ranges(in_worker, tmp_path):
    """The map that a user with such an /etc/subuid gets; the user has no name."""

    def read(text):
        file = tmp_path / "subuid"
        file.write_text(text)

        def inside():
            syscalls.mount(str(file), Path("/etc/subuid"), None, syscalls.MS_BIND)
            os.setresuid(UID, UID, UID)
            try:
                return [str(line) for line in user_ranges("uid")]
            except NamespaceError as error:
                return str(error)

        return in_worker(inside)

    return read


def test_a_user_is_root_inside_and_its_subordinate_ids_follow(ranges):
    assert ranges(f"{UID}:100000:65536\n") == [f"0 {UID} 1", "1 100000 65536"]


def test_ranges_are_lined_up_one_after_the_other(ranges):
    assert ranges(f"{UID}:100000:1000\nother:1:2\n{UID}:300000:500\n") == [
        f"0 {UID} 1",
        "1 100000 1000",
        "1001 300000 500",
    ]


def test_a_range_given_twice_counts_once(ranges):
    assert len(ranges(f"{UID}:100000:65536\n{UID}:100000:65536\n")) == 2


@pytest.mark.parametrize(
    "line", ["# comment", "", "x", f"{UID}:a:b", f"{UID}:1:0", f"{UID}:-1:5", f"{UID}:1:2:3"]
)
def test_lines_that_mean_nothing_are_passed_over(ranges, line):
    assert ranges(f"{line}\n{UID}:7:8\n") == [f"0 {UID} 1", "1 7 8"]


@pytest.mark.parametrize("text", ["", "other:100000:65536\n", f"{UID}0:100000:65536\n"])
def test_without_a_range_of_its_own_a_user_is_refused(ranges, text):
    assert ranges(text).endswith("/etc/subuid gives it no subordinate uids")


def test_roots_map_in_a_namespace_is_what_the_namespace_has(in_worker):
    outer = in_worker(lambda: list(map(str, root_ranges("uid"))))
    assert outer == ["0 0 4294967294"] or os.geteuid() != 0


def test_a_user_without_a_name_goes_by_its_number(in_worker):
    def inside():
        os.setresuid(UID, UID, UID)
        return user_name()

    assert in_worker(inside) == str(UID)
