"""`amphora bake`: several targets in one build, with real containers."""

import json
import re
import tarfile

import pytest

from amphora.core.platform import Platform
from amphora.core.reference import Reference
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

HOST = Platform.host()

_LINKED = """
group "default" {
  targets = ["one", "two"]
}
target "base" {
  dockerfile-inline = <<-EOT
    FROM busybox
    RUN echo shared > /shared
    ENV FROM_BASE=yes
  EOT
}
target "one" {
  contexts = { parent = "target:base" }
  dockerfile-inline = <<-EOT
    FROM parent
    ARG WHO
    RUN echo "$WHO $FROM_BASE" > /one
  EOT
  args = { WHO = "one" }
  tags = ["test/one:1"]
  output = ["type=tar,dest=one.tar"]
}
target "two" {
  contexts = { parent = "target:base" }
  dockerfile-inline = <<-EOT
    FROM busybox
    COPY --from=parent /shared /copied
  EOT
  tags = ["test/two:1"]
  output = ["type=tar,dest=two.tar"]
}
"""


def _files(archive):
    with tarfile.open(archive) as tar:
        return {
            member.name.removeprefix("./"): tar.extractfile(member).read().decode()
            for member in tar
            if member.isfile() and not member.name.startswith(("bin/", "etc/"))
        }


@pytest.fixture
def project(tmp_path):
    """Make a directory of files; returns it."""

    def make(**files):
        directory = tmp_path / "project"
        directory.mkdir(exist_ok=True)
        for name, content in files.items():
            (directory / name.replace("__", ".").replace("_", "-")).write_text(content)
        return directory

    return make


def test_targets_share_what_they_are_linked_to(seeded, project):
    directory = project(docker_bake__hcl=_LINKED)
    done = seeded("bake", "--progress=plain", "--metadata-file=told.json", cwd=directory)
    assert done.returncode == 0, done.stderr
    assert _files(directory / "one.tar") == {"one": "one yes\n", "shared": "shared\n"}
    assert _files(directory / "two.tar") == {"copied": "shared\n"}
    # The linked target is built once, and has no name.
    started = re.findall(r"^#[0-9]+ \[(.+?)\] \[stage-0 .*?\] (.*)$", done.stderr, re.MULTILINE)
    assert sorted(started) == [
        (f"base {HOST}", "RUN echo shared > /shared"),
        (f"one {HOST}", 'RUN echo "$WHO $FROM_BASE" > /one'),
        (f"two {HOST}", "COPY --from=parent /shared /copied"),
    ]
    names = {image.reference.familiar for image in Store(seeded.store).images()}
    assert {"test/one:1", "test/two:1"} <= names
    assert len(names) == 3  # and busybox
    told = json.loads((directory / "told.json").read_text())
    assert set(told) == {"one", "two"}
    assert told["one"]["image.name"] == "docker.io/test/one:1"
    listed = json.loads(seeded.ok("history", "ls", "--format", "json"))
    assert {status for item in listed for status in [item["status"]]} == {"completed"}
    assert len(listed) == 3


def test_a_step_of_two_targets_is_taken_once(seeded, project):
    """Also one that is not to be remembered; but not across that."""
    directory = project(
        docker_bake__hcl="""
target "app" {
  name = "app-${n}"
  matrix = { n = ["a", "b"] }
  dockerfile-inline = "FROM busybox\\nRUN cat /proc/sys/kernel/random/uuid > /id"
  output = ["type=tar,dest=${n}.tar"]
}
target "fresh" {
  inherits = ["app-a"]
  no-cache = true
  output = ["type=tar,dest=fresh.tar"]
}
"""
    )
    done = seeded("bake", "--progress=plain", "app", "fresh", cwd=directory)
    assert done.returncode == 0, done.stderr
    ids = [_files(directory / f"{name}.tar")["id"] for name in ("a", "b", "fresh")]
    assert ids[0] == ids[1]
    assert ids[2] != ids[0]
    # Each build's history has the step, whichever took it.
    kept = [
        json.loads(seeded.ok("history", "inspect", f"^{number}", "--format", "json"))["steps"]
        for number in range(3)
    ]
    assert sorted(step["ran"] for steps in kept for step in steps if "RUN" in step["title"]) == [
        *("cached", "native", "native"),
    ]
    again = seeded("bake", "--progress=plain", "app", cwd=directory)
    assert again.stderr.count("CACHED") == 1


def test_a_linked_target_is_built_for_the_platforms_of_those_who_use_it(seeded, project):
    directory = project(
        docker_bake__hcl="""
target "base" {
  dockerfile-inline = "FROM busybox\\nRUN uname -m > /machine"
}
target "app" {
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM scratch\\nCOPY --from=base /machine /"
  platforms = ["linux/amd64", "linux/arm64"]
  output = ["out"]
}
"""
    )
    seeded.ok("bake", "app", cwd=directory)
    machines = {path.parent.name: path.read_text() for path in directory.glob("out/*/machine")}
    assert machines == {"linux_amd64": "x86_64\n", "linux_arm64": "aarch64\n"}


def test_a_linked_target_that_is_not_built_for_a_platform_is_named(seeded, project):
    directory = project(
        docker_bake__hcl="""
target "base" {
  dockerfile-inline = "FROM busybox"
  platforms = ["linux/amd64", "linux/arm64"]
}
target "app" {
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM base"
  platforms = ["linux/riscv64"]
}
"""
    )
    done = seeded("bake", "app", cwd=directory)
    assert done.returncode == 10
    assert "the target 'base' is not built for linux/riscv64" in done.stderr


def test_a_shared_step_is_in_the_caches_of_all_who_need_it(seeded, project):
    directory = project(
        docker_bake__hcl="""
target "app" {
  name = "app-${n}"
  matrix = { n = ["a", "b"] }
  dockerfile-inline = "FROM busybox\\nRUN echo x > /x"
  cache-to = ["type=local,dest=cache-${n},mode=max"]
}
"""
    )
    seeded.ok("bake", "app", cwd=directory)
    kept = [
        sorted(path.name for path in (directory / f"cache-{n}/blobs/sha256").iterdir())
        for n in ("a", "b")
    ]
    assert kept[0] == kept[1] != []


def test_the_first_failure_ends_all_and_says_where(seeded, project):
    directory = project(
        docker_bake__hcl="""
target "good" {
  dockerfile-inline = "FROM busybox\\nRUN sleep 60"
}
target "bad" {
  dockerfile-inline = "FROM busybox\\nRUN exit 3"
}
group "default" { targets = ["good", "bad"] }
"""
    )
    done = seeded("bake", "--progress=plain", cwd=directory)
    assert done.returncode == 12
    assert f"[bad {HOST}] [stage-0 1/1] RUN exit 3" in done.stderr


def test_a_compose_file_is_built(seeded, project, tmp_path):
    directory = project(
        compose__yaml="""
services:
  web:
    image: test/web:${TAG:-dev}
    build:
      context: .
      args: [GREETING=hello]
      secrets: [token]
  db:
    image: postgres
secrets:
  token: {file: ./token__txt}
""".replace("token__txt", "token.txt"),
        token__txt="s3cret",
        Dockerfile="""
FROM busybox
ARG GREETING
RUN --mount=type=secret,id=token echo "$GREETING $(wc -c < /run/secrets/token)" > /greeting
""",
    )
    seeded.ok("bake", "--set", "web.output=type=tar,dest=web.tar", cwd=directory)
    assert _files(directory / "web.tar")["greeting"] == "hello 6\n"
    Store(seeded.store).resolve(Reference.parse("test/web:dev"))


def test_images_are_pushed(seeded, project, registry):
    directory = project(
        docker_bake__hcl=f"""
target "a" {{
  name = "t-${{n}}"
  matrix = {{ n = ["x", "y"] }}
  dockerfile-inline = "FROM scratch\\nLABEL n=${{n}}"
  tags = ["{registry}/test/${{n}}:1"]
}}
"""
    )
    seeded.ok("bake", "--push", "a", cwd=directory)
    for name in ("x", "y"):
        seeded.ok("image", "rm", f"{registry}/test/{name}:1")
        seeded.ok("pull", f"{registry}/test/{name}:1")


def test_checks_look_at_every_target(amphora, project):
    directory = project(
        docker_bake__hcl="""
target "good" {
  dockerfile-inline = "FROM scratch\\nCOPY a /"
}
target "bad" {
  description = "Written badly"
  dockerfile-inline = "from scratch\\nCOPY a /"
}
group "default" { targets = ["good", "bad"] }
"""
    )
    done = amphora("bake", "--check", cwd=directory)
    assert done.returncode == 1
    assert "bad: Written badly" in done.stdout
    assert "ConsistentInstructionCasing" in done.stdout
    found = json.loads(amphora("bake", "--call=check,format=json", cwd=directory).stdout)
    assert found["target"]["good"] == {"warnings": []}
    assert found["target"]["bad"]["warnings"]


def test_a_definition_in_a_repository_is_built_from_it(seeded, hub, tmp_path):
    files = {
        "docker-bake.hcl": """
target "app" {
  context = "src"
  dockerfile = "App"
  output = ["type=tar,dest=app.tar"]
}
""",
        "src__App": "FROM scratch\nCOPY greeting /",
        "src__greeting": "hello",
    }
    commit = hub.commit("app.git", **files)
    url = hub.url("app.git")
    printed = json.loads(seeded.ok("bake", "--print", url, "app", cwd=tmp_path))
    assert printed["target"]["app"]["context"] == f"{url}#{commit}:src"
    seeded.ok("bake", url, "app", cwd=tmp_path)
    assert _files(tmp_path / "app.tar") == {"greeting": "hello"}


def test_what_a_file_may_not_do_is_not_done(seeded, project, tmp_path):
    (tmp_path / "outside").write_text("FROM scratch\nCOPY x /")
    directory = project(
        docker_bake__hcl="""
target "reads" {
  dockerfile = "../outside"
}
target "writes" {
  dockerfile-inline = "FROM scratch\\nCOPY docker-bake.hcl /"
  output = ["../out"]
}
"""
    )
    done = seeded("bake", "reads", cwd=directory)
    assert done.returncode == 15
    assert "--allow fs.read=../outside" in done.stderr
    done = seeded("bake", "writes", cwd=directory)
    assert "--allow fs.write=../out" in done.stderr
    assert not (tmp_path / "out").exists()
    seeded.ok("bake", "--allow", "fs.write=..", "writes", cwd=directory)
    assert (tmp_path / "out/docker-bake.hcl").exists()
