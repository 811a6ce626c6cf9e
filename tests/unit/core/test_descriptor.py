"""Descriptors: which kinds of content they say they point at."""

import pytest

from amphora.core import descriptor as types
from amphora.core.descriptor import Descriptor
from amphora.core.digest import Digest


@pytest.mark.parametrize(
    ("media_type", "is_index", "is_manifest"),
    [
        (types.OCI_INDEX, True, False),
        (types.DOCKER_LIST, True, False),
        (types.OCI_MANIFEST, False, True),
        (types.DOCKER_MANIFEST, False, True),
        (types.OCI_CONFIG, False, False),
        (types.OCI_LAYER_GZIP, False, False),
        ("application/octet-stream", False, False),
    ],
)
def test_docker_types_count_as_their_oci_counterparts(media_type, is_index, is_manifest):
    descriptor = Descriptor(media_type, Digest.of(b"x"), 1)
    assert (descriptor.is_index, descriptor.is_manifest) == (is_index, is_manifest)


def test_descriptors_do_not_share_annotations():
    one, other = (Descriptor(types.OCI_LAYER, Digest.of(b""), 0) for _ in range(2))
    assert one == other
    assert one.annotations is not other.annotations
