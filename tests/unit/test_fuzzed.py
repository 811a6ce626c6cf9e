"""Whatever comes in from outside, every error is ours: what `make fuzz` does, for a moment."""

import pytest
from conformance.case import CASES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from targets import TARGETS

_DOCKERFILES = [path.read_bytes() for path in sorted(CASES.glob("*/*/Dockerfile"))]


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=600))
def test_any_bytes(name, data):
    TARGETS[name](data)


@pytest.mark.parametrize("name", ["dockerfile", "names", "challenges"])
@settings(max_examples=400)
@given(text=st.text(max_size=300))
def test_any_text(name, text):
    TARGETS[name](text.encode())


@settings(max_examples=500)
@given(
    seed=st.sampled_from(_DOCKERFILES),
    place=st.floats(0, 1),
    cut=st.integers(0, 20),
    put=st.text(max_size=8) | st.sampled_from(["\\\n", "<<EOF\n", "${", '"', "\n", "\0"]),
)
def test_a_dockerfile_with_one_change(seed, place, cut, put):
    start = int(place * len(seed))
    TARGETS["dockerfile"](seed[:start] + put.encode() + seed[start + cut :])
