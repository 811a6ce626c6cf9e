"""When a health check runs and what its status means, as docker documents it."""

import pytest

from amphora.core.errors import VerificationError
from amphora.oci.config import ContainerConfig, Healthcheck
from amphora.verify.health import Health, HealthCheck, health_check_of

SECOND = 10**9


def check_of(*test, shell=None, **times):
    return health_check_of(ContainerConfig(healthcheck=Healthcheck(test, **times), shell=shell))


def test_defaults_are_dockers():
    assert check_of("CMD", "a", "b") == HealthCheck(("a", "b"), 30, 30, 0, 5, 3)


def test_what_the_image_says_counts():
    check = check_of(
        *("CMD-SHELL", "a && b"),
        shell=("/bin/ash", "-ec"),
        interval=SECOND // 2,
        timeout=2 * SECOND,
        start_period=60 * SECOND,
        start_interval=SECOND,
        retries=1,
    )
    assert check == HealthCheck(("/bin/ash", "-ec", "a && b"), 0.5, 2, 60, 1, 1)
    assert check_of("CMD-SHELL", "x").command == ("/bin/sh", "-c", "x")


@pytest.mark.parametrize("test", [(), ("NONE",), ("CMD",), ("WHAT", "x")])
def test_without_one_nobody_can_tell(test):
    with pytest.raises(VerificationError, match="no HEALTHCHECK"):
        check_of(*test)
    with pytest.raises(VerificationError, match="no HEALTHCHECK"):
        health_check_of(ContainerConfig())


def test_it_is_healthy_at_the_first_success():
    health = Health(HealthCheck(("x",)))
    assert (health.state, health.pause(0)) == ("starting", 30)
    health.note(30, 1)
    assert health.state == "starting"
    health.note(60, 0)
    assert health.state == "healthy"


@pytest.mark.parametrize("status", [1, 2, 137, None])
def test_it_is_unhealthy_after_so_many_failures_in_a_row(status):
    health = Health(HealthCheck(("x",), retries=3))
    for _ in range(2):
        health.note(0, status)
    assert health.state == "starting"
    health.note(0, status)
    assert health.state == "unhealthy"


def test_failures_while_it_starts_do_not_count_and_checks_come_sooner():
    health = Health(HealthCheck(("x",), start_period=60, retries=1))
    assert (health.pause(0), health.pause(59.9), health.pause(60)) == (5, 5, 30)
    health.note(59.9, 1)
    assert health.state == "starting"
    health.note(60, 1)
    assert health.state == "unhealthy"
