"""Provenance and SBOMs: made, kept, pushed, found again, and never with a secret in them."""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import replace
from urllib.parse import quote

import httpx2
import pytest
from cpus import NATIVE

from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.model import Index, Manifest
from amphora.oci.store import Store

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"
SLSA, SPDX = "https://slsa.dev/provenance/v1", "https://spdx.dev/Document"
STATUS = "Package: hello\nStatus: install ok installed\nArchitecture: all\nVersion: 2.10-3\n"
DOCKERFILE = """\
FROM busybox AS made
ARG FLAVOUR=plain
LABEL kind=test
RUN echo made > /made
FROM busybox
COPY status /var/lib/dpkg/status
COPY --from=made /made /made
"""


@pytest.fixture
def simple(build):
    return build.write(DOCKERFILE, status=STATUS)


def fetch(registry, path):
    """An answer of the registry, as JSON."""
    answer = httpx2.get(f"http://{registry}/v2/{path}", trust_env=False)
    assert answer.status_code == 200, path
    return answer.json()


def attached(amphora, name):
    return json.loads(amphora.ok("image", "inspect", "--format=json", name))["attached"]


def statements(amphora, name):
    """What the store has about an image: by platform and type of predicate."""
    blobs = Store(amphora.store).blobs
    found = {}
    for item in attached(amphora, name):
        manifest = Manifest.decode(blobs.read(Digest.parse(item["digest"])))
        for layer in manifest.layers:
            statement = json.loads(blobs.read(layer.digest))
            found[item["platform"], statement["predicateType"]] = statement
    return found


def test_two_platforms_are_pushed_with_what_is_said_of_them(simple, registry):
    name = f"{registry}/me/app:1"
    plain = simple(BOTH, "-t", name)
    built = simple(BOTH, "-t", name, "--provenance=mode=max", "--sbom=true", "--push")
    assert built.digest == plain.digest
    index = fetch(registry, "me/app/manifests/1")
    assert [item["platform"]["architecture"] for item in index["manifests"]] == ["amd64", "arm64"]
    for item, where in zip(index["manifests"], ("native", "emulated"), strict=True):
        platform = f"linux/{item['platform']['architecture']}"
        referrers = fetch(registry, f"me/app/referrers/{item['digest']}")["manifests"]
        assert {each["artifactType"] for each in referrers} == {"application/vnd.in-toto+json"}
        said = {}
        for each in referrers:
            manifest = fetch(registry, f"me/app/manifests/{each['digest']}")
            assert manifest["subject"]["digest"] == item["digest"]
            [layer] = manifest["layers"]
            statement = fetch(registry, f"me/app/blobs/{layer['digest']}")
            kind = each["annotations"]["in-toto.io/predicate-type"]
            assert kind == statement["predicateType"]
            assert statement["subject"] == [
                {
                    "name": f"pkg:docker/{registry}/me/app@1?platform=linux%2F{platform[6:]}",
                    "digest": {"sha256": item["digest"].removeprefix("sha256:")},
                }
            ]
            said[kind] = statement["predicate"]
        assert set(said) == {SLSA, SPDX}
        _check_provenance(said[SLSA], platform, where, simple.amphora)
        packages = {each["name"]: each for each in said[SPDX]["packages"]}
        assert set(packages) == {f"files of {platform}", "hello"}
        purl = packages["hello"]["externalRefs"][0]["referenceLocator"]
        assert purl == "pkg:deb/debian/hello@2.10-3?arch=all"


def _check_provenance(predicate, platform, where, amphora):
    definition = predicate["buildDefinition"]
    [base] = definition["resolvedDependencies"]
    busybox = json.loads(amphora.ok("image", "inspect", "--format=json", "busybox"))["digest"]
    assert base == {
        "uri": f"pkg:docker/busybox@latest?platform={platform.replace('/', '%2F')}",
        "digest": {"sha256": busybox.removeprefix("sha256:")},
    }
    assert definition["externalParameters"]["request"]["args"]["platform"] == platform
    builder = definition["internalParameters"]
    assert builder == {"builderPlatform": str(Platform.host())}
    metadata = predicate["runDetails"]["metadata"]
    assert metadata["startedOn"] <= metadata["finishedOn"]
    steps = metadata["amphora_metadata"]["steps"]
    assert [step["title"].partition("] ")[2].split()[0] for step in steps] == [
        *("RUN", "COPY", "COPY")
    ]
    # Remembered from the build before, and told as it was then.
    assert steps[0]["ran"] in {where, "handoff" if where == "emulated" else where}
    assert [step["ran"] for step in steps[1:]] == ["worker", "worker"]
    assert steps[0]["platform"] == platform
    assert all(step["layer"]["diffId"].startswith("sha256:") for step in steps)


def test_what_the_store_has_is_pushed_later_and_goes_with_the_image(simple, registry):
    amphora, name = simple.amphora, f"{registry}/app:1"
    built = simple("-t", name, "--attest=type=sbom", "--attest=type=provenance")
    assert {item["platform"] for item in attached(amphora, name)} == {NATIVE}
    table = amphora.ok("image", "ls").splitlines()
    assert table[0].split()[-1] == "ATTACHED"
    [row] = [line for line in table if line.startswith(name)]
    assert set(row.rsplit("  ", 1)[1].strip().split(", ")) == {"sbom", "provenance"}
    shown = amphora.ok("image", "inspect", name)
    assert {line.split()[0] for line in shown.splitlines()[-2:]} == {"sbom", "provenance"}
    amphora.ok("push", name)
    referrers = fetch(registry, f"app/referrers/{built.digest}")["manifests"]
    assert {each["digest"] for each in referrers} == {
        item["digest"] for item in attached(amphora, name)
    }
    amphora.ok("store", "check")
    amphora.ok("image", "rm", name)
    amphora.ok("store", "gc", "--cache")
    left = {path.name for path in (amphora.store / "blobs/sha256").iterdir()}
    assert not left & {each["digest"].removeprefix("sha256:") for each in referrers}
    assert len(amphora.ok("image", "ls").splitlines()) == 2


@pytest.mark.parametrize("platforms", ["linux/amd64", "linux/amd64,linux/arm64"])
def test_in_the_index_where_that_is_asked_for(simple, tmp_path, platforms):
    names = platforms.split(",")
    archive = tmp_path / "image.tar"
    output = f"type=oci,dest={archive},attestation-inline=true"
    simple(f"--platform={platforms}", "-t", "app:1", "--sbom=true", "-o", output)
    said = simple(
        *(f"--platform={platforms}", "-t", "app:2", "--sbom=true", "--provenance=true"),
        *("-o", "type=image,attestation-inline=true"),
    )
    blobs = Store(simple.amphora.store).blobs
    entries = Index.decode(blobs.read(Digest.parse(said.digest))).manifests
    assert [str(item.platform) for item in entries] == names + ["unknown/unknown"] * len(names)
    found = statements(simple.amphora, "app:2")
    assert set(found) == {(platform, kind) for platform in names for kind in (SLSA, SPDX)}
    for platform, entry in zip(names, entries, strict=False):
        digest = {"sha256": entry.digest.hex}
        assert found[platform, SPDX]["subject"][0]["digest"] == digest
    assert simple.amphora("store", "check").returncode == 0
    if shutil.which("skopeo"):
        command = ["skopeo", "inspect", "--raw", f"oci-archive:{archive}"]
        raw = json.loads(subprocess.check_output(command))
        assert len(raw["manifests"]) == 2 * len(names)


def test_an_archive_has_them_and_is_still_one_image(simple, tmp_path):
    layout = tmp_path / "layout"
    simple(BOTH, "-t", "app:1", "--sbom=true", "-o", f"type=oci,tar=false,dest={layout}")
    entries = json.loads((layout / "index.json").read_text())["manifests"]
    kinds = [entry.get("artifactType") for entry in entries]
    assert kinds == [None, *["application/vnd.in-toto+json"] * 2]
    for entry in entries[1:]:
        manifest = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
        assert (layout / "blobs" / manifest["subject"]["digest"].replace(":", "/")).exists()
    archive = tmp_path / "image.tar"
    simple(BOTH, "-t", "app:1", "--sbom=true", "-o", f"type=oci,dest={archive}")
    if shutil.which("skopeo"):
        source = f"oci-archive:{archive}:docker.io/library/app:1"
        raw = json.loads(subprocess.check_output(["skopeo", "inspect", "--raw", source]))
        assert len(raw["manifests"]) == 2
    simple.write("FROM other\nRUN cat /made > /again\n")
    built = simple(
        "--build-context", f"other=oci-layout://{layout}", "--provenance=true", "-t", "b"
    )
    assert built.text("again") == "made\n"
    [material] = statements(simple.amphora, "b")[NATIVE, SLSA]["predicate"]["buildDefinition"][
        "resolvedDependencies"
    ]
    assert material["uri"].startswith("pkg:oci/layout@sha256:")


def test_equal_builds_say_the_same(simple, build_elsewhere):
    """With a fixed time, and whether a step is remembered or performed."""
    fixed = replace(simple.amphora, environment={"SOURCE_DATE_EPOCH": "1700000000"})
    fixed_build = build_elsewhere(fixed, simple.directory)
    asked = (BOTH, "-t", "app:1", "--provenance=mode=max", "--sbom=true")
    fixed_build(*asked)
    first = attached(fixed, "app:1")
    fixed_build(*asked)
    assert attached(fixed, "app:1") == first
    # That it was performed anew is told, of course; what came of it is the same.
    fixed_build(*asked, "--no-cache")
    again = attached(fixed, "app:1")
    assert [item in first for item in again] == [
        item["annotations"]["in-toto.io/predicate-type"] == SPDX for item in again
    ]
    spdx = statements(fixed, "app:1")["linux/arm64", SPDX]["predicate"]
    assert spdx["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    assert len(first) == 4


def test_a_build_that_changes_nothing_has_the_newest_provenance_only(simple):
    asked = ("-t", "app:1", "--provenance=true", "--sbom=true")
    ran = [simple(*asked, *more).ran() for more in ((), (), ("--no-cache",))]
    assert [each["list the packages in the image"] for each in ran] == [
        *(["worker"], ["cached"], ["worker"])
    ]
    assert len(attached(simple.amphora, "app:1")) == 2


def test_what_went_into_it_is_told_by_digest(build, web, page):
    web.pages["/a.txt"] = page(b"fetched")
    url = web.url("/a.txt")
    build.write(
        f"FROM scratch\nADD {url}?signature=private /a.txt\nCOPY --from=busybox /bin /bin\n"
    )
    web.pages["/a.txt?signature=private"] = page(b"fetched")
    build("-t", "app", "--provenance=mode=min")
    predicate = statements(build.amphora, "app")[NATIVE, SLSA]["predicate"]
    file, image = predicate["buildDefinition"]["resolvedDependencies"]
    assert file == {"uri": url, "digest": {"sha256": Digest.of(b"fetched").hex}}
    assert image["uri"] == f"pkg:docker/busybox@latest?platform={quote(NATIVE, safe='')}"
    assert predicate["runDetails"]["metadata"]["amphora_metadata"] == {"ran": {"worker": 2}}
    assert "private" not in json.dumps(predicate)


def test_the_metadata_file_has_the_provenance(simple, tmp_path):
    path = tmp_path / "metadata.json"
    simple("--provenance=version=v0.2", "--metadata-file", str(path))
    told = json.loads(path.read_text())
    assert told["buildx.build.provenance"]["invocation"]["configSource"] == {
        "entryPoint": "Dockerfile"
    }
    simple(BOTH, "--provenance=true", "--metadata-file", str(path))
    keys = {key for key in json.loads(path.read_text()) if "provenance" in key}
    assert keys == {f"buildx.build.provenance/linux/{name}" for name in ("amd64", "arm64")}
    simple("--sbom=true", "--metadata-file", str(path))
    assert not any("provenance" in key for key in json.loads(path.read_text()))


def test_docker_types_have_no_place_for_them(simple):
    wrong = simple.run(
        "--sbom=true", "-t", "a", "-o", "type=image,attestation-inline=true,oci-mediatypes=false"
    )
    assert wrong.returncode == 10
    assert "attestations cannot be in the index" in wrong.stderr


def test_files_have_them_as_files(simple, tmp_path):
    """As BuildKit writes them: about every file, in each platform's directory."""
    out = tmp_path / "out"
    simple(BOTH, "--provenance=true", "--sbom=true", "-o", str(out))
    for platform in ("linux_amd64", "linux_arm64"):
        for name, kind in (("provenance.json", SLSA), ("sbom.spdx.json", SPDX)):
            said = json.loads((out / platform / name).read_text())
            assert said["predicateType"] == kind
            subjects = {each["name"]: each["digest"] for each in said["subject"]}
            assert subjects["made"] == {"sha256": hashlib.sha256(b"made\n").hexdigest()}
            assert name not in subjects
            assert "bin/sh" not in subjects  # a link
            assert "bin/busybox" in subjects
    [package] = said["predicate"]["packages"][1:]
    assert package["name"] == "hello"


def test_files_of_attestations_have_the_names_that_are_asked_for(simple, tmp_path):
    out, merged, plain = tmp_path / "out.tar", tmp_path / "merged", tmp_path / "plain"
    simple.write("FROM scratch\nARG TARGETARCH\nCOPY status /$TARGETARCH/\n", status=STATUS)
    simple(
        *("--provenance=filename=how.json", "--sbom=true"),
        *("-o", f"type=tar,dest={out},attestation-prefix=a-"),
    )
    with tarfile.open(out) as tar:
        members = {member.name: member for member in tar}
    assert set(members) == {"a-how.json", "a-sbom.spdx.json", "amd64", "amd64/status"}
    assert members["a-how.json"].mode == 0o600
    output = f"type=local,dest={merged},platform-split=false"
    simple(BOTH, "--provenance=true", "-o", output)
    assert {path.name for path in merged.iterdir()} == {
        *("amd64", "arm64", "provenance.linux_amd64.json", "provenance.linux_arm64.json"),
    }
    simple("--provenance=inline-only=true", "-o", str(plain))
    assert {path.name for path in plain.iterdir()} == {"amd64"}


def test_a_file_of_the_image_is_not_written_over(simple, tmp_path):
    simple.write("FROM scratch\nCOPY status /provenance.json\n", status=STATUS)
    refused = simple.run("--provenance=true", "-o", str(tmp_path / "out"))
    assert refused.returncode == 10
    assert "/provenance.json is there already" in refused.stderr
    assert not (tmp_path / "out").exists()


SCANNER = """\
FROM busybox
ENV SAYS=hello
COPY --chmod=755 scan /scan
ENTRYPOINT ["/scan"]
CMD ["and", "more"]
USER mail
"""
SCAN = """\
#!/bin/sh -eu
! touch $BUILDKIT_SCAN_SOURCE/new 2> /dev/null
test ! -e "${BUILDKIT_SCAN_SOURCE_EXTRAS-/none}"
touch /tmp/there
made=$(cat $BUILDKIT_SCAN_SOURCE/made)
cat > $BUILDKIT_SCAN_DESTINATION/sbom.spdx.json <<END
{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
 "subject": [], "predicate": {"spdxVersion": "SPDX-2.3", "name": "$SAYS $made $*"}}
END
echo '{"spdxVersion": "SPDX-2.3", "name": "another"}' > $BUILDKIT_SCAN_DESTINATION/more.json
"""


@pytest.fixture
def scanner(simple, tmp_path):
    """Make an image that lists packages: `scanner`, by that script."""
    directory = tmp_path / "scanner"
    directory.mkdir()
    (directory / "Dockerfile").write_text(SCANNER)

    def make(script=SCAN):
        (directory / "scan").write_text(script)
        simple.amphora.ok("build", "-t", "scanner", directory)

    return make


def test_another_program_lists_the_packages(simple, scanner, tmp_path):
    """For both platforms it runs on ours; what it says counts, and is remembered."""
    scanner()
    asked = (BOTH, "-t", "app:1", "--sbom=generator=scanner")
    built = simple(*asked, "-o", str(tmp_path / "out"))
    assert built.digest == simple(BOTH).digest
    assert "list the packages in the image with scanner" in built.errors
    for platform in ("linux_amd64", "linux_arm64"):
        said = json.loads((tmp_path / "out" / platform / "sbom.spdx.json").read_text())
        assert said["predicate"]["name"] == "hello made and more"
        assert {each["name"] for each in said["subject"]} >= {"made", "bin/busybox"}
        said = json.loads((tmp_path / "out" / platform / "more.json").read_text())
        assert said["predicate"]["name"] == "another"
    assert set(statements(simple.amphora, "app:1")) == {
        *((platform, SPDX) for platform in ("linux/amd64", "linux/arm64")),
    }
    assert len(attached(simple.amphora, "app:1")) == 4
    again = simple(*asked).errors
    assert re.findall(r"with scanner\n(?:.*\n)*?#\d+ (\w+)", again) == ["CACHED", "CACHED"]
    # Another generator is asked anew.
    scanner(SCAN.replace("another", "changed"))
    simple(*asked, "-o", str(tmp_path / "new"))
    said = json.loads((tmp_path / "new/linux_amd64/more.json").read_text())
    assert said["predicate"]["name"] == "changed"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "exited with status 3"),
        ("true", "it wrote no *.spdx.json"),
        ("echo '{' > $BUILDKIT_SCAN_DESTINATION/a.spdx.json", "'a.spdx.json' is no JSON"),
        ("echo '{}' > $BUILDKIT_SCAN_DESTINATION/a.json", "is neither SPDX nor CycloneDX"),
        ("mkfifo $BUILDKIT_SCAN_DESTINATION/a.json", "'a.json' is no file"),
        ("ln -s /etc/passwd $BUILDKIT_SCAN_DESTINATION/a.json", "'a.json' is no file"),
    ],
)
def test_what_is_no_list_of_packages(simple, scanner, script, why):
    scanner(f"#!/bin/sh\n{script}\n")
    refused = simple.run("--sbom=generator=scanner")
    assert refused.returncode == 12
    assert why in refused.stderr
    assert "generator scanner" in refused.stderr
