"""Targets, groups, variables and --set: what they refuse, and what they list."""

import pytest

from amphora.bake.files import File, read_files
from amphora.bake.load import load
from amphora.bake.overrides import read_overrides
from amphora.bake.printing import listed_targets, listed_variables
from amphora.bake.resolve import resolve
from amphora.core.errors import BakeError


def loaded(text, name="f.hcl", environment=(), **variables):
    return load([File(name, text)], variables=variables, environment=dict(environment))


def planned(text, *targets, overrides=(), environment=()):
    found = loaded(text, environment=environment).configuration
    return resolve(found, targets, read_overrides(overrides, list(found.targets), {}))


@pytest.mark.parametrize(
    ("text", "what", "mentions"),
    [
        ('tagret "a" {}', "there is no block 'tagret'", "target"),
        ("target {}", "a target has one name", "has 0"),
        ('target "a" "b" {}', "a target has one name", "has 2"),
        ('target "a b" {}', "this cannot be the name of a target", "letters"),
        ('target "a" { dokerfile = "x" }', "there is no attribute 'dokerfile'", "dockerfile"),
        ('target "a" { tags = "x" }', "this cannot be tags of a target", "list"),
        ('target "a" { args = ["x"] }', "this cannot be args of a target", "object"),
        ('target "a" { output = ["dest=x,a=b"] }', "this cannot be output of a target", "type"),
        ('target "a" { secret = ["x"] }', "this cannot be secret of a target", "NAME=VALUE"),
        ('target "a" { pull = "maybe" }', "this cannot be pull of a target", "true or false"),
        ('target "a" { name = "b" }', "a name is for a matrix", "none"),
        ('target "a" { matrix = { x = [1] } }', "a matrix needs a name", "otherwise"),
        (
            'target "a" {\n matrix = { x = [1, 2] }\n name = "same"\n}',
            "two targets of this matrix are called 'same'",
            "differ",
        ),
        (
            'target "a" {\n matrix = { x = ["1.0"] }\n name = "a-${x}"\n}',
            "this cannot be the name of a target",
            "sanitize",
        ),
        ('target "a" {\n matrix = ["x"]\n name = "b"\n}', "this is no matrix", "object"),
        ('group "g" {}', "the group 'g' is not complete", "targets"),
        ('group "g" {\n targets = []\n matrix = {}\n}', "there is no attribute 'matrix'", ""),
        ('group "g" { targets = ["g"] }', "the group 'g' contains itself", "g → g"),
        ('variable "v" { defualt = 1 }', "a variable has no 'defualt'", "default"),
        ('variable "v" { type = strng }', "this is no type", "string"),
        (
            'variable "v" {\n type = number\n default = "x"\n}',
            "the default of v is of another type",
            "number",
        ),
        (
            'variable "v" {\n default = 1\n validation { condition = v > 1 }\n}',
            "this validation is not complete",
            "error_message",
        ),
        ('function "f" { params = [a] }', "the function 'f' is not complete", "result"),
        (
            'function "f" {\n params = [1]\n result = 1\n}',
            "this is no list of names",
            "parameters",
        ),
        (
            'function "f" {\n params = [a]\n result = f(a)\n}\nx = f(1)',
            "the function f needs itself",
            "circle",
        ),
        ('target "g" { tags = [target.g.tags[0]] }', "target.g.tags needs itself", "circle"),
        ('target "g" { inherits = ["nosuch"] }', "there is no target 'nosuch'", "define g"),
        (
            'target "g" { contexts = { x = "target:h" } }\n'
            'target "h" { contexts = { x = "target:g" } }',
            "the target 'g' needs itself",
            "g → h → g",
        ),
        (
            'target "g" {\n contexts = { x = "target:h" }\n platforms = ["linux/a", "linux/b"]\n}\n'
            'target "h" { platforms = ["linux/a", "linux/c"] }',
            "the target 'g' cannot use 'h' for linux/b",
            "linux/c",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(text, what, mentions):
    with pytest.raises(BakeError) as caught:
        planned(text, "g")
    assert caught.value.what == what
    assert mentions in f"{caught.value.why} {caught.value.next_command}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", "it is written as TARGET.FIELD=VALUE"),
        ("a.tags", "it has no value"),
        ("a.tgas=x", "did you mean tags?"),
        ("a.args=x", "args is written as args.NAME"),
        ("a.tags.b=x", "tags has no names"),
        ("b.tags=x", "no target is called 'b'"),
        ("a.pull=perhaps", "true or false is required"),
        ("a.output=x=y", "an output needs a type"),
        ("a.inherits=x", "a target has no field 'inherits'"),
    ],
)
def test_what_cannot_be_set_is_refused(text, why):
    with pytest.raises(BakeError) as caught:
        planned('target "a" {}', "a", overrides=[text])
    assert why in caught.value.why


def test_a_secret_that_cannot_be_set_is_not_shown():
    with pytest.raises(BakeError) as caught:
        planned('target "a" {}', "a", overrides=["a.secrets=id=x,password=hunter2"])
    assert "hunter2" not in str(caught.value)


def test_names_that_are_nearly_right_are_told():
    with pytest.raises(BakeError) as caught:
        planned('target "webapp" {}', "webap")
    assert caught.value.next_command == "did you mean webapp?"
    with pytest.raises(BakeError) as caught:
        planned('variable "VERSION" {}\ntarget "x" { tags = [VERSOIN] }', "x")
    assert "VERSION" in caught.value.next_command
    with pytest.raises(BakeError) as caught:
        planned('target "webapp" {}', "app-*")
    assert "webapp" in caught.value.why


@pytest.mark.parametrize(
    ("declared", "environment", "value"),
    [
        ("default = true", {"V": "f"}, "false"),
        ("default = 1", {"V": "2.50"}, "2.5"),
        ('default = "x"', {"V": ""}, ""),
        ("", {"V": "y"}, "y"),
        ("type = list(number)", {"V": "1,2"}, "[1,2]"),
        ("type = list(bool)", {"V": "1,F"}, "[true,false]"),
        ("type = set(string)", {"V": 'b,"a,c"'}, '["a,c","b"]'),
        ("type = list(string)", {"V": ""}, "[]"),
        ("type = list(string)", {"V": "x", "V_JSON": '["y"]'}, '["y"]'),
        ("type = string", {"V": "x", "V_JSON": '"y"'}, "x"),
        ("type = number", {"V_JSON": "7"}, "7"),
        ("type = map(number)", {"V_JSON": '{"a": "1"}'}, '{"a":1}'),
        ("type = any", {"V_JSON": "[1]"}, "[1]"),
    ],
)
def test_variables_take_values_of_their_type(declared, environment, value):
    [found] = loaded(f'variable "V" {{\n{declared}\n}}', environment=environment).variables
    assert found.value == value


@pytest.mark.parametrize(
    ("declared", "environment"),
    [
        ("default = true", {"V": "yes"}),
        ("default = 1", {"V": "x"}),
        ("default = [1]", {"V": "1"}),
        ("type = list(number)", {"V": "x"}),
        ("type = map(string)", {"V": "a=b"}),
        ("type = list(list(string))", {"V": "a"}),
        ("type = tuple([string, number])", {"V": "a"}),
        ("type = object({ a = string })", {"V_JSON": "{}"}),
        ("type = list(string)", {"V_JSON": "{"}),
    ],
)
def test_values_of_another_type_are_refused(declared, environment):
    with pytest.raises(BakeError, match="V cannot be what it is set to"):
        loaded(f'variable "V" {{\n{declared}\n}}', environment=environment)


def test_what_is_given_with_var_counts_more_than_the_environment():
    environment = {"V": "environment"}
    [found] = loaded('variable "V" {}', environment=environment, V="flag").variables
    assert found.value == "flag"
    switch = {"BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP": "1"}
    [found] = loaded('variable "V" {}', environment={**environment, **switch}).variables
    assert found.value == ""


def test_targets_and_variables_are_listed():
    found = loaded(
        """
variable "B" {
  type = list(string)
  description = "Second"
}
variable "A" { default = 1 }
target "app" { description = "The app" }
target "_private" {}
group "all" { targets = ["b", "app"] }
group "described" {
  targets = ["app"]
  description = "Some"
}
"""
    )
    assert listed_targets(found.configuration) == [
        {"name": "all", "description": "app, b", "group": True},
        {"name": "app", "description": "The app"},
        {"name": "described", "description": "Some (app)", "group": True},
    ]
    assert listed_variables(found.variables) == [
        {"name": "A", "type": "number", "value": "1"},
        {"name": "B", "type": "list(string)", "description": "Second"},
    ]


def test_files_are_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BakeError, match="there is nothing to bake"):
        read_files([], None)
    with pytest.raises(BakeError, match=r"cannot read the bake file nosuch\.hcl"):
        read_files(["nosuch.hcl"], None)
    (tmp_path / "binary.hcl").write_bytes(b"\xff")
    with pytest.raises(BakeError, match="UTF-8"):
        read_files(["binary.hcl"], None)
    (tmp_path / "large.hcl").write_bytes(b"#" * (5 << 20))
    with pytest.raises(BakeError, match="larger"):
        read_files(["large.hcl"], None)


def test_texts_that_double_come_to_an_end():
    lines = [f'v{n} = "${{v{n + 1}}}${{v{n + 1}}}"' for n in range(40)]
    with pytest.raises(BakeError) as caught:
        loaded("\n".join([*lines, 'v40 = "0123456789"']))
    assert "longer" in caught.value.why
