"""Secrets of every kind that a build may be given are in nothing that it leaves or says.

Each is searched for in every byte of the store (layers, history, logs, cache keys, snapshots,
what was fetched), the outputs, the caches, the registry, the metadata, the provenance of mode=max
and all that is printed, by builds that succeed and by builds that fail.

No secrets are what a Dockerfile says, and the values of build args, which provenance of mode=max
tells: https://docs.docker.com/reference/dockerfile/#arg. Proxies are the exception.
"""

import base64
import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import zstandard
from conformance.serving import FILE_TOKEN, GIT_TOKEN, Site, served

from amphora.core import errors

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

#: Kinds of secrets, each with words to search for.
SECRETS = {
    "--secret of a file": "correct horse battery staple",
    "--secret of a variable": "tr0ub4dor-and-3",
    "proxy in a build arg": "proxy-password-9",
    "build arg, unless provenance tells all": "argument-password-1",
    "HTTP_AUTH_TOKEN of an ADD": FILE_TOKEN,
    "GIT_AUTH_TOKEN of an ADD and a context": GIT_TOKEN,
    "signature in the URL of a context": "signed-in-a-query-2",
    "password in the URL of a context": "password-in-a-url-7",
    "login at a registry": "registry-password-4",
}
_BUILD_ARG = SECRETS["build arg, unless provenance tells all"]

DOCKERFILE = """\
FROM busybox
ARG PASSWORD
ADD @SITE@/private/hello.txt /file
ADD --keep-git-dir @SITE@/git/private.git /src
COPY --from=fetched top /from-a-context
COPY --from=cloned read-me /from-a-repository
RUN --mount=type=secret,id=file --mount=type=secret,id=variable,env=TOKEN --mount=type=ssh \\
    test -s /run/secrets/file -a -n "$TOKEN" -a -n "$PASSWORD" -a -n "$HTTPS_PROXY" && date > /done
"""

_SERVE = """
import asyncio, pathlib, sys
from amphora.registry.server.run import serve
ready = lambda port: print(port, flush=True)
asyncio.run(serve(pathlib.Path(sys.argv[1]), on_ready=ready, users={"ann": sys.argv[2]}))
"""


@dataclass
class World:
    """What a build may reach; what is printed is gathered in `said`."""

    build: object
    site: Site
    registry: str
    key: Path
    outputs: Path
    said: list[bytes] = field(default_factory=list)

    def arguments(self) -> list[str]:
        """Every secret, in its place."""
        signed = f"http://{self.site.host}/files/tree.tar.gz?signature="
        cloned = f"http://me:{SECRETS['password in the URL of a context']}@{self.site.host}"
        proxy = SECRETS["proxy in a build arg"]
        (self.key.parent / "secret").write_text(SECRETS["--secret of a file"])
        return [
            f"--secret=id=file,src={self.key.parent}/secret",
            "--secret=id=variable,env=GIVEN",
            f"--secret=id=HTTP_AUTH_TOKEN_{self.site.host.partition(':')[0]},env=FILE_TOKEN",
            "--secret=id=GIT_AUTH_TOKEN,env=GIT_TOKEN",
            f"--ssh=default={self.key}",
            f"--build-arg=HTTPS_PROXY=http://user:{proxy}@127.0.0.1:9",
            f"--build-arg=PASSWORD={_BUILD_ARG}",
            f"--build-context=fetched={signed}{SECRETS['signature in the URL of a context']}",
            f"--build-context=cloned={cloned}/git/whole.git",
        ]

    def run(self, *arguments: str, context: str | None = None):
        done = self.build.amphora("build", *arguments, context or self.build.directory)
        self.said += [done.stdout.encode(), done.stderr.encode()]
        return done

    def write(self, dockerfile: str) -> None:
        self.build.write(self.site.filled_in(dockerfile))


@pytest.fixture
def world(build, tmp_path, actions, s3) -> Iterator[World]:
    key = tmp_path / "given/key"
    key.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    build.amphora.environment.update(
        GIVEN=SECRETS["--secret of a variable"], FILE_TOKEN=FILE_TOKEN, GIT_TOKEN=GIT_TOKEN
    )
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    password = SECRETS["login at a registry"]
    command = [sys.executable, "-c", _SERVE, str(tmp_path / "registry"), password]
    with (
        served(tmp_path / "site") as site,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        domain = f"127.0.0.1:{server.stdout.readline().strip()}"
        login = build.amphora.home / ".docker/config.json"
        login.parent.mkdir()
        encoded = base64.b64encode(f"ann:{password}".encode()).decode()
        login.write_text(json.dumps({"auths": {domain: {"auth": encoded}}}))
        try:
            yield World(build, site, domain, key, outputs)
        finally:
            server.kill()


@pytest.mark.parametrize("mode", ["min", "max"])
def test_no_secret_is_kept_or_told(world, tmp_path, actions, s3, mode):
    world.write(DOCKERFILE)
    bucket = f"{s3.place},access_key_id={s3.key_id},secret_access_key={s3.secret}"
    service = f"type=gha,url_v2={actions.url},token={actions.token}"
    built = world.run(
        *world.arguments(),
        *(f"--tag={world.registry}/app", "--push", f"--provenance=mode={mode}", "--sbom=true"),
        *("-o", f"type=oci,dest={world.outputs}/app.tar,attestation-inline=true"),
        *("-o", f"type=local,dest={world.outputs}/files"),
        *(f"--metadata-file={world.outputs}/metadata.json", "--progress=rawjson"),
        *(f"--cache-to=type=local,dest={world.outputs}/cache,mode=max",),
        *(f"--cache-to=type=registry,ref={world.registry}/cache,mode=max",),
        *(f"--cache-to={bucket}", f"--cache-to={service}", f"--cache-from={bucket}"),
    )
    assert built.returncode == 0, built.stderr
    again = world.run(*world.arguments(), "--progress=plain", "--format=json")
    assert again.returncode == 0, again.stderr
    assert "native" not in {step["ran"] for step in json.loads(again.stdout)["steps"]}
    url = f"http://me:{SECRETS['password in the URL of a context']}@{world.site.host}"
    told = (f"--provenance=mode={mode}", f"--metadata-file={world.outputs}/of-a-repository.json")
    cloned = world.run(*world.arguments(), *told, context=f"{url}/git/context.git")
    assert cloned.returncode == 0, cloned.stderr
    _fail_in_every_way(world)
    _look_at_it_later(world)
    objects = [name.encode() + s3.get(name) for name in s3.names()]
    entries = [name.encode() + content for name, content in actions.kept.items()]
    kept = [*_files(world.build.amphora.store), *_files(world.outputs)]
    kept += [*_files(tmp_path / "registry"), *_unpacked("", *world.said, *objects, *entries)]
    assert len(kept) > 100
    secrets = {**SECRETS, **_of(world.key, s3, actions)}
    if mode == "max":
        secrets.pop("build arg, unless provenance tells all")
    found = {
        (kind, place)
        for place, content in kept
        for kind, secret in secrets.items()
        if any(form in content for form in _forms(secret))
    }
    assert found == set()
    for told in (_BUILD_ARG, '"variable"'):
        assert any(told.encode() in content for _, content in kept) == (mode == "max")


def _fail_in_every_way(world: World) -> None:
    """Builds that are given all of it, and fail at each of those who are told a secret."""
    host = world.site.host
    given, password = world.arguments(), SECRETS["password in the URL of a context"]
    for dockerfile, error in (
        ("FROM busybox\nRUN --mount=type=secret,id=file exit 3\n", errors.StepFailedError),
        ("FROM busybox\nADD @SITE@/private/absent /\n", errors.FetchError),
        ("FROM busybox\nADD @SITE@/git/private-absent.git /\n", errors.FetchError),
        ("FROM busybox\nCOPY --from=fetched absent /\n", errors.ContextError),
        ("FROM busybox\nCOPY --from=cloned absent /\n", errors.ContextError),
        (f"FROM {world.registry}/absent\n", errors.NotFoundError),
        ("FROM busybox\nCOPPY a b\n", errors.DockerfileError),
    ):
        world.write(dockerfile)
        assert world.run(*given).returncode == error.exit_code, dockerfile
    for context in (
        f"http://me:{password}@{host}/git/absent.git",
        f"http://me:{password}@{host}/files/absent?signature={password}",
        f"http://me:{password}@no-such-host.invalid/context.tar",
    ):
        assert world.run(*given, context=context).returncode == errors.FetchError.exit_code
    for wrong in (f"--secret=id=x,value={password}", f"--cache-to=type=s3,token={password}"):
        assert world.run(wrong).returncode != 0


def _look_at_it_later(world: World) -> None:
    """What is told of the image and of the builds afterwards."""
    amphora = world.build.amphora
    ids = [each["id"] for each in json.loads(amphora.ok("history", "ls", "--format", "json"))]
    assert len(ids) > 10
    commands = [("history", name, each) for each in ids for name in ("logs", "inspect")]
    for command in [("image", "inspect", f"{world.registry}/app"), *commands]:
        world.said.append(amphora.ok(*command).encode())


def _of(key: Path, s3, actions) -> dict[str, str]:
    """The secrets that are made by those who want them."""
    return {
        "--ssh": key.read_text().splitlines()[2],
        "login at a bucket": s3.secret,
        "name at a bucket": s3.key_id,
        "token of a cache service": actions.token,
        "signature of a cache service": "secret-signature",
    }


def _forms(secret: str) -> Iterator[bytes]:
    """As it is, and as passwords are written in headers."""
    yield secret.encode()
    for user in ("ann", "me", "user", "x-access-token"):
        yield base64.b64encode(f"{user}:{secret}".encode())


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below, under its name, and what is packed into it."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield from _unpacked(str(path.relative_to(root)), path.read_bytes())


def _unpacked(place: str, *contents: bytes) -> Iterator[tuple[str, bytes]]:
    for content in contents:
        yield place, place.encode() + content
        if content.startswith(b"\x1f\x8b"):
            yield place, gzip.decompress(content)
        elif content.startswith(b"\x28\xb5\x2f\xfd"):
            yield place, zstandard.decompress(content)
        elif place.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in filter(tarfile.TarInfo.isreg, tar):
                    yield from _unpacked(member.name, tar.extractfile(member).read())
