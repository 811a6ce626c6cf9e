"""How long ago something was, as `builder du` says it."""

import pytest

from amphora.cli.disk_usage import ago

DAY = 86400


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (-5, "0 seconds ago"),
        (0, "0 seconds ago"),
        (1.9, "1 second ago"),
        (119, "119 seconds ago"),
        (120, "2 minutes ago"),
        (2 * 3600 - 1, "119 minutes ago"),
        (2 * DAY - 1, "47 hours ago"),
        (13 * DAY, "13 days ago"),
        (400 * DAY, "400 days ago"),
    ],
)
def test_in_the_largest_unit_that_says_enough(passed, text):
    assert ago(2e9 - passed, 2e9) == text
