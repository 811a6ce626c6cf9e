"""What a bake file may do without being asked."""

import pytest

from amphora.bake.files import File
from amphora.bake.load import load
from amphora.bake.overrides import read_overrides
from amphora.bake.permissions import Permissions
from amphora.bake.resolve import resolve
from amphora.core.errors import BakeError, InvalidValueError


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Check a target with these fields in a directory of its own; returns what is missing."""
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "link").symlink_to(tmp_path)
    monkeypatch.chdir(here)

    def check(fields, *allowed, overrides=(), environment=()):
        text = f'target "default" {{\n{fields}\n}}'
        found = load([File("f.hcl", text)], variables={}, environment={}).configuration
        said = read_overrides(overrides, list(found.targets), {})
        permissions = Permissions.of(allowed, dict(environment), here)
        try:
            permissions.check(resolve(found, (), said), said)
        except BakeError as error:
            return error.next_command.removeprefix("amphora bake ").removesuffix(" …")
        return ""

    return check


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ('context = "sub"', ""),
        ('context = ".."', "--allow fs.read=../Dockerfile --allow fs.read=.."),
        ('context = "link"', "--allow fs.read=link/Dockerfile --allow fs.read=link"),
        ('dockerfile = "../Dockerfile"', "--allow fs.read=../Dockerfile"),
        ('dockerfile = "/etc/passwd"', "--allow fs.read=/etc/passwd"),
        ('contexts = { x = "/etc" }', "--allow fs.read=/etc"),
        ('contexts = { x = "oci-layout:///etc:latest" }', "--allow fs.read=/etc"),
        ('contexts = { x = "docker-image://alpine" }', ""),
        ('context = "https://example.com/x.git"', ""),
        ('output = ["type=local,dest=out"]', ""),
        ('output = ["type=tar,dest=../x.tar"]', "--allow fs.write=../x.tar"),
        ('output = ["type=tar,dest=-"]', ""),
        ('cache-from = ["type=local,src=/c"]', "--allow fs.read=/c"),
        ('cache-to = ["type=local,dest=/c"]', "--allow fs.write=/c"),
        ('secret = ["id=a,src=/etc/shadow"]', "--allow fs.read=/etc/shadow"),
        ('secret = ["id=a,env=TOKEN"]', ""),
        ('ssh = ["default"]', "--allow ssh"),
        ('ssh = ["key=/k"]', "--allow fs.read=/k"),
        ('network = "host"', "--allow network.host"),
        ('entitlements = ["security.insecure"]', "--allow security.insecure"),
    ],
)
def test_what_lies_outside_needs_permission(check, fields, missing):
    assert check(fields) == missing
    assert check(fields, *missing.replace("--allow ", "").split()) == ""


def test_a_switch_of_buildx_lets_all_paths_be(check):
    environment = {"BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
    assert check('context = ".."', environment=environment) == ""
    assert check('network = "host"', environment=environment) == "--allow network.host"


def test_what_the_user_names_is_permitted(check):
    assert check("", overrides=["*.output=type=local,dest=../out"]) == ""
    assert check("", overrides=["*.secrets=id=x,src=/etc/hostname"]) == ""


def test_a_path_beside_one_that_is_permitted_is_not(check):
    assert check('contexts = { x = "../here2" }') == "--allow fs.read=../here2"


@pytest.mark.parametrize("text", ["device", "fs", "fs.read=", "network", ""])
def test_what_cannot_be_allowed_is_refused(check, text):
    with pytest.raises(InvalidValueError):
        check("", text)
