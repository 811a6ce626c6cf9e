"""From a built image to all that was asked for: names, archives, directories, registries."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, field
from msgspec.structs import replace

from amphora.build.attest.attach import attach_beside, attach_inside, forget_older
from amphora.build.attest.names import PROVENANCE
from amphora.build.export.files import export_directory, export_tar, unpack_image
from amphora.build.export.image import export_image
from amphora.build.export.options import ImageOptions
from amphora.build.export.statements import Statements
from amphora.build.request import BuildResult
from amphora.cli.docker_environment import provenance_told
from amphora.cli.output_options import Wanted
from amphora.cli.outputs import STDOUT, Output
from amphora.cli.transfer_progress import show_transfer
from amphora.core.descriptor import Descriptor
from amphora.core.reference import Reference
from amphora.core.settings import Settings
from amphora.oci.archive import export_archive
from amphora.oci.docker_archive import export_docker_archive
from amphora.oci.graph import children
from amphora.oci.layout import export_layout
from amphora.oci.model import encode_descriptor
from amphora.oci.store import Store
from amphora.system.files import replacing, write_atomically
from amphora.system.tasks import in_thread


class Delivery(Struct, frozen=True):
    """One build's outputs. `engine` is the pipe to what --load gives the image to, if anything.

    `build` is what the history calls it, `more` is told in the metadata as well.
    """

    settings: Settings
    store: Store
    build: str
    wanted: Wanted
    epoch: int | None
    engine: int | None
    more: Mapping[str, object] = field(default_factory=dict)

    async def deliver(self, result: BuildResult) -> BuildResult:
        """Put it everywhere; returns the image in the form that its names point at.

        The store has its names first. Raises what the exporters and registries raise.
        """
        outputs = self.wanted.outputs
        images = [output for output in outputs if output.kind == "image"]
        if not images and not (outputs and all(item.kind == "cacheonly" for item in outputs)):
            self._name(await in_thread(self._form, result, ImageOptions()), self.wanted.tags)
        forms = []
        for output in sorted(outputs, key=lambda output: output.kind != "image"):
            form = await in_thread(self._form, result, output.image)
            forms += [form] if output.kind in {"image", "oci", "docker"} else []
            await self._put(output, form)
        told = forms[0] if forms else result
        self._tell(told)
        return told

    def _form(self, result: BuildResult, options: ImageOptions) -> BuildResult:
        """The image as an output wants it, with its attestations in it or beside it."""
        form = export_image(self.store, result, options)
        if not any(each.attached for said in result.predicates.values() for each in said):
            return form
        attach = attach_inside if options.inline else attach_beside
        return attach(self.store.blobs, form, self.wanted.all_names)

    async def _put(self, output: Output, form: BuildResult) -> None:
        names = self.wanted.names_of(output)
        if output.kind == "image":
            await self._put_image(output, form, names)
        elif output.kind in {"oci", "docker"} and not output.tar:
            images = _named(form, names, beside=output.kind == "oci")
            await in_thread(export_layout, self.store.blobs, images, Path(output.destination))
        elif output.kind == "local":
            await in_thread(
                export_directory,
                self.store,
                form.variants,
                Path(output.destination).absolute(),
                split=_splits(output, form),
                epoch=self.epoch,
                statements=_statements(output, form),
            )
        elif output.kind != "cacheonly":
            await in_thread(self._write, output, form, names)

    def _write(self, output: Output, form: BuildResult, names: Sequence[Reference]) -> None:
        """One file, a stream, or what the engine reads."""
        write: Callable[[BinaryIO], None]
        if output.kind == "tar":
            write = lambda file: export_tar(  # noqa: E731
                self.store,
                form.variants,
                file,
                split=_splits(output, form),
                epoch=self.epoch,
                statements=_statements(output, form),
            )
        elif output.kind == "docker" and (output.destination or form.image.is_manifest):
            write = lambda file: export_docker_archive(self.store.blobs, names, form.image, file)  # noqa: E731
        else:
            images = _named(form, names, beside=output.kind == "oci")
            write = lambda file: export_archive(self.store.blobs, images, file)  # noqa: E731
        if output.destination or self.engine is not None:
            with self._opened(output.destination) as file:
                write(file)

    @contextmanager
    def _opened(self, destination: str) -> Iterator[BinaryIO]:
        if destination == STDOUT:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif destination:
            with replacing(Path(destination).absolute()) as file:
                yield file
        elif self.engine is not None:
            # An engine that reads no further says why itself.
            with suppress(BrokenPipeError), os.fdopen(self.engine, "wb", closefd=False) as file:
                yield file

    async def _put_image(
        self, output: Output, form: BuildResult, names: Sequence[Reference]
    ) -> None:
        digest = form.image.digest
        exact = [replace(name, tag=None, digest=digest) for name in names]
        chosen = exact if output.by_digest else names
        if output.stored:
            self._name(form, [*chosen, *exact] if output.canonical else chosen)
            if output.dangling and not names:
                self._name(form, [replace(output.dangling, tag=None, digest=digest)])
        if output.unpacked:
            await in_thread(unpack_image, self.store, form.variants)
        for name in chosen if output.push else ():
            await self._push(form, name, insecure=output.insecure)

    async def _push(self, form: BuildResult, name: Reference, *, insecure: bool) -> None:
        from amphora.registry.client import Registry

        plain = [*self.settings.insecure_registries, *([name.domain] if insecure else [])]
        with show_transfer() as transfer:
            async with Registry(name.domain, insecure_registries=plain) as registry:
                await registry.push(
                    self.store.blobs,
                    form.image,
                    name,
                    artifacts=form.artifacts,
                    progress=transfer,
                )

    def _name(self, form: BuildResult, names: Sequence[Reference]) -> None:
        for name in names:
            self.store.tag(name, form.image)
            forget_older(self.store, form, name)
            for artifact in form.artifacts:
                self.store.attach(artifact, name)

    def _tell(self, form: BuildResult) -> None:
        """--metadata-file and --iidfile, last: they say that all is done."""
        if self.wanted.metadata_file is not None:
            content = json.dumps(self.metadata(form), indent=2).encode() + b"\n"
            write_atomically(self.wanted.metadata_file.absolute(), content)
        if self.wanted.digest_file is not None:
            write_atomically(self.wanted.digest_file.absolute(), str(form.image.digest).encode())

    def metadata(self, form: BuildResult) -> dict[str, object]:
        """https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file

        A build is named by builder, node and ID; a builder here is one node.
        """
        builder = self.settings.builder
        names = [str(name) for name in self.wanted.all_names]
        told: dict[str, object] = {"buildx.build.ref": f"{builder}/{builder}/{self.build}"}
        if form.image.is_manifest:
            config = children(self.store.blobs, form.image)[0]
            told["containerimage.config.digest"] = str(config.digest)
        told["containerimage.descriptor"] = json.loads(encode_descriptor(form.image))
        told["containerimage.digest"] = str(form.image.digest)
        told |= {"image.name": ",".join(names)} if names else {}
        if provenance_told(os.environ) != "none":
            told = {**_provenance(form), **told}
        return {**told, **self.more}


def _named(
    form: BuildResult, names: Sequence[Reference], *, beside: bool
) -> list[tuple[Reference | None, Descriptor]]:
    """The image under each name, and with `beside` its artifacts, which have none."""
    images = [(name, form.image) for name in names or (None,)]
    return [*images, *((None, artifact) for artifact in form.artifacts if beside)]


def _provenance(form: BuildResult) -> dict[str, object]:
    """As buildx names it: of several platforms each has a key."""
    found = {
        platform: predicate.content
        for platform, predicates in form.predicates.items()
        for predicate in predicates
        if predicate.kind in PROVENANCE.values()
    }
    single = len(form.variants) == 1
    return {
        "buildx.build.provenance" + ("" if single else f"/{platform}"): content
        for platform, content in found.items()
    }


def _statements(output: Output, form: BuildResult) -> Statements:
    return Statements(form.predicates, output.attestation_prefix, told_apart=output.split is False)


def _splits(output: Output, form: BuildResult) -> bool:
    return len(form.variants) > 1 if output.split is None else output.split
