"""Registries that are asked: those that are named or have a login, and what they answer."""

import asyncio
import base64
import json

from amphora.doctor.registries import check_registry, hosts_of


def environment(tmp_path, logins=None):
    if logins is not None:
        (tmp_path / ".docker").mkdir(exist_ok=True)
        (tmp_path / ".docker/config.json").write_text(logins)
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": str(tmp_path)}


def ask(host, variables):
    check = asyncio.run(check_registry(host, (), variables))
    return str(check.verdict), check.seen, check.command


def test_who_is_asked(tmp_path):
    logins = {
        "auths": {"https://index.docker.io/v1/": {}, "ghcr.io": {}, "quay.io/team": {}},
        "credHelpers": {"eu.gcr.io": "gcloud"},
    }
    logins["auths"] |= {"no host": {}, "": {}}
    known = environment(tmp_path, json.dumps(logins))
    hosts = hosts_of(["mine:5000", "ghcr.io"], known)
    assert hosts == ["mine:5000", "ghcr.io", "docker.io", "eu.gcr.io"]
    assert hosts_of(["mine:5000"], environment(tmp_path, "{")) == ["mine:5000"]


def test_a_registry_that_answers(tmp_path, web, page):
    web.pages["/v2/"] = page(b"{}")
    verdict, seen, _ = ask(f"127.0.0.1:{web.port}", environment(tmp_path))
    assert verdict == "ok"
    assert "answers over http" in seen
    assert "nobody" in seen


def test_a_registry_that_wants_a_login(tmp_path, web, page):
    host = f"127.0.0.1:{web.port}"
    web.pages["/v2/"] = page(b"", 401, {"WWW-Authenticate": 'Basic realm="x"'})
    verdict, seen, command = ask(host, environment(tmp_path))
    assert verdict == "problem"
    assert "401" in seen
    assert f"docker login {host}" in command
    auth = base64.b64encode(b"me:secret").decode()
    known = environment(tmp_path, json.dumps({"auths": {host: {"auth": auth}}}))
    verdict, seen, _ = ask(host, known)
    assert verdict == "problem"
    assert "user 'me'" in seen
    assert "secret" not in seen
    assert auth not in seen


def test_what_is_no_registry_and_what_is_not_there(tmp_path, web):
    assert ask(f"127.0.0.1:{web.port}", environment(tmp_path))[0] == "problem"
    verdict, _, command = ask("127.0.0.1:1", environment(tmp_path))
    assert verdict == "problem"
    assert "curl -I" in command


def test_a_helper_that_is_missing(tmp_path):
    known = environment(tmp_path, json.dumps({"credsStore": "gone"}))
    verdict, seen, _ = ask("127.0.0.1:1", known)
    assert verdict == "problem"
    assert "docker-credential-gone" in seen
