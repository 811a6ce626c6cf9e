"""Docker's and containerd's files, right ones and broken ones, as they lie about."""

import json

import pytest

from amphora.doctor.engines import check_containerd, check_docker, check_logins


@pytest.fixture
def put(tmp_path):
    """Write a file below the root or the home directory."""

    def write(path, content):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)

    return write


def docker(tmp_path, several=None, plain=()):
    checks = check_docker(tmp_path / "root", tmp_path / "home", several=several, plain=plain)
    return [(str(check.verdict), f"{check.seen} {check.command}") for check in checks]


@pytest.mark.parametrize("place", ["root/etc/docker", "home/.config/docker"])
@pytest.mark.parametrize("content", ['{"a": 1,}', "", "{", '["x"]'])
def test_a_daemon_file_that_does_not_parse(tmp_path, put, place, content):
    put(f"{place}/daemon.json", content)
    verdict, told = docker(tmp_path)[0]
    assert verdict == "problem"
    assert str(tmp_path / place / "daemon.json") in told


def test_where_is_no_docker_nothing_is_said(tmp_path):
    assert docker(tmp_path) == []


@pytest.mark.parametrize(
    ("features", "several", "verdict", "told"),
    [
        ({"containerd-snapshotter": True}, True, "ok", "it keeps several"),
        ({"containerd-snapshotter": True}, None, "ok", "it does not answer"),
        ({"containerd-snapshotter": True}, False, "warning", "restart docker"),
        ({"containerd-snapshotter": False}, None, "warning", "containerd-snapshotter"),
        (None, False, "warning", "`--load` of several fails"),
        (None, None, "ok", "is not known"),
        ("nonsense", None, "ok", "is not known"),
    ],
)
def test_whether_docker_keeps_several_platforms(tmp_path, put, features, several, verdict, told):
    put("root/etc/docker/daemon.json", json.dumps({"features": features}))
    parsed, kept = docker(tmp_path, several)
    assert parsed[0] == "ok"
    assert kept[0] == verdict
    assert told in kept[1]


def test_registries_without_tls_for_docker_but_not_for_us(tmp_path, put):
    hosts = ["10.0.0.1:5000", "known:5000", "localhost:5000", "10.0.0.0/8", 7]
    put("root/etc/docker/daemon.json", json.dumps({"insecure-registries": hosts}))
    told = docker(tmp_path, plain=["known:5000"])[1]
    assert told[0] == "warning"
    assert told[1].endswith("export AMPHORA_INSECURE_REGISTRIES=known:5000,10.0.0.1:5000")
    put("root/etc/docker/daemon.json", json.dumps({"insecure-registries": "all"}))
    assert [verdict for verdict, _ in docker(tmp_path)] == ["ok", "ok"]


def logins(tmp_path, **more):
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), **more}
    checks = check_logins(environment)
    return [(str(check.verdict), f"{check.seen} {check.command}") for check in checks]


def test_logins_and_the_helpers_they_need(tmp_path, put):
    assert logins(tmp_path) == []
    put(".docker/config.json", '{"auths": {"ghcr.io": {}}}')
    assert [verdict for verdict, _ in logins(tmp_path)] == ["ok"]
    put(".docker/config.json", '{"credsStore": "no-such", "credHelpers": {"x.io": "pass"}}')
    told = logins(tmp_path, PATH=str(tmp_path))
    assert [verdict for verdict, _ in told] == ["problem", "problem"]
    assert "golang-docker-credential-helpers" in told[0][1]
    assert "docker-credential-no-such, which is not in PATH" in told[1][1]
    helper = tmp_path / "docker-credential-pass"
    helper.write_text("#!/bin/sh\n")
    helper.chmod(0o755)
    assert [verdict for verdict, _ in logins(tmp_path, PATH=str(tmp_path))] == ["ok", "problem"]


def test_logins_that_do_not_parse_tell_no_secret(tmp_path, put):
    put(".docker/config.json", '{"auths": {"ghcr.io": {"auth": "c2VjcmV0"')
    ((verdict, told),) = logins(tmp_path)
    assert verdict == "problem"
    assert "config.json" in told
    assert "c2VjcmV0" not in told


def test_containerd_s_files(tmp_path, put):
    def told():
        return [(str(check.verdict), check.command) for check in check_containerd(tmp_path)]

    assert told() == []
    put("etc/containerd/config.toml", "version = 3\n")
    put("etc/containerd/certs.d/ghcr.io/hosts.toml", 'server = "https://ghcr.io"\n')
    assert told() == [("ok", ""), ("ok", "")]
    put("etc/containerd/config.toml", "version =\n")
    put("etc/containerd/certs.d/ghcr.io/hosts.toml", "[host.")
    assert [verdict for verdict, _ in told()] == ["problem", "problem"]
