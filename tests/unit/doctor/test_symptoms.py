"""The table of symptoms: each example is told apart, and honest logs show none."""

import io
import re
from pathlib import Path

import pytest

from amphora.doctor.symptoms import clean, known_symptoms, lines_of, recognise

HERE = Path(__file__).parent
EXAMPLES = [(symptom.id, example) for symptom in known_symptoms() for example in symptom.examples]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_each_example_shows_its_own_symptom(name, example):
    """Also as builders and clusters print lines: behind a step, a time or a name."""
    for line in (example, f"#12 0.345 {example}", f"2026-01-02T03:04:05Z web-0 {example}"):
        assert [finding.symptom.id for finding in recognise([line])] == [name]


@pytest.mark.parametrize("symptom", known_symptoms(), ids=lambda symptom: symptom.id)
def test_each_symptom_says_all_that_is_needed(symptom):
    assert re.fullmatch(r"https://[a-z0-9.-]+/\S+", symptom.source)
    assert symptom.examples
    assert len(symptom.command) > 5
    assert all(word == word.lower() and len(word) > 2 for word in symptom.words)
    for sentence in (symptom.cause, symptom.why):
        assert 20 < len(sentence) < 200
        assert sentence.strip(" .") == sentence


def test_there_are_enough_and_none_twice():
    names = [symptom.id for symptom in known_symptoms()]
    assert len(names) == len(set(names)) >= 40


@pytest.mark.parametrize("path", sorted(HERE.glob("honest/*.log")), ids=lambda path: path.stem)
def test_an_honest_log_shows_nothing(path):
    with path.open("rb") as log:
        lines = list(lines_of(log))
    assert len(lines) >= 15
    found = [(each.symptom.id, each.line, each.text) for each in recognise(lines)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "I/O 139 blocks, 132 errors, 159 retries, 137 seconds",
        "Step 139/159 : RUN true",
        "sha256:139132159137139132159137139132159137139132159137139132159137aaaa",
        "exit code: 1390",
        "npm install finished in 132 s",
        "node stuck to its guns",
        "Processing triggers for libc-bin (2.36-9+deb12u7) ...",
        "Setting up libc-bin (2.36-9+deb12u7) ...",
        "kubernetes.io/arch: arm64",
        "kubernetes.io/arch=amd64",
        "user.max_user_namespaces = 96365",
        "kernel.apparmor_restrict_unprivileged_userns = 0",
        "/bin/sh: 1: exec: curl: not found",
        "fork/exec ./missing: no such file or directory",
        "exec: command not found",
        "checking whether ptrace works... yes",
        "a manifest list is a manifest list of manifests",
        "Unpacking uidmap (1:4.13+dfsg1-1+b1) ... newuidmap newgidmap",
        "binfmt-support restarted after upgrade",
        "OOMKilled: false",
    ],
)
def test_what_comes_close_is_no_symptom(line):
    assert recognise([line]) == []


def test_findings_come_in_order_with_their_first_line_and_count():
    lines = ["fine", "toomanyrequests: no", "exec /a: exec format error", "fine"]
    found = recognise([*lines, "toomanyrequests: again"])
    told = [(each.symptom.id, each.line, each.count, each.text) for each in found]
    assert told == [
        ("too-many-requests", 2, 2, "toomanyrequests: no"),
        ("exec-format-error", 3, 1, "exec /a: exec format error"),
    ]


def test_what_a_terminal_would_obey_is_taken_out():
    coloured = "\x1b[31;1mexec\x1b[0m \x1b]0;title\x07/a: \x1b[Kexec format\terror\x08\r\n"
    (finding,) = recognise([coloured])
    assert finding.text == "exec /a: exec format error "
    assert clean("\x9b31m\x00\u202e") == " 31m  "


def test_a_line_may_be_longer_than_memory_likes():
    log = b"x" * 300_000 + b" exec format error\nexec format error\n" + b"\xff\xfe\x00 no end"
    lines = list(lines_of(io.BytesIO(log)))
    assert [len(line) for line in lines] == [4096, 18, 10]
    assert [finding.line for finding in recognise(lines)] == [2]


def test_no_line_takes_long():
    """Patterns are bounded: what is hostile costs what is honest."""
    words = [word for symptom in known_symptoms() for word in symptom.words]
    for word in words:
        assert len(recognise([(word + " ") * (4096 // (len(word) + 1))])) <= 1
