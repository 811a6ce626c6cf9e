"""The same image in another form: layers compressed otherwise, annotations, docker's types."""

from collections.abc import Sequence

from msgspec.structs import replace

from amphora.build.export.options import Annotation, ImageOptions, LayerForm
from amphora.build.request import BuildResult, Variant
from amphora.core.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
)
from amphora.core.errors import DigestMismatchError, InvalidValueError
from amphora.oci.config import ImageConfig
from amphora.oci.graph import children, read_document
from amphora.oci.layers.compression import LayerReader
from amphora.oci.layers.compressors import Compression
from amphora.oci.layers.estargz import write_estargz
from amphora.oci.layers.writer import LayerBlob, LayerWriter
from amphora.oci.model import Index, Manifest
from amphora.oci.snapshots import Layer
from amphora.oci.steps import CacheRecord
from amphora.oci.store import Store

_CHUNK = 1 << 20

_COMPRESSIONS: dict[str, Compression] = {
    OCI_LAYER: "none",
    OCI_LAYER_GZIP: "gzip",
    OCI_LAYER_ZSTD: "zstd",
}
#: zstd is not among them: docker never gave it a media type.
_DOCKER_TYPES = {OCI_LAYER: DOCKER_LAYER, OCI_LAYER_GZIP: DOCKER_LAYER_GZIP}


def export_image(store: Store, result: BuildResult, options: ImageOptions) -> BuildResult:
    """Store the image in that form; returns the result with it in its place.

    A layer that was compressed once is remembered. Raises InvalidValueError for an
    annotation with no place to be and a form that does not exist, and what reading layers
    raises.
    """
    if options == ImageOptions():
        return result
    _check_annotations(result, options.annotations)
    variants = [_variant(store, result, variant, options) for variant in result.variants]
    root = variants[0].manifest
    if result.image.is_index:
        index = Index(
            tuple(variant.manifest for variant in variants), options.annotations_of("index")
        )
        index = replace(index, media_type=DOCKER_LIST) if options.docker_types else index
        root = store.blobs.put(index.encode(), index.media_type)
        root = replace(root, annotations=options.annotations_of("index-descriptor"))
    return replace(result, image=root, variants=variants)


def _variant(store: Store, result: BuildResult, variant: Variant, options: ImageOptions) -> Variant:
    blobs, platform = store.blobs, variant.platform
    manifest = Manifest.decode(read_document(blobs, variant.manifest.digest))
    config = ImageConfig.decode(read_document(blobs, manifest.config.digest))
    layers = [
        _compressed(store, Layer(layer, diff_id), options, own=layer.digest in result.own_layers)
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]
    blobs_of_layers = tuple(layer.blob for layer in layers)
    if options.docker_types:
        blobs_of_layers = tuple(map(_with_docker_type, blobs_of_layers))
    annotations = {**manifest.annotations, **options.annotations_of("manifest", platform)}
    manifest = replace(manifest, layers=blobs_of_layers, annotations=annotations)
    diff_ids = tuple(layer.diff_id for layer in layers)
    if diff_ids != config.diff_ids:
        config = replace(config, diff_ids=diff_ids)
        manifest = replace(manifest, config=blobs.put(config.encode(), OCI_CONFIG))
    if options.docker_types:
        stored_config = replace(manifest.config, media_type=DOCKER_CONFIG)
        manifest = replace(manifest, config=stored_config, media_type=DOCKER_MANIFEST)
    stored = blobs.put(manifest.encode(), manifest.media_type)
    described = options.annotations_of("manifest-descriptor", platform)
    descriptor = replace(stored, platform=platform, annotations=described)
    return Variant(platform, descriptor, sum(child.size for child in children(blobs, descriptor)))


def _compressed(store: Store, layer: Layer, options: ImageOptions, *, own: bool) -> Layer:
    """The layer as the options want it, which may be as it is."""
    compression = options.compression
    if compression is None or not (own or options.force_compression):
        return layer
    if options.level is None and _COMPRESSIONS.get(layer.blob.media_type) == compression:
        return layer
    key = f"{layer.diff_id} as {compression} {options.level}"
    known = store.cache_get(key)
    if known is not None and known.layer is not None and known.diff_id is not None:
        return Layer(known.layer, known.diff_id)
    made = _compress(store, layer, compression, options.level)
    store.cache_put(key, CacheRecord(made.descriptor, made.diff_id, "", "worker", 0.0))
    return Layer(made.descriptor, made.diff_id)


def _compress(store: Store, layer: Layer, compression: LayerForm, level: int | None) -> LayerBlob:
    with store.blobs.open(layer.blob.digest) as file:
        reader = LayerReader(file)
        if compression == "estargz":
            made, read = write_estargz(store.blobs, reader, level)
        else:
            with LayerWriter(store.blobs, compression, level) as writer:
                while chunk := reader.read(_CHUNK):
                    writer.write(chunk)
                made = writer.commit()
            read = made.diff_id
    if read != layer.diff_id:
        raise DigestMismatchError(
            f"the layer {layer.blob.digest} is not what its image says",
            why=f"it unpacks to {read} in place of {layer.diff_id}",
            next_command="run `amphora store check`, then pull or build the image again",
        )
    return made


def _with_docker_type(layer: Descriptor) -> Descriptor:
    media_type = _DOCKER_TYPES.get(layer.media_type)
    if media_type is None:
        raise InvalidValueError(
            f"a layer of type {layer.media_type} has no place in a docker image",
            why="docker's own media types know gzip and no compression",
            next_command="leave oci-mediatypes=false out, or add"
            " compression=gzip,force-compression=true",
        )
    return replace(layer, media_type=media_type)


def _check_annotations(result: BuildResult, annotations: Sequence[Annotation]) -> None:
    platforms = {variant.platform for variant in result.variants}
    for item in annotations:
        if item.place.startswith("index") and not result.image.is_index:
            raise InvalidValueError(
                f"the annotation {item.key} cannot be put on the index",
                why="an image for one platform has none",
                next_command="build for several platforms, or annotate the manifest",
            )
        if item.platform is not None and item.platform not in platforms:
            raise InvalidValueError(
                f"the annotation {item.key} cannot be put on {item.platform}",
                why="the image is not built for that platform",
                next_command=f"add --platform {item.platform}, or correct the annotation",
            )
