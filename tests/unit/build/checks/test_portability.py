"""What is right for one CPU only: what is found, and what comes close but is meant."""

import pytest

from amphora.build.checks.portability import platform_notices
from amphora.build.dockerfile.parser import parse


def found(text):
    notices = platform_notices(parse(text))
    assert all(notice.message for notice in notices)
    return [(notice.rule, notice.line) for notice in notices]


@pytest.mark.parametrize(
    ("rule", "line", "text"),
    [
        ("FromPlatformFlagConstDisallowed", 1, "FROM --platform=linux/amd64 a"),
        ("RedundantTargetPlatform", 1, "FROM --platform=$TARGETPLATFORM a"),
        ("BaseOfOnePlatform", 1, "FROM amd64/debian"),
        ("BaseOfOnePlatform", 2, "FROM a\nFROM docker.io/arm64v8/alpine:3"),
        ("BaseOfOnePlatform", 1, "FROM ghcr.io/x/y:1.2-arm64"),
        ("DownloadOfOnePlatform", 2, "FROM a\nRUN curl -O https://e.org/x-linux-amd64.tgz"),
        ("DownloadOfOnePlatform", 3, "FROM a\nRUN true && \\\n wget https://e.org/x_x86_64.zip"),
        ("DownloadOfOnePlatform", 2, "FROM a\nRUN curl https://e.org/v${V}/node-linux-x64.tar.xz"),
        ("DownloadOfOnePlatform", 2, "FROM a\nADD https://e.org/aarch64/x /x"),
        ("DownloadOfOnePlatform", 2, "FROM a\nRUN dpkg -i x_1.0_amd64.deb"),
        ("DownloadOfOnePlatform", 2, "FROM a\nRUN pip install x-cp312-linux_x86_64.whl"),
        ("DownloadOfOnePlatform", 2, "FROM a\nCOPY x-linux-arm64.tar.gz /"),
        ("DownloadOfOnePlatform", 2, "FROM a\nRUN echo deb [arch=amd64] http://e.org x main >l"),
        ("DownloadOfOnePlatform", 2, "FROM a\nRUN <<E\ncurl https://e.org/x-amd64\nE"),
        ("DownloadOfOnePlatform", 2, "FROM --platform=$BUILDPLATFORM a\nADD http://e.org/amd64 /x"),
        ("CompilesForOnePlatform", 2, "FROM a\nRUN GOOS=linux GOARCH=amd64 go build"),
        ("CompilesForOnePlatform", 2, "FROM a\nENV GOARCH=arm64"),
        ("CompilesForOnePlatform", 2, "FROM a\nRUN rustup target add x86_64-unknown-linux-musl"),
        ("CompilesForOnePlatform", 2, "FROM a\nRUN cargo build --target aarch64-unknown-linux-gnu"),
        ("DirectoryOfOnePlatform", 2, "FROM a\nENV LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu"),
        ("DirectoryOfOnePlatform", 2, "FROM a\nENV JAVA_HOME=/usr/lib/jvm/java-17-openjdk-amd64"),
        ("DirectoryOfOnePlatform", 2, "FROM a\nCOPY --from=b /usr/lib/aarch64-linux-gnu/x.so /"),
        ("PlatformArgNotDeclared", 2, "FROM a\nRUN curl https://e.org/$TARGETARCH"),
        ("PlatformArgNotDeclared", 2, "ARG TARGETARCH\nFROM a\nRUN echo $TARGETARCH"),
        ("PlatformArgNotDeclared", 2, "FROM a\nRUN echo ${BUILDPLATFORM}\nARG BUILDPLATFORM"),
        ("PlatformArgNotDeclared", 2, "FROM a\nCOPY x-${TARGETOS:-linux} /"),
        ("PlatformArgNotDeclared", 4, "FROM a AS b\nARG TARGETARCH\nFROM a\nRUN echo $TARGETARCH"),
    ],
)
def test_what_is_for_one_platform(rule, line, text):
    if text.startswith("ARG"):
        line += 1
    assert found(text) == [(rule, line)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nARG TARGETARCH\nRUN curl https://e.org/x-$TARGETARCH.tgz",
        "FROM --platform=$BUILDPLATFORM golang\nARG TARGETARCH\nRUN GOARCH=$TARGETARCH go build",
        "FROM a AS b\nARG TARGETARCH\nFROM b\nRUN echo $TARGETARCH",
        "FROM a\nRUN TARGETARCH=$(dpkg --print-architecture); curl https://e.org/$TARGETARCH",
        "FROM a\nENV TARGETARCH=any\nRUN echo $TARGETARCH",
        "FROM a\nRUN curl https://e.org/x-$(uname -m).tgz",
        "FROM a\nRUN case $(uname -m) in x86_64) p=amd64;; aarch64) p=arm64;; esac;"
        " curl https://e.org/x-$p; wget https://e.org/linux-amd64.sum",
        'FROM a\nARG TARGETARCH\nRUN if [ "$TARGETARCH" = amd64 ]; then'
        " curl https://e.org/x_x86_64.tgz; fi",
        "FROM a\nRUN test $(uname -m) != x86_64 || curl https://e.org/x-amd64",
        "FROM a\nRUN echo deb [arch=$(dpkg --print-architecture)] http://e.org x main >l",
        "FROM a AS build-amd64\nRUN curl https://e.org/x-amd64.tgz",
        "FROM --platform=linux/amd64 a AS amd64\nRUN curl https://e.org/x-amd64.tgz",
        "FROM amd64/debian AS base_amd64",
        "FROM $BASE-amd64",
        "FROM a\n# https://e.org/x-amd64.tgz\nRUN true",
        "FROM a\nRUN echo amd64 is a CPU",
        "FROM a\nLABEL x=https://e.org/docs/x64ish",
        "FROM xarm64/tool\nFROM me/amd64\nFROM a:3.12@sha256:" + "a" * 64,
    ],
)
def test_what_is_meant_so(text):
    assert found(text) == []


@pytest.mark.parametrize("piece", ["a", "deb [", "/lib/", "http://x", "x.", "$", "amd64-"])
def test_no_text_takes_long(piece):
    """Patterns are bounded: a Dockerfile may be anybody's."""
    text = f"FROM a\nRUN {piece * (200_000 // len(piece))}"
    assert len(found(text)) <= 1
