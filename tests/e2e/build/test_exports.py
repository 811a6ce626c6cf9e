"""--output, --load and what tells of them: each as its reader finds it."""

import json
import os
import re
import shutil
import stat
import subprocess
import tarfile
from dataclasses import replace

import pytest
from cpus import FOREIGN, HOST, NATIVE

from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
COPY --chmod=750 --chown=8:12 tool /bin/tool
COPY ${TARGETARCH} /arch
"""


@pytest.fixture
def simple(build):
    return build.write(DOCKERFILE, tool="#!", amd64="x86", arm64="arm")


def names_in(path):
    with tarfile.open(path) as tar:
        return {member.name.rstrip("/"): member for member in tar}


def test_files_of_several_platforms_get_a_directory_each(simple, tmp_path):
    out = tmp_path / "out"
    killed = tmp_path / ".out.partial"  # what one that was killed has left
    killed.mkdir()
    (killed / "half").touch()
    simple(BOTH, "-o", str(out))
    assert sorted(path.name for path in out.iterdir()) == ["linux_amd64", "linux_arm64"]
    assert (out / "linux_amd64/arch").read_text() == "x86"
    assert (out / "linux_arm64/arch").read_text() == "arm"
    status = (out / "linux_arm64/bin/tool").stat()
    assert stat.S_IMODE(status.st_mode) == 0o750
    assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
    assert not list(tmp_path.glob(".*"))


def test_files_go_beside_what_is_there_and_through_no_link(simple, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "mine").write_text("mine")
    (out / "arch").symlink_to(elsewhere / "arch")
    simple("-o", f"type=local,dest={out}")
    assert sorted(path.name for path in out.iterdir()) == ["arch", "bin", "mine"]
    assert (out / "arch").read_text() == "x86"
    shutil.rmtree(out / "bin")
    (out / "bin").symlink_to(elsewhere)
    refused = simple.run("-o", str(out))
    assert refused.returncode == 13
    assert "something of another kind has its name" in refused.stderr
    assert list(elsewhere.iterdir()) == []


def test_platforms_over_each_other_may_not_hide_files(simple, tmp_path):
    refused = simple.run(BOTH, "-o", f"type=local,dest={tmp_path}/out,platform-split=false")
    assert refused.returncode == 10
    assert "/arch is in more than one platform's image" in refused.stderr
    assert not (tmp_path / "out").exists()
    simple.write("FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /all/$TARGETARCH\n")
    for kind in ("local", "tar"):
        simple(BOTH, "-o", f"type={kind},dest={tmp_path}/{kind},platform-split=false")
    assert sorted(os.listdir(tmp_path / "local/all")) == ["amd64", "arm64"]
    assert set(names_in(tmp_path / "tar")) == {"all", "all/amd64", "all/arm64"}


def test_a_tar_keeps_owners_and_is_the_same_every_time(simple, tmp_path):
    dated = replace(simple, amphora=replace(simple.amphora, environment={"SOURCE_DATE_EPOCH": "9"}))
    for name in ("one.tar", "two.tar"):
        dated("--no-cache", "-o", f"type=tar,dest={tmp_path / name}")
    members = names_in(tmp_path / "one.tar")
    assert (members["bin/tool"].uid, members["bin/tool"].gid) == (8, 12)
    assert members["bin/tool"].mtime == 9
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@pytest.mark.parametrize(
    "output", ["file/out", "type=oci,tar=false,dest=file/out", "type=tar,dest=nowhere/out", "file"]
)
def test_places_that_cannot_be_written_to(simple, tmp_path, output):
    (tmp_path / "file").write_text("in the way")
    arguments = simple.amphora.command("build", "-o", output, simple.directory)
    environment = simple.amphora.environ()
    done = subprocess.run(
        arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 10
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr


def test_standard_output_has_the_tar_and_nothing_else(simple, tmp_path):
    with (tmp_path / "out.tar").open("wb") as output:
        subprocess.run(
            simple.amphora.command("build", "-o", "-", simple.directory),
            env=simple.amphora.environ(),
            stdout=output,
            check=True,
        )
    assert set(names_in(tmp_path / "out.tar")) == {"arch", "bin", "bin/tool"}


def test_docker_archives_are_what_skopeo_reads(simple, tmp_path):
    if not shutil.which("skopeo"):
        pytest.skip("needs skopeo: make setup-test")
    archive = tmp_path / "image.tar"
    simple("-t", "hello:1", "-o", f"type=docker,dest={archive}")
    command = ["skopeo", "inspect", f"docker-archive:{archive}:hello:1"]
    assert json.loads(subprocess.check_output(command))["Architecture"] == HOST.architecture
    refused = simple.run(BOTH, "-o", f"type=docker,dest={archive}")
    assert refused.returncode == 10
    assert "2 platforms" in refused.stderr


def test_layouts_are_directories_with_tar_false(simple, tmp_path):
    built = simple(BOTH, "-o", f"type=oci,tar=false,dest={tmp_path}/layout")
    [entry] = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert entry["digest"] == built.digest


def test_another_form_is_what_the_names_point_at(simple, registry):
    name = f"{registry}/hello:1"
    annotate = ("--annotation", "index,manifest:org.example.a=1")
    output = "type=image,push=true,compression=zstd,annotation[linux/arm64].b=2"
    built = simple(BOTH, "-t", name, "-o", output, *annotate)
    amphora = simple.amphora
    inspected = json.loads(amphora.ok("image", "inspect", "--format", "json", name))
    assert inspected["digest"] == built.digest
    amphora.ok("image", "rm", name)
    amphora.ok("pull", name)
    assert json.loads(amphora.ok("image", "inspect", "--format", "json", name)) == inspected
    manifest, _ = built.variant("linux/arm64")
    assert manifest.annotations == {"org.example.a": "1", "b": "2"}
    assert {layer.media_type.rpartition("+")[2] for layer in manifest.layers} == {"zstd"}


def test_layers_may_be_read_file_by_file(simple, tmp_path):
    """Whoever knows nothing of that finds the same files, under the diff IDs of the config."""
    plain = simple(BOTH, "-t", "plain")
    built = simple(BOTH, "-t", "it", "-o", "type=image,compression=estargz")
    assert built.digest != plain.digest
    manifest, config = built.variant("linux/arm64")
    for layer in manifest.layers:
        assert layer.annotations["containerd.io/snapshot/stargz/toc.digest"].startswith("sha256:")
    assert config.diff_ids != plain.variant("linux/arm64")[1].diff_ids
    amphora, out = simple.amphora, tmp_path / "out"
    simple.write("FROM it\nCOPY amd64 /more\n")
    upon, _ = simple("--platform=linux/arm64", "-t", "upon").variant("linux/arm64")
    assert upon.layers[:-1] == manifest.layers
    simple("--platform=linux/arm64", "-o", str(out))
    assert (out / "arch").read_text() == "arm"
    assert (out / "more").read_text() == "x86"
    amphora.ok("store", "check")
    assert simple.write(DOCKERFILE)(BOTH, "-o", "type=image,compression=estargz").digest == (
        built.digest
    )


def test_an_image_without_a_name_may_be_called_by_its_digest(simple):
    output = "type=image,dangling-name-prefix=my/none"
    built = simple("-o", output)
    assert f"my/none@{built.digest}" in names(simple.amphora)
    simple("-t", "named", "-o", f"{output},name-canonical=true")
    assert names(simple.amphora) == {
        *("busybox:latest", "named:latest"),
        *(f"my/none@{built.digest}", f"named@{built.digest}"),
    }


def test_what_is_sent_need_not_have_a_name_in_the_store(simple, registry):
    simple("-t", f"{registry}/it", "-o", "type=registry,store=false")
    assert names(simple.amphora) == {"busybox:latest"}
    simple.amphora.ok("pull", f"{registry}/it")


def test_an_image_is_unpacked_where_that_is_asked_for(build):
    build.write("FROM busybox\nLABEL a=b\n")
    snapshots = build.amphora.store / "snapshots"
    build("-t", "it")
    assert not snapshots.exists() or list(snapshots.iterdir()) == []
    build("-t", "it", "-o", "type=image,unpack=true")
    [snapshot] = snapshots.iterdir()
    assert (snapshot / "bin/busybox").exists()


def test_a_registry_without_encryption_may_be_named_for_one_output(
    simple, registry, called_otherwise
):
    place, told = called_otherwise
    simple.amphora, name = told(simple.amphora), f"{place}/it"
    assert simple.run("-t", name, "-o", "type=registry").returncode != 0
    simple("-t", name, "-o", "type=registry,registry.insecure=true")
    simple.amphora.ok("pull", f"{registry}/it")


def names(amphora):
    """What the images of the store are called."""
    return {image.reference.familiar for image in Store(amphora.store).images()}


def test_pushing_by_digest_leaves_no_tag(simple, registry):
    built = simple("-o", f"type=image,name={registry}/hello,push=true,push-by-digest=true")
    amphora = simple.amphora
    assert amphora("pull", f"{registry}/hello").returncode == 30
    amphora.ok("pull", f"{registry}/hello@{built.digest}")


def test_files_tell_of_the_image(simple, tmp_path):
    told, digest = tmp_path / "told.json", tmp_path / "digest"
    built = simple("-t", "a", "-t", "b:2", "--metadata-file", told, "--iidfile", digest)
    assert digest.read_text() == built.digest
    content = json.loads(told.read_text())
    assert content["containerimage.digest"] == built.digest
    assert content["containerimage.descriptor"]["digest"] == built.digest
    assert content["image.name"] == "docker.io/library/a:latest,docker.io/library/b:2"
    manifest, _ = built.variant()
    assert content["containerimage.config.digest"] == str(manifest.config.digest)
    reference = content["buildx.build.ref"]
    assert reference.startswith("default/default/")
    assert simple.amphora.ok("history", "logs", reference) == simple.amphora.ok("history", "logs")
    for flag in ("--iidfile", "--handoff-report"):
        refused = simple.run(flag, tmp_path / "nowhere/file")
        assert refused.returncode == 10
        assert "is no directory" in refused.stderr


@pytest.fixture
def docker(simple, tmp_path):
    """A docker command that keeps what it is told to load; `several` as containerd's store."""

    def make(*, several=False, status=0):
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        driver = '[["driver-type","io.containerd.snapshotter.v1"]]' if several else "[]"
        (tools / "docker").write_text(
            f"#!/bin/sh\nif [ $1 = info ]; then echo '{driver}'; exit {status}; fi\n"
            f"[ $1 = load ] && exec cat > {tmp_path}/loaded\n"
        )
        (tools / "docker").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        simple.amphora = replace(simple.amphora, environment={"PATH": path})
        return tmp_path / "loaded"

    return make


def test_load_gives_docker_the_image(simple, docker):
    loaded = docker()
    simple("-t", "hello:1", "--load")
    with tarfile.open(loaded) as tar:
        [item] = json.load(tar.extractfile("manifest.json"))
    assert item["RepoTags"] == ["hello:1"]
    refused = simple.run(BOTH, "--load")
    assert refused.returncode == 10
    assert "docker cannot load an image for 2 platforms" in refused.stderr


def test_load_gives_several_platforms_to_who_can_keep_them(simple, docker):
    loaded = docker(several=True)
    built = simple(BOTH, "-t", "hello:1", "--load")
    with tarfile.open(loaded) as tar:
        [entry] = json.load(tar.extractfile("index.json"))["manifests"]
    assert entry["digest"] == built.digest


def test_load_without_an_engine_says_so_and_keeps_the_image(simple, docker):
    docker(status=1)
    built = simple("-t", "hello:1", "--load")
    assert "neither docker nor containerd answers" in built.errors
    simple.amphora.ok("image", "inspect", "hello:1")


def test_a_build_that_fails_loads_nothing(simple, docker):
    loaded = docker()
    simple.write("FROM scratch\nCOPY nowhere /\n")
    failed = simple.run("-t", "hello:1", "--load")
    assert failed.returncode == 13
    assert loaded.read_bytes() == b""


def test_only_the_stages_named_are_built_anew(build):
    build.write(
        "FROM busybox AS a\nRUN echo a > /a\nFROM busybox\nRUN echo b > /b\nCOPY --from=a /a /\n"
    )
    build()
    ran = build("--no-cache-filter", "other,A").ran()
    assert ran == {
        "RUN echo a > /a": ["native"],
        "RUN echo b > /b": ["cached"],
        "COPY --from=a /a /": ["cached"],
    }
    warned = build("--no-cache-filter", "b").errors
    assert "WARN --no-cache-filter b: no stage of the Dockerfile is called so" in warned


def test_raw_progress_is_json_line_by_line(build):
    build.write("FROM busybox\nRUN echo said\n")
    done = build.run("--progress=rawjson")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    vertexes = [vertex for line in lines for vertex in line.get("vertexes", ())]
    [log] = [log for line in lines for log in line.get("logs", ())]
    run = [vertex for vertex in vertexes if vertex["digest"] == log["vertex"]]
    assert log["data"] == "c2FpZAo="
    assert ["completed" in vertex for vertex in run] == [False, True]


@pytest.mark.parametrize(
    ("progress", "failed", "canceled"),
    [
        ("plain", r"^#\d+ ERROR$", r"^#\d+ CANCELED$"),
        ("tty", rf"^✗ .{FOREIGN}. .* RUN", rf"^- .{NATIVE}. .* RUN .* canceled$"),
        ("rawjson", '"error": "the step failed"', '"error": "context canceled"'),
    ],
)
def test_a_step_that_another_one_stops_is_canceled(build, progress, failed, canceled):
    build.write(
        """\
FROM busybox
ARG TARGETPLATFORM BUILDPLATFORM
RUN --mount=type=cache,target=/c if [ $TARGETPLATFORM != $BUILDPLATFORM ]; then \
    until [ -e /c/begun ]; do sleep 0.1; done; exit 3; fi; touch /c/begun; sleep 600
"""
    )
    done = build.run(f"--progress={progress}", BOTH)
    assert done.returncode != 0
    for told in (failed, canceled):
        assert len(re.findall(told, done.stderr, re.MULTILINE)) == 1, done.stderr


def test_checks_are_listed_told_and_enforced(build):
    build.write("FROM busybox as base\nCOPY $PAHT /\n")
    checked = build.amphora("build", "--check", build.directory)
    assert checked.returncode == 1
    assert "Dockerfile:1: FromAsCasing" in checked.stdout
    assert "did you mean $PATH?" in checked.stdout
    assert "2 warnings" in checked.stdout
    listed = build.amphora("build", "--call=check,format=json", build.directory)
    rules = [warning["ruleName"] for warning in json.loads(listed.stdout)["warnings"]]
    assert rules == ["FromAsCasing", "UndefinedVar"]

    build.write("# check=skip=FromAsCasing\nFROM busybox as base\n")
    assert build.amphora("build", "--check", build.directory).returncode == 0
    build.write("# check=error=true\nFROM busybox as base\n")
    refused = build.run()
    assert refused.returncode == 11
    assert "violates 1 build check" in refused.stderr
    build.write("FROM busybox as base\n")
    assert "Dockerfile:1: 'FROM' and 'as' are not in the same case" in build().errors


def test_targets_and_outlines_are_told_without_building(build):
    build.write("# tool makes it\nFROM busybox AS tool\nARG LEVEL=3\nFROM nowhere\n")
    targets = json.loads(build.run("--call=targets").stdout)["targets"]
    assert [(item["name"], item["default"]) for item in targets] == [
        ("tool", False),
        ("stage-1", True),
    ]
    outline = build.amphora.ok("build", "--call=outline", "--target=tool", build.directory)
    assert "Description: makes it" in outline
    assert "LEVEL" in outline
    assert build.run("--call=nothing").returncode == 10
