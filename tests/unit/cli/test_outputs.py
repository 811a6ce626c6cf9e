"""--output, --push, --load and --annotation, as values."""

import pytest

from amphora.build.export.options import Annotation, ImageOptions
from amphora.cli.annotations import read_annotation
from amphora.cli.outputs import Output, read_outputs
from amphora.core.errors import InvalidValueError
from amphora.core.platform import Platform
from amphora.core.reference import Reference

PLAIN = ImageOptions()


def read(*texts, push=False, load=False, annotations=()):
    return read_outputs(texts, push=push, load=load, annotations=annotations)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out", Output("local", PLAIN, "out")),
        ("-", Output("tar", PLAIN, "-")),
        ("type=local,dest=out,platform-split=false", Output("local", PLAIN, "out", split=False)),
        (
            "type=local,dest=out,attestation-prefix=a-",
            Output("local", PLAIN, "out", attestation_prefix="a-"),
        ),
        ("type=tar,dest=out.tar", Output("tar", PLAIN, "out.tar")),
        ("type=tar", Output("tar", PLAIN, "-")),
        ("TYPE=oci,Dest=out.tar", Output("oci", PLAIN, "out.tar")),
        ("type=oci,tar=false,dest=out", Output("oci", PLAIN, "out", tar=False)),
        ("type=docker", Output("docker", PLAIN)),
        ("type=docker,dest=-", Output("docker", PLAIN, "-")),
        ("type=image", Output("image", PLAIN)),
        ("type=registry", Output("image", PLAIN, push=True)),
        (
            "type=image,push=1,push-by-digest=true",
            Output("image", PLAIN, push=True, by_digest=True),
        ),
        (
            "type=image,store=false,unpack=true,registry.insecure=true",
            Output("image", PLAIN, stored=False, unpacked=True, insecure=True),
        ),
        (
            "type=image,dangling-name-prefix=my/none",
            Output("image", PLAIN, dangling=Reference.parse("my/none")),
        ),
        ("type=cacheonly", Output("cacheonly", PLAIN)),
        ('type=local,"dest=a,b"', Output("local", PLAIN, "a,b")),
    ],
)
def test_what_buildx_takes(text, expected):
    assert read(text) == [expected]


def test_several_names_stand_between_quotes():
    [output] = read('type=image,"name=a,localhost:5000/b:2",name-canonical=true')
    assert output.names == (Reference.parse("a"), Reference.parse("localhost:5000/b:2"))
    assert output.canonical


def test_the_form_of_the_image():
    [output] = read(
        "type=oci,dest=a,compression=zstd,compression-level=22,force-compression=true,"
        "oci-mediatypes=false,rewrite-timestamp=true"
    )
    assert output.image == ImageOptions("zstd", 19, True, True)
    assert output.rewrite_timestamp
    [output] = read("type=oci,dest=a,compression=uncompressed")
    assert output.image.compression == "none"


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ("compression=gzip,compression-level=9", 2),
        ("compression-level=1", 1),
        ("compression=zstd,compression-level=0", 1),
        ("compression=zstd,compression-level=7", 7),
        ("compression=estargz,compression-level=0", 0),
    ],
)
def test_levels_are_those_whose_bytes_are_the_same_everywhere(options, level):
    [output] = read(f"type=oci,dest=a,{options}")
    assert output.image.level == level


def test_push_and_load_are_outputs():
    assert read(push=True) == [Output("image", PLAIN, push=True)]
    assert read(load=True) == [Output("docker", PLAIN)]
    assert read("type=docker", load=True) == [Output("docker", PLAIN)]
    assert read("type=image,compression=zstd", push=True) == [
        Output("image", ImageOptions("zstd"), push=True)
    ]
    assert [item.kind for item in read("out", push=True, load=True)] == ["local", "image", "docker"]


def test_annotations_go_to_every_image():
    local, oci, image = read(
        "out", "type=oci,dest=a,annotation-index.other=2", annotations=["index,manifest:title=one"]
    )
    title = (Annotation("title", "one", "index"), Annotation("title", "one", "manifest"))
    assert local.image == PLAIN
    assert oci.image.annotations == (*title, Annotation("other", "2", "index"))
    assert (image.kind, image.image.annotations) == ("image", title)


def test_annotations_have_places_and_platforms():
    arm = Platform.parse("linux/arm64")
    assert read_annotation("a.b=c=d") == [Annotation("a.b", "c=d")]
    assert read_annotation("manifest[linux/arm64]:a=1") == [Annotation("a", "1", "manifest", arm)]
    assert read_annotation("manifest-descriptor:a=") == [Annotation("a", "", "manifest-descriptor")]
    [output] = read("type=oci,dest=a,annotation[linux/arm64].a.b=1,annotation-index-descriptor.c=2")
    assert output.image.annotations == (
        Annotation("a.b", "1", "manifest", arm),
        Annotation("c", "2", "index-descriptor"),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("dest=a", "it has no type"),
        ("type=ocy,dest=a", "the types are local"),
        ("type=local", "type=local needs dest"),
        ("type=oci,tar=false", "type=oci needs dest"),
        ("type=docker,tar=false", "type=docker needs dest"),
        ("type=local,dest=-", "a directory is no stream"),
        ("type=oci,dest=a,dst=b", "has no option 'dst'"),
        ("type=local,dest=a,compression=gzip", "has no option 'compression'"),
        ("type=local,dest=a,annotation.a=b", "has no option 'annotation.a'"),
        ("type=oci,dest=a,compression=lzma", "not among gzip, zstd, estargz, uncompressed"),
        ("type=oci,dest=a,compression-level=10", "levels of gzip are 0 to 9"),
        ("type=oci,dest=a,compression=zstd,compression-level=x", "levels of zstd are 0 to 22"),
        ("type=image,buildinfo=true", "--provenance tells what the image was made of"),
        ("type=image,buildinfo-attrs=true", "--provenance tells what the build was given"),
        ("type=oci,dest=a,prefer-nondist-layers=true", "no layer is left out"),
        ("type=registry,oci-artifact=true", "attestations are artifacts anyhow"),
        ("type=docker,context=other", "DOCKER_CONTEXT or DOCKER_HOST"),
        ("type=oci,dest=a,unpack=true", "has no option 'unpack'"),
        ("type=tar,attestation-prefix=a/b", "has no directories"),
        ("type=image,push=yes", "push is true or false"),
        ("type=image,push", "'push' has no value"),
        ('type=local,"dest=a', "unexpected end of data"),
    ],
)
def test_what_is_no_output(text, why):
    with pytest.raises(InvalidValueError, match="--output cannot be") as caught:
        read(text)
    assert why in caught.value.why


@pytest.mark.parametrize("text", ["a", "=b", "layer:a=b", "manifest:=b", "manifest[]:a=b"])
def test_what_is_no_annotation(text):
    with pytest.raises(InvalidValueError, match="--annotation cannot be"):
        read_annotation(text)


def test_standard_output_is_for_one():
    with pytest.raises(InvalidValueError, match="two outputs"):
        read("-", "type=oci")
