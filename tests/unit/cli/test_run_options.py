"""The flags about RUN, as values."""

import pytest

from amphora.cli.run_options import read_run_options
from amphora.core.errors import InvalidValueError
from amphora.runtime.spec import Limit

NOTHING = {
    "network": "default",
    "allowed": (),
    "secrets": (),
    "agents": (),
    "hosts": (),
    "shm_size": None,
    "limits": (),
}


def read(**given):
    return read_run_options(**NOTHING | given)


def test_secrets_come_from_where_they_are_said_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"\x00from file")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VARIABLE", "from variable")
    texts = ("id=a,src=file", "id=b,env=VARIABLE", "id=VARIABLE", "id=file", "type=env,id=VARIABLE")
    options = read(secrets=(*texts, "id=c,source=file,type=file"))
    assert options.secrets == {
        "a": b"\x00from file",
        "b": b"from variable",
        "VARIABLE": b"from variable",
        "file": b"\x00from file",
        "c": b"\x00from file",
    }
    assert "from" not in repr(options)


def test_what_is_no_secret(tmp_path):
    (tmp_path / "large").write_bytes(bytes(500 * 1024 + 1))
    for text in (
        "src=x",
        "id=x,what=y",
        "id=x,src=/no/such",
        "id=x,env=NO_SUCH_VARIABLE",
        "id=x,src=/dev/null",
        f"id=x,src={tmp_path}",
        f"id=x,src={tmp_path}/large",
        "type=socket,id=x",
    ):
        with pytest.raises(InvalidValueError) as caught:
            read(secrets=(text,))
        assert "what=y" not in str(caught.value)


def test_agents(monkeypatch, tmp_path):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    options = read(agents=("default", f"other={tmp_path}/a,{tmp_path}/b"))
    assert {name: list(map(str, paths)) for name, paths in options.agents.items()} == {
        "default": ["/run/agent"],
        "other": [f"{tmp_path}/a", f"{tmp_path}/b"],
    }
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(InvalidValueError, match="SSH_AUTH_SOCK is not set"):
        read(agents=("default",))


def test_hosts_sizes_and_limits():
    options = read(
        hosts=("a:10.0.0.1", "b:::1", "c=[::2]"),
        shm_size="64m",
        limits=("nofile=10:20", "core=0"),
    )
    assert options.hosts == {"a": "10.0.0.1", "b": "::1", "c": "::2"}
    assert options.shared_memory == 64 << 20
    assert options.limits == [Limit("RLIMIT_NOFILE", 10, 20), Limit("RLIMIT_CORE", 0, 0)]


@pytest.mark.parametrize(
    "given",
    [
        {"hosts": ("a",)},
        {"hosts": ("a:b",)},
        {"hosts": ("a b:10.0.0.1",)},
        {"shm_size": "much"},
        {"limits": ("nofile",)},
        {"limits": ("nothing=1",)},
        {"limits": ("nofile=2:1",)},
        {"limits": ("nofile=-1",)},
    ],
)
def test_mistakes(given):
    with pytest.raises(InvalidValueError, match="cannot be"):
        read(**given)


def test_the_hosts_network_for_all_is_permission_for_each():
    assert read(network="host").allowed == {"network.host"}
    assert read(network="none", allowed=("security.insecure",)).allowed == {"security.insecure"}
