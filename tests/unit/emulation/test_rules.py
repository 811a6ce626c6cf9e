"""The rules as they stand: readable, complete, without contradictions; and what they mean."""

import re
import string
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import fields

from amphora.emulation import rules
from amphora.emulation.rules import Rule, read_rules

TEXT = Path(rules.__file__).with_name("rules.toml").read_text()
TABLES = tomllib.loads(TEXT)["rule"]


def test_every_rule_of_the_file_is_read():
    assert (
        len(read_rules())
        == len(TABLES)
        == len(re.findall(r"^\[\[rule\]\]$", TEXT, re.MULTILINE))
        > 10
    )


@pytest.mark.parametrize("row", TABLES, ids=lambda row: row["programs"][0])
def test_fields_are_known_and_hold_what_they_should(row):
    kinds = {field.name: field.type for field in fields(Rule)}
    for name, value in row.items():
        if kinds[name] == "str" or kinds[name] is str:
            assert isinstance(value, str), name
        elif kinds[name] is bool or kinds[name] == "bool":
            assert value is True, name
        else:
            assert isinstance(value, list), name
            assert value, f"{name} is empty: leave it out"
            assert all(isinstance(text, str) and text for text in value), name
            assert len(set(value)) == len(value), f"{name} says something twice"


def test_every_field_is_explained_above_the_rules():
    explained = set(re.findall(r"^#   (\w+) +", TEXT.split("[[rule]]")[0], re.MULTILINE))
    assert explained == set(Rule.__struct_fields__)


def test_every_rule_says_why_unless_its_neighbour_did():
    """A comment follows the heading; rules of one kind may share that of the first."""
    bodies = TEXT.split("[[rule]]\n")[1:]
    silent = [body.splitlines()[0] for body in bodies if not body.startswith("#")]
    assert len(silent) < len(bodies) / 2
    assert bodies[0].startswith("#")


def test_no_program_is_in_two_rules():
    counts = Counter(program for rule in read_rules() for program in rule.programs)
    assert [program for program, count in counts.items() if count > 1] == []


def test_programs_are_paths_below_a_root():
    for rule in read_rules():
        for path in (*rule.programs, rule.counterpart, rule.replacement):
            assert not path.startswith("/")
            assert ".." not in path.split("/")
            assert path == path.strip()


def test_placeholders_are_those_that_the_programs_have():
    for rule in read_rules():
        given = [_placeholders(program) for program in rule.programs]
        assert set().union(*given) <= set(rules._PLACEHOLDERS)
        assert all(_placeholders(rule.counterpart) <= {*names, "native"} for names in given)
        texts = (*rule.inserted, *rule.environment, *rule.starts, rule.accompanied_where)
        for text in (rule.package, rule.replacement, *texts):
            assert all(_placeholders(text) <= names for names in given), text


def test_rules_that_belong_together_are_whole():
    for rule in read_rules():
        assert bool(rule.replaced_after) == bool(rule.replacement)
        assert len(rule.accompanied) % 2 == 0
        assert rule.accompanied or not rule.accompanied_where
        assert all("=" in part for part in rule.only_with_variable)
        assert all("=" in setting for setting in rule.environment)
        assert not any("=" in name for name in rule.never_with_variable)


def test_programs_that_tell_their_cpu_are_in_no_rule():
    """Interpreters only in rules that say what they may be given to run."""
    general = [rule for rule in read_rules() if not rule.only_scripts]
    named = {Path(program).name for rule in general for program in rule.programs}
    telling = "uname arch lscpu ldconfig ldd perl python3 seq printf numfmt od stdbuf su sudo mount"
    assert named.isdisjoint(telling.split())


def test_applets_that_tell_their_cpu_are_not_named():
    """Those of busybox; its printf calculates in double."""
    named = {name for rule in read_rules() for name in (*rule.only_as, *rule.also_as)}
    telling = "uname arch od hexdump hd seq bc dc ps top free dpkg rpm su linux32 setarch stty"
    assert "printf" in named
    assert named.isdisjoint(telling.split())


def test_placeholders_are_filled_in_by_what_is_there(tmp_path):
    rule = Rule(
        programs=["usr/lib/{triplet}/{version}/cc1"],
        counterpart="cross/{triplet}/{version}/cc1",
        package="cpp-{version}-{triplet}",
        inserted=["-B{triplet}"],
        environment=["V={version}"],
        starts=["/{triplet}/ld"],
        accompanied_where="/{version}/start.o",
    )
    for directory in ("x86_64-linux-gnu/14", "x86_64-linux-gnu/15", "x86_64-linux-gnu/next", "x/1"):
        (tmp_path / "usr/lib" / directory).mkdir(parents=True)
        (tmp_path / "usr/lib" / directory / "cc1").touch()
    (tmp_path / "usr/lib/arm-linux-gnueabihf/14").mkdir(parents=True)
    applied = dict(rule.applied(tmp_path))
    assert list(applied) == [f"usr/lib/x86_64-linux-gnu/{number}/cc1" for number in (14, 15)]
    filled = applied["usr/lib/x86_64-linux-gnu/14/cc1"]
    assert filled.counterpart == "cross/x86_64-linux-gnu/14/cc1"
    assert filled.package == "cpp-14-x86-64-linux-gnu"
    assert filled.inserted == ["-Bx86_64-linux-gnu"]
    assert filled.environment == ["V=14"]
    assert filled.starts == ["/x86_64-linux-gnu/ld"]
    assert filled.accompanied_where == "/14/start.o"


def test_the_rule_for_a_path_is_found_without_looking_at_a_root():
    rule = Rule(programs=["usr/bin/sed", "usr/bin/python{version}"], package="python{version}-x")
    assert rule.applied_to("usr/bin/sed") is rule
    assert rule.applied_to("usr/bin/python3.13").package == "python3.13-x"
    for path in ("bin/sed", "usr/bin/python", "usr/bin/python3.x", "usr/bin/sed/", "", "\0"):
        assert rule.applied_to(path) is None


def test_links_of_the_image_are_followed_in_the_image(tmp_path):
    """Outside there is what the rule names, and an absolute link to it."""
    outside, image = tmp_path / "outside", tmp_path / "image"
    (outside / "a-linux-gnu/14").mkdir(parents=True)
    (outside / "a-linux-gnu/14/cc1").touch()
    (image / "usr").mkdir(parents=True)
    (image / "usr/lib").symlink_to(outside)
    rule = Rule(programs=["usr/lib/{triplet}/{version}/cc1"])
    assert list(rule.applied(image)) == []
    inside = image / str(outside).lstrip("/") / "b-linux-gnu/9"
    inside.mkdir(parents=True)
    (inside / "cc1").touch()
    assert [path for path, _ in rule.applied(image)] == ["usr/lib/b-linux-gnu/9/cc1"]


def _placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
