"""Images in the making."""

from amphora.build.state import COMMENT, ImageState
from amphora.core.descriptor import OCI_CONFIG, OCI_LAYER_GZIP, Descriptor
from amphora.core.digest import Digest
from amphora.core.platform import Platform
from amphora.oci.config import DEFAULT_PATH, ContainerConfig, History, ImageConfig
from amphora.oci.model import Manifest
from amphora.oci.snapshots import Layer

ARM64 = Platform.parse("linux/arm64")


def layer(content):
    digest = Digest.of(content)
    return Layer(Descriptor(OCI_LAYER_GZIP, digest, 1), Digest.of(content + b" unpacked"))


def state_of(config):
    image = ImageConfig(ARM64, config, created="2001-01-01T00:00:00Z", author="somebody")
    return ImageState.of_image(Manifest(Descriptor(OCI_CONFIG, Digest.of(b""), 0), ()), image)


def test_scratch_has_a_path_and_a_directory_and_nothing_else():
    state = ImageState.scratch(ARM64)
    assert state.environment == {"PATH": DEFAULT_PATH}
    assert state.image_config() == ImageConfig(
        ARM64, ContainerConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/")
    )


def test_a_stage_starts_with_all_of_its_base_image():
    below = layer(b"below")
    manifest = Manifest(Descriptor(OCI_CONFIG, Digest.of(b""), 0), (below.blob,))
    config = ImageConfig(
        ARM64,
        ContainerConfig(env=("PATH=/bin", "A=b=c"), user="mail"),
        (below.diff_id,),
        (History("2001-01-01T00:00:00Z", "made"),),
        "2001-01-01T00:00:00Z",
        "somebody",
    )
    state = ImageState.of_image(manifest, config)
    assert state.layers == (below,)
    assert state.environment == {"PATH": "/bin", "A": "b=c"}
    assert state.image_config() == config


def test_a_base_image_without_a_path_is_given_one():
    assert state_of(ContainerConfig(env=("A=1",))).environment == {"PATH": DEFAULT_PATH, "A": "1"}
    assert state_of(ContainerConfig()).environment == {"PATH": DEFAULT_PATH}


def test_triggers_are_not_inherited_twice():
    state = state_of(ContainerConfig(on_build=("RUN make",), user="mail"))
    assert state.without_triggers().config.on_build is None
    assert state.without_triggers().config.user == "mail"
    assert state.config.on_build == ("RUN make",)


def test_steps_add_layers_and_history_and_leave_the_earlier_state_as_it_was():
    start = ImageState.scratch(ARM64)
    first, second = layer(b"1"), layer(b"2")
    one = start.with_layer(first, "2020-01-01T00:00:00Z", "COPY a /")
    two = one.with_layer(None, "2021-01-01T00:00:00Z", "RUN true")
    three = two.with_config(ContainerConfig(user="mail"), "USER mail")
    four = three.with_layer(second, "2022-01-01T00:00:00Z", "COPY b /")
    assert start == ImageState.scratch(ARM64)
    assert four.diff_ids == (first.diff_id, second.diff_id)
    assert four.created == "2022-01-01T00:00:00Z"
    assert four.config.user == "mail"
    assert [
        (line.created, line.created_by, line.comment, line.empty_layer) for line in four.history
    ] == [
        ("2020-01-01T00:00:00Z", "COPY a /", COMMENT, False),
        ("2021-01-01T00:00:00Z", "RUN true", COMMENT, True),
        ("2021-01-01T00:00:00Z", "USER mail", COMMENT, True),
        ("2022-01-01T00:00:00Z", "COPY b /", COMMENT, False),
    ]
