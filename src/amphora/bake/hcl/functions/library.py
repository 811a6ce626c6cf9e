"""All functions together, and those that there are not.

https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
"""

from collections.abc import Mapping

from amphora.bake.hcl.functions.collections import COLLECTIVE
from amphora.bake.hcl.functions.encoding import ENCODING
from amphora.bake.hcl.functions.function import Functions
from amphora.bake.hcl.functions.networks import NETWORKS
from amphora.bake.hcl.functions.numbers import NUMERIC
from amphora.bake.hcl.functions.texts import TEXTUAL
from amphora.bake.hcl.functions.times import TIMES
from amphora.bake.hcl.functions.versions import VERSIONS

LIBRARY: Functions = {
    **NUMERIC,
    **TEXTUAL,
    **COLLECTIVE,
    **ENCODING,
    **NETWORKS,
    **TIMES,
    **VERSIONS,
}

#: Functions of buildx that are not here, and why.
ABSENT: Mapping[str, str] = {
    "bcrypt": "a hash of a password, with another salt each time, belongs in no build",
    "rsadecrypt": "what it decrypts would be in the image's history; use RUN --mount=type=secret",
    "byteslen": "no function gives the buffer of bytes that it takes",
    "bytesslice": "no function gives the buffer of bytes that it takes",
}
