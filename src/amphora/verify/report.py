"""The outcome as a document that stays with the image: an artifact whose subject it is."""

import json
from collections.abc import Sequence

from amphora import __version__
from amphora.core.descriptor import Descriptor
from amphora.oci.blobs import BlobStore
from amphora.oci.referrers import put_artifact
from amphora.verify.outcome import Outcome

#: The type of the artifact, and of the document in it.
REPORT = "application/vnd.amphora.verify.report.v1+json"

_CREATED = "org.opencontainers.image.created"
_RESULT = "dev.amphora.verify.result"


def put_report(
    blobs: BlobStore, image: Descriptor, outcomes: Sequence[Outcome], created: str
) -> Descriptor:
    """Store a report about an image; returns the artifact's descriptor.

    `created` is RFC 3339. What programs printed is left out: it may not be for everybody who
    can read the image. Raises DiskFullError.
    """
    result = "failed" if any(outcome.failed for outcome in outcomes) else "passed"
    document = {
        "schemaVersion": 1,
        "image": str(image.digest),
        "created": created,
        "verifiedBy": f"amphora {__version__}",
        "result": result,
        "variants": [_quiet(outcome) for outcome in outcomes],
    }
    content = blobs.put(json.dumps(document, indent=2).encode(), REPORT)
    return put_artifact(blobs, image, REPORT, [content], {_CREATED: created, _RESULT: result})


def _quiet(outcome: Outcome) -> dict[str, object]:
    return {key: value for key, value in outcome.plain().items() if key != "output"}
