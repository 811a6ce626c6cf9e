"""A kernel judged by its version and by the switches it has, read from real files."""

import pytest

from amphora.doctor.kernel import check_namespaces, check_release


@pytest.mark.parametrize(
    ("release", "verdict"),
    [
        ("4.19.0-27-amd64", "problem"),
        ("5.10.0-33-amd64", "problem"),
        ("5.11.0", "warning"),
        ("5.15.167.4-microsoft-standard-WSL2", "warning"),
        ("6.6.137", "warning"),
        ("6.7.0", "ok"),
        ("6.12.9+deb13-arm64", "ok"),
        ("10.1", "ok"),
    ],
)
def test_a_version_says_what_a_kernel_can_do(release, verdict):
    check = check_release(release)
    assert check.verdict == verdict
    assert release in check.seen
    assert bool(check.command) == (verdict != "ok")


@pytest.mark.parametrize(
    ("switches", "uid", "verdict", "told"),
    [
        ({}, 1000, "ok", "nothing forbids"),
        ({"user/max_user_namespaces": "96365"}, 1000, "ok", "at most 96365"),
        ({"user/max_user_namespaces": "0"}, 0, "problem", "max_user_namespaces=16384"),
        ({"kernel/unprivileged_userns_clone": "0"}, 1000, "problem", "userns_clone=1"),
        ({"kernel/unprivileged_userns_clone": "0"}, 0, "ok", "nothing forbids"),
        ({"kernel/unprivileged_userns_clone": "1"}, 1000, "ok", "nothing forbids"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, 1000, "warning", "userns=0"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "1"}, 0, "ok", "nothing forbids"),
        ({"kernel/apparmor_restrict_unprivileged_userns": "0"}, 1000, "ok", "nothing forbids"),
    ],
)
def test_switches_that_forbid_namespaces(tmp_path, switches, uid, verdict, told):
    for name, value in switches.items():
        path = tmp_path / "proc/sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    (check,) = check_namespaces(tmp_path, uid)
    assert check.verdict == verdict
    assert told in f"{check.seen} {check.command}"
