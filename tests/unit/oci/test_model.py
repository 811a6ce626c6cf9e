import json

import pytest

from amphora.core.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
)
from amphora.core.digest import Digest
from amphora.core.errors import ManifestError
from amphora.core.platform import Platform
from amphora.oci.config import ContainerConfig, Healthcheck, History, ImageConfig
from amphora.oci.model import Index, Manifest, decode_descriptor, encode_descriptor

ARM64 = Platform.parse("linux/arm64")
ONE, TWO, THREE = (Digest.of(text) for text in (b"one", b"two", b"three"))


def descriptor(media_type=OCI_MANIFEST, **more):
    return Descriptor(media_type, ONE, 3, **more)


def test_an_index_round_trips_canonically():
    index = Index(
        (descriptor(platform=Platform.parse("linux/arm/v6"), annotations={"b": "2", "a": "1"}),),
        {"z": "26", "y": "25"},
    )
    assert Index.decode(index.encode()) == index
    other_order = Index(
        (descriptor(platform=Platform.parse("linux/arm/v6"), annotations={"a": "1", "b": "2"}),),
        {"y": "25", "z": "26"},
    )
    assert other_order.encode() == index.encode()
    raw = json.loads(index.encode())
    assert raw["manifests"][0]["platform"] == {
        "architecture": "arm",
        "os": "linux",
        "variant": "v6",
    }


def test_a_manifest_round_trips():
    manifest = Manifest(
        descriptor(OCI_CONFIG),
        (descriptor(OCI_LAYER_GZIP),),
        {"a": "1"},
        subject=descriptor(),
        artifact_type="application/x",
    )
    assert Manifest.decode(manifest.encode()) == manifest
    assert manifest.is_image


def test_docker_documents_are_read():
    config = {"mediaType": DOCKER_CONFIG, "digest": str(ONE), "size": 3}
    manifest = Manifest.decode(
        json.dumps(
            {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": []}
        ).encode()
    )
    assert manifest.is_image
    assert manifest.media_type == DOCKER_MANIFEST
    entry = {"mediaType": DOCKER_MANIFEST, "digest": str(ONE), "size": 3,
             "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}}  # fmt: skip
    index = Index.decode(json.dumps({"mediaType": DOCKER_LIST, "manifests": [entry]}).encode())
    assert index.manifests[0].platform == ARM64


def test_null_stands_for_an_empty_list():
    assert Index.decode(b'{"schemaVersion":2,"manifests":null}').manifests == ()
    raw = json.loads(Manifest(descriptor(OCI_CONFIG), ()).encode()) | {"layers": None}
    assert Manifest.decode(json.dumps(raw).encode()).layers == ()
    config = {"architecture": "arm64", "os": "linux", "config": None,
              "rootfs": {"type": "layers", "diff_ids": None}, "history": None}  # fmt: skip
    assert ImageConfig.decode(json.dumps(config).encode()) == ImageConfig(ARM64)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"manifests":[{"mediaType":"x","digest":"sha256:short","size":1}]}',
        b'{"manifests":[{"mediaType":"x","digest":"sha256:%s","size":-1}]}' % (b"0" * 64),
        b'{"manifests":[],"mediaType":"application/vnd.oci.image.manifest.v1+json"}',
        b"[" * 100_000,
    ],
)
def test_malformed_indexes(content):
    with pytest.raises(ManifestError, match="malformed"):
        Index.decode(content)


@pytest.mark.parametrize(
    "content", [b"{}", b'{"architecture":"arm64","os":"linux","rootfs":{"diff_ids":["x"]}}']
)
def test_malformed_configs(content):
    with pytest.raises(ManifestError, match="image config is malformed"):
        ImageConfig.decode(content)


def test_a_config_round_trips_canonically():
    def config(labels):
        return ImageConfig(
            ARM64,
            ContainerConfig(
                user="1000:1000",
                env=("PATH=/bin", "A=1"),
                cmd=("sh", "-c", "true"),
                labels=labels,
                exposed_ports={"80/tcp": {}},
                healthcheck=Healthcheck(test=("NONE",)),
                working_dir="/work",
            ),
            diff_ids=(ONE, TWO),
            history=(History(created_by="RUN true", empty_layer=True),),
            created="2026-01-02T03:04:05Z",
        )

    encoded = config({"b": "2", "a": "1"}).encode()
    assert ImageConfig.decode(encoded) == config({"b": "2", "a": "1"})
    assert encoded == config({"a": "1", "b": "2"}).encode()
    raw = json.loads(encoded)
    assert raw["config"]["WorkingDir"] == "/work"
    assert raw["config"]["Env"] == ["PATH=/bin", "A=1"]


def test_chain_ids():
    """https://github.com/opencontainers/image-spec/blob/v1.1.0/config.md#layer-chainid"""
    second = Digest.of(f"{ONE} {TWO}".encode())
    third = Digest.of(f"{second} {THREE}".encode())
    assert ImageConfig(ARM64, diff_ids=(ONE, TWO, THREE)).chain_ids == (ONE, second, third)
    assert ImageConfig(ARM64).chain_ids == ()


def test_one_descriptor_as_text():
    full = descriptor(platform=ARM64, annotations={"a": "1"}, artifact_type="application/x")
    assert decode_descriptor(encode_descriptor(full)) == full
    with pytest.raises(ManifestError):
        decode_descriptor("{}")
