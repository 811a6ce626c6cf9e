"""Variables that people have set for docker and buildx: what they change in a build."""

import base64
import json
from dataclasses import replace

import pytest
from conformance.serving import GIT_TOKEN, served
from terminals import Terminal

from amphora.core.platform import Platform

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

FOREIGN = next(
    f"linux/{name}" for name in ("arm64", "amd64") if name != Platform.host().architecture
)
PROVENANCE, WARNINGS = "buildx.build.provenance", "buildx.build.warnings"


@pytest.fixture
def simple(build):
    build.write("FROM busybox\nRUN echo said\nCMD true\n")
    return build


@pytest.fixture
def having(simple):
    """The build with variables in its environment."""

    def make(**variables):
        return replace(simple, amphora=replace(simple.amphora, environment=variables))

    return make


def test_the_platform_without_a_flag(having, simple):
    chosen = having(DOCKER_DEFAULT_PLATFORM=FOREIGN)
    assert [item["platform"] for item in chosen().said["variants"]] == [FOREIGN]
    [item] = chosen("--platform", str(Platform.host())).said["variants"]
    assert item["platform"] == str(Platform.host())
    uname = {"linux/arm64": "aarch64", "linux/amd64": "x86_64"}[FOREIGN]
    assert chosen.amphora.ok("run", "busybox", "uname", "-m").strip() == uname
    refused = having(DOCKER_DEFAULT_PLATFORM="vax").run()
    assert (refused.returncode, "DOCKER_DEFAULT_PLATFORM" in refused.stderr) == (10, True)


def test_how_progress_is_shown(having):
    raw = having(BUILDKIT_PROGRESS="rawjson")
    assert all(json.loads(line) for line in raw().errors.splitlines())
    assert "#1 [" in raw("--progress=plain").errors
    nothing = having(BUILDKIT_PROGRESS="none")
    done = nothing.amphora("build", nothing.directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    refused = having(BUILDKIT_PROGRESS="loud").run()
    assert refused.returncode == 2
    assert "BUILDKIT_PROGRESS" in refused.stderr


def test_colours(having):
    def marks(**variables):
        simple = having(**variables)
        terminal = Terminal(simple.amphora, "build", "--no-cache", str(simple.directory))
        assert terminal.end() == 0
        return terminal.seen.decode()

    assert "\x1b[32m✓" in marks()
    assert "\x1b[36m✓" in marks(BUILDKIT_COLORS="run=cyan")
    plain = marks(NO_COLOR="1", BUILDKIT_COLORS="run=cyan")
    assert "✓" in plain
    assert "\x1b[3" not in plain


def test_what_the_metadata_file_tells(having, tmp_path):
    def told(*flags, **variables):
        having(**variables)("--metadata-file", str(tmp_path / "told"), *flags)
        return json.loads((tmp_path / "told").read_text())

    assert PROVENANCE not in told()
    assert WARNINGS not in told()
    found = told("-t", "app", BUILDX_METADATA_PROVENANCE="max", BUILDX_METADATA_WARNINGS="1")
    metadata = found[PROVENANCE]["runDetails"]["metadata"]
    assert len(metadata["amphora_metadata"]["steps"]) == 1
    [warning] = found[WARNINGS]
    assert "JSONArgsRecommended" in base64.b64decode(warning["short"]).decode()
    # It is told, and not attached.
    image = json.loads(having().amphora.ok("image", "inspect", "--format=json", "app"))
    assert image["attached"] == []
    assert PROVENANCE not in told("--provenance=true", BUILDX_METADATA_PROVENANCE="disabled")


def test_what_the_metadata_file_of_bake_tells(having, tmp_path):
    simple = having(BUILDX_METADATA_PROVENANCE="min", BUILDX_METADATA_WARNINGS="true")
    (simple.directory / "docker-bake.json").write_text('{"target": {"app": {}}}')
    simple.amphora.ok("bake", "--metadata-file=told", "app", cwd=simple.directory)
    found = json.loads((simple.directory / "told").read_text())
    assert PROVENANCE in found["app"]
    assert len(found[WARNINGS]) == 1


def test_who_asks_for_a_definition(amphora, tmp_path):
    """Without its token the repository is closed; with it, its file is read, which is no HCL."""

    def bake(**variables):
        asking = replace(amphora, environment=variables)
        return asking("bake", "--print", "-f", "read-me", f"http://{site.host}/git/private.git")

    with served(tmp_path / "site") as site:
        refused = bake()
        allowed = bake(BUILDX_BAKE_GIT_AUTH_TOKEN=GIT_TOKEN)
        wrong = bake(BUILDX_BAKE_GIT_AUTH_HEADER="bearer other")
    assert (refused.returncode, wrong.returncode) == (43, 43)
    assert allowed.returncode == 15
    assert "read-me:1" in allowed.stderr
    assert GIT_TOKEN not in allowed.stderr + allowed.stdout


def test_the_commit_of_the_context(having, hub, tmp_path):
    commit = hub.commit("app", Dockerfile="FROM scratch\nLABEL mine=1\n")
    simple = having(BUILDX_GIT_LABELS="1", BUILDX_GIT_INFO="1", HOME=str(tmp_path))
    simple.directory = hub.directory / "app"
    told = tmp_path / "told"
    built = simple("--metadata-file", str(told), "--provenance=true", "--label", "mine=2")
    assert built.config().config.labels == {
        "mine": "2",
        "com.docker.image.source.entrypoint": "Dockerfile",
        "org.opencontainers.image.revision": commit,
    }
    metadata = json.loads(told.read_text())[PROVENANCE]["runDetails"]["metadata"]
    assert metadata["amphora_metadata"]["vcs"] == {"revision": commit}
