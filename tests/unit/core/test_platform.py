"""Platforms against the tables of containerd's `platforms` package, and any text at all."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.errors import InvalidValueError
from amphora.core.platform import ARCHITECTURES, Platform, parse_platforms


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86_64/3", "linux/amd64/v3"),
        ("i386", "linux/386"),
        ("i686", "linux/386"),
        ("aarch64", "linux/arm64"),
        ("arm64v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v8.0", "linux/arm64"),
        ("linux/arm64/v8.1", "linux/arm64/v8.1"),
        ("linux/arm64/v9.0", "linux/arm64/v9"),
        ("linux/arm64/9", "linux/arm64/v9"),
        ("arm", "linux/arm/v7"),
        ("arm/v6", "linux/arm/v6"),
        ("linux/arm/5", "linux/arm/v5"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("armv7l", "linux/arm/v7"),
        ("arm32v6", "linux/arm/v6"),
        ("ppc64el", "linux/ppc64le"),
        ("loongarch64", "linux/loong64"),
        ("mips64el", "linux/mips64le"),
        ("riscv64", "linux/riscv64"),
        ("s390x", "linux/s390x"),
        ("windows/amd64", "windows/amd64"),
        ("  Linux/ARM64/V8 ", "linux/arm64"),
    ],
)
def test_parse_brings_into_normal_form(text, normal):
    assert str(Platform.parse(text)) == normal


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "written as"),
        ("/", "written as"),
        ("linux/", "written as"),
        ("linux/amd64/v2/more", "written as"),
        ("linux/am d64", "written as"),
        ("l\u0131nux/amd64", "written as"),
        ("linux", "no architecture"),
        ("arm/v7/linux", "'arm' is not an operating system"),
        ("plan9/amd64", "'plan9' is not an architecture"),
        ("linux/avr", "'avr' is not an architecture"),
        ("linux/linux/arm64", "'linux' is not an architecture"),
    ],
)
def test_parse_says_what_is_wrong(text, why):
    with pytest.raises(InvalidValueError) as caught:
        Platform.parse(text)
    assert why in caught.value.why


@given(st.text(max_size=40) | st.from_regex(r"\A(linux/)?[a-z0-9]{1,8}(/v?[0-9.]{0,4})?\Z"))
def test_parse_of_anything_is_a_platform_or_an_invalid_value(text):
    try:
        platform = Platform.parse(text)
    except InvalidValueError:
        return
    assert Platform.parse(str(platform)) == platform


@given(
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(sorted(ARCHITECTURES)),
    st.from_regex(r"\A(v?[0-9]{1,2}(\.[0-9])?)?\Z"),
)
def test_what_is_printed_reads_back_the_same(os_name, architecture, variant):
    platform = Platform.normalise(os_name, architecture, variant)
    assert Platform.parse(str(platform)) == platform


@given(st.text(), st.text(), st.text())
def test_fields_of_any_config_are_normalised_once_and_match_themselves(os_name, machine, variant):
    platform = Platform.normalise(os_name, machine, variant)
    again = Platform.normalise(platform.os, platform.architecture, platform.variant)
    # Lower-casing is not idempotent in all of Unicode; no platform is written in it.
    assert again == platform or not (os_name + machine + variant).isascii()
    assert platform.matches(platform)


@pytest.mark.parametrize("variant", ["v" + "9" * 5000, "v²", "v999999999", "v8." + "9" * 5000])
@pytest.mark.parametrize("architecture", ["amd64", "arm", "arm64"])
def test_absurd_variants_match_nothing_else_and_cost_nothing(architecture, variant):
    wanted = Platform.normalise("linux", architecture, variant)
    assert not wanted.matches(Platform("linux", architecture, "v2"))


def test_host_is_what_the_kernel_says():
    assert Platform.host() == Platform.parse(os.uname().machine)


#: What containerd's Only accepts for a platform, best first.
VECTORS = {
    "linux/amd64": ["linux/amd64", "linux/386"],
    "linux/amd64/v3": ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"],
    "linux/386": ["linux/386"],
    "linux/arm/v5": ["linux/arm/v5"],
    "linux/arm/v7": ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    "linux/arm64": [
        *("linux/arm64", "linux/arm/v8"),
        *("linux/arm/v7", "linux/arm/v6", "linux/arm/v5"),
    ],
    "linux/arm64/v8.2": ["linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64", "linux/arm/v8"],
    "linux/arm64/v9": [
        *("linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64/v8.4"),
        *("linux/arm64/v8.3", "linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64"),
    ],
    "linux/arm64/v9.1": ["linux/arm64/v9.1", "linux/arm64/v9", "linux/arm64/v8.6"],
    "linux/riscv64": ["linux/riscv64"],
    "windows/amd64": ["windows/amd64", "windows/386"],
}


@pytest.mark.parametrize("wanted", VECTORS)
def test_select_prefers_in_containerds_order(wanted):
    available = [Platform.parse(text) for text in VECTORS[wanted]]
    chosen = []
    while available:
        best = Platform.parse(wanted).select(reversed(available))
        assert best is not None
        chosen.append(str(best))
        available.remove(best)
    assert chosen == VECTORS[wanted]


@pytest.mark.parametrize(
    ("wanted", "candidate"),
    [
        ("linux/386", "linux/amd64"),
        ("linux/amd64", "linux/amd64/v2"),
        ("linux/amd64", "windows/amd64"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/arm/v5", "linux/arm/v4"),
        ("linux/arm/v8", "linux/arm64"),
        ("linux/arm64", "linux/arm64/v8.1"),
        ("linux/arm64/v9", "linux/arm64/v8.6"),
        ("linux/arm64", "linux/amd64"),
    ],
)
def test_nothing_newer_wider_or_other_matches(wanted, candidate):
    platform = Platform.parse(wanted)
    assert not platform.matches(Platform.parse(candidate))
    assert platform.select([Platform.parse(candidate)]) is None


def test_strict_takes_the_very_same_platform_only():
    wanted, sibling = Platform.parse("linux/arm64"), Platform.parse("linux/arm/v7")
    assert wanted.matches(Platform.parse("arm64/v8"), strict=True)
    assert not wanted.matches(sibling, strict=True)
    assert wanted.select([sibling], strict=True) is None
    assert wanted.select([sibling, wanted], strict=True) == wanted


def test_platform_lists_come_in_commas_and_repeated_flags_without_duplicates():
    texts = ["linux/arm64, amd64", "aarch64,", "arm/v7"]
    assert [str(platform) for platform in parse_platforms(texts)] == [
        "linux/arm64",
        "linux/amd64",
        "linux/arm/v7",
    ]
