"""Functions that encode, decode and digest; CSV, JSON, UUIDs.

https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
"""

import base64
import binascii
import csv
import hashlib
import uuid
from urllib.parse import quote_plus

from amphora.bake.hcl.functions.function import ANY, TEXT, Function, Functions
from amphora.bake.hcl.values import Value, decode, encode

_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}


def _base64_decoded(text: str) -> Value:
    try:
        return base64.b64decode(text, validate=True).decode()
    except binascii.Error as error:
        raise ValueError("this is no base64") from error
    except UnicodeDecodeError as error:
        raise ValueError("what is decoded is no text") from error


def _table(text: str) -> Value:
    """The first row names the columns."""
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    except csv.Error as error:
        raise ValueError(f"this is no CSV: {error}") from error
    if not rows:
        raise ValueError("the first row, which names the columns, is missing")
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("not all rows have as many fields as the first")
    return tuple(dict(zip(rows[0], row, strict=True)) for row in rows[1:])


def _digest(name: str) -> Function:
    def digest(text: str) -> str:
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

    return Function(digest, (TEXT,))


def _named_uuid(namespace: str, name: str) -> Value:
    return str(uuid.uuid5(_NAMESPACES.get(namespace) or uuid.UUID(namespace), name))


ENCODING: Functions = {
    "base64decode": Function(_base64_decoded, (TEXT,)),
    "base64encode": Function(lambda text: base64.b64encode(text.encode()).decode(), (TEXT,)),
    "csvdecode": Function(_table, (TEXT,)),
    "jsondecode": Function(decode, (TEXT,)),
    "jsonencode": Function(encode, (ANY,)),
    "md5": _digest("md5"),
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
    "sha512": _digest("sha512"),
    "urlencode": Function(quote_plus, (TEXT,)),
    "uuidv4": Function(lambda: str(uuid.uuid4())),
    "uuidv5": Function(_named_uuid, (TEXT, TEXT)),
}
