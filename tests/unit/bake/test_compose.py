"""Compose files: variables, merging, and what is refused."""

import re
import sys

import pytest

from amphora.bake.compose.interpolation import interpolate, read_environment
from amphora.bake.files import File, read_files, read_files_in
from amphora.bake.load import load
from amphora.core.errors import BakeError

_SET = {"SET": "value", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a $SET b", "a value b"),
        ("${SET}x$$SET", "valuex$SET"),
        ("${NOT}", ""),
        ("${NOT:-a}${EMPTY:-b}${EMPTY-c}${NOT-d}", "abd"),
        ("${SET:+a}${EMPTY:+b}${EMPTY+c}${NOT+d}", "ac"),
        ("${NOT:-${EMPTY:-${SET}}}", "value"),
        ("${NOT:-a}b}", "ab}"),
        ("${SET:?no}${EMPTY?no}", "value"),
    ],
)
def test_variables(text, value):
    assert interpolate(text, _SET.get) == value


@pytest.mark.parametrize(
    "text", ["$", "${", "${SET", "${1}", "${SET!}", "${NOT:?is missing}", "${NOT:-" * 100]
)
def test_what_is_malformed_is_refused(text):
    with pytest.raises(ValueError):
        interpolate(text, _SET.get)


def test_a_missing_variable_says_why_it_is_needed():
    with pytest.raises(ValueError, match="NOT must be set: give value"):
        interpolate("${NOT:?give ${SET}}", _SET.get)


def test_environment_files():
    text = "A=1\nB = two words # c\nexport C='$A'\nD=\"${A}\\t\\$A\"\nE=${A}${X}\nX=file\n# F=1\n"
    found = read_environment(text, {"X": "shell"})
    assert found == {
        "A": "1",
        "B": "two words",
        "C": "$A",
        "D": "1\t$A",
        "E": "1shell",
        "X": "shell",
    }


def configured(*texts):
    files = [File(f"{n}.yaml", text) for n, text in enumerate(texts)]
    return load(files, variables={}, environment={}).configuration


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("a: [", "expected"),
        ("- a", "no mapping"),
        ("services: 5", "services"),
        ("services: {a: 5}", "services.a"),
        ("services: {a: {build: 5}}", "services.a.build"),
        ("services: {a: {build: {args: 5}}}", "args"),
        ("services: {a: {build: {tags: x}}}", "tags"),
        ("services: {a: {build: {context: '${X:?needed}'}}}", "needed"),
        ("services: {a: {build: {shm_size: big}}}", "shm_size"),
        ("services: {a: {build: {x-bake: {tag: x}}}}", "x-bake"),
        ("services: {a: {build: {secrets: [s]}}}\nsecrets: {s: {external: true}}", "external"),
        ("services: {a: {extends: b, build: .}}", "extend"),
        ("services: {a: {extends: {service: a, file: x.yml}, build: .}}", "extend"),
        ("include: x.yml\nservices: {}", "it is no list"),
        ("include: [{}]\nservices: {}", "an entry is a path"),
        ("include: [{path: x.yml, name: y}]\nservices: {}", "an entry is a path"),
        ("include: [{path: [5]}]\nservices: {}", "its paths are texts"),
        ("include: ['https://example.com/x.git']\nservices: {}", "on another machine"),
        ("include: [/no/such.yml]\nservices: {}", "is no file"),
        ("services: !!python/object:os.system {}", "could not determine a constructor"),
        (
            "a: &a [x]\n"
            + "\n".join(
                f"{n}: &{n} [*{c}, *{c}]"
                for c, n in zip("abcdefghijklmnopqrst", "bcdefghijklmnopqrstu", strict=True)
            )
            + "\nservices: {a: {build: {tags: *u}}}",
            "aliases",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(text, mentions):
    with pytest.raises(BakeError) as caught:
        configured(text)
    assert mentions in f"{caught.value.what} {caught.value.why}"
    assert caught.value.next_command


def test_a_mistake_in_yaml_is_shown():
    with pytest.raises(BakeError) as caught:
        configured("services:\n  a: ]")
    assert caught.value.excerpt.startswith("0.yaml:2:6\n")


def test_files_are_merged_and_services_extended():
    found = configured(
        """
services:
  base: {build: {context: base, args: {A: 1, B: 1}, tags: [one]}}
  app: {extends: base, build: {args: {B: 2}, tags: [two]}}
""",
        "services: {app: {build: {args: [C=3], target: last}}}",
    )
    assert found.targets["app"].fields == {
        "context": "base",
        "args": {"A": "1", "B": "2", "C": "3"},
        "tags": ["one", "two"],
        "target": "last",
    }
    assert list(found.groups["default"].targets) == ["base", "app"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write files, and read compose.yaml."""
    monkeypatch.chdir(tmp_path)

    def read(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load(read_files(["compose.yaml"], sys.stdin), variables={}, environment=_SET)

    return read


def test_included_files_are_projects_in_their_own_directories(project):
    found = project(
        {
            "compose.yaml": """
include: [sub/part.yaml]
services: {app: {build: {additional_contexts: {lib: "service:lib"}}}}
""",
            "sub/part.yaml": """
include: [../other/third.yaml]
services:
  lib:
    build:
      context: src
      secrets: [key]
      additional_contexts: {near: ../near, image: docker-image://x}
      args: {A: $A, SET: $SET}
secrets: {key: {file: ./key}}
""",
            "sub/.env": "A=of sub\nSET=never\n",
            "other/third.yaml": "services: {third: {build: {dockerfile_inline: FROM scratch}}}",
        }
    ).configuration.targets
    assert found["app"].pairs("contexts") == {"lib": "target:lib"}
    lib = found["lib"].fields
    assert lib["context"] == "sub/src"
    assert lib["contexts"] == {"near": "near", "image": "docker-image://x"}
    assert lib["args"] == {"A": "of sub", "SET": "value"}
    assert lib["secret"] == [{"id": "key", "src": "sub/key"}]
    assert found["third"].text("context") == "other"


def test_an_included_project_may_be_said_to_be_elsewhere(project):
    found = project(
        {
            "compose.yaml": """
include:
- path: [sub/a.yaml, sub/b.yaml]
  project_directory: ./elsewhere
  env_file: [sub/one.env, sub/two.env]
""",
            "sub/a.yaml": "services: {x: {build: {context: ., args: {A: $A, B: $B}}}}",
            "sub/b.yaml": "services: {x: {build: {target: last}}}",
            "sub/one.env": "A=1\nB=1\n",
            "sub/two.env": "B=2\n",
            "elsewhere/.env": "A=never\n",
        }
    ).configuration.targets["x"]
    assert found.fields == {
        "context": "elsewhere",
        "target": "last",
        "args": {"A": "1", "B": "2"},
    }


@pytest.mark.parametrize(
    ("compose", "part", "why"),
    [
        ("services: {x: {build: {target: 2}}}", "services: {x: {build: {target: 1}}}", "in an inc"),
        ("secrets: {x: {file: 2}}", "secrets: {x: {file: 1}}", r"secrets\.x is in an included"),
        ("", "include: [compose.yaml]", "include each other without an end"),
        ("", "include: [none.yaml]", "none.yaml is no file"),
        ("", "include: [{path: part.yaml, env_file: none.env}]", "none.env is no file"),
    ],
)
def test_what_cannot_be_included(project, compose, part, why):
    with pytest.raises(BakeError) as caught:
        project({"compose.yaml": f"include: [part.yaml]\n{compose}", "part.yaml": part})
    assert re.search(why, caught.value.why)


def test_what_a_repository_includes_is_in_it(tmp_path):
    root = tmp_path / "repository"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside.yaml").write_text("services: {out: {build: .}}")
    (root / "sub/part.yaml").write_text("services: {part: {build: .}}")
    (root / "sub/link.yaml").symlink_to(tmp_path / "outside.yaml")

    def read(include):
        (root / "compose.yaml").write_text(f"include: [{include}]")
        return load(read_files_in(root, ["compose.yaml"]), variables={}, environment={})

    [target] = read("sub/part.yaml").configuration.targets.values()
    assert target.text("context") == "sub"
    for name in ("../outside.yaml", "sub/link.yaml", str(tmp_path / "outside.yaml")):
        with pytest.raises(BakeError, match="is no file"):
            read(name)


def test_a_file_without_a_telling_name_is_known_by_its_services():
    assert File("-", "services:\n  a: {}\n").is_compose
    assert not File("-", 'target "a" {}').is_compose
    assert not File("x.hcl", "services: 1").is_compose
