"""Objects in files of JSON that carry a checksum of themselves."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptodask.io.files import write_json
from cryptodask.io.paths import AnyPath

CHECKSUM = "checksum"
"""The key of a sealed object's digest."""


def digest(content: Any) -> str:
    """Return the SHA-256 of what JSON can hold, whatever the order of keys.

    Parameters
    ----------
    content : Any
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with a checksum of it, as JSON will give it back.

    Parameters
    ----------
    content : mapping of str to Any
        What `json.dumps` knows.
    """
    # As it will be read: keys of inner objects are texts then.
    plain = json.loads(json.dumps(content))
    return {CHECKSUM: digest(plain), **plain}


def write_sealed(content: Mapping[str, Any], path: AnyPath) -> None:
    """Write an object as JSON with a checksum of it, complete or not at all.

    Parameters
    ----------
    content : mapping of str to Any
        What `json.dumps` knows.
    path : Path or UPath
    """
    write_json(sealed(content), path)


def unseal(content: Any) -> str | None:
    """Take the checksum out of an object that was read, and return why it is not as written.

    Parameters
    ----------
    content : Any
        Of `cryptodask.io.files.read_json`; only an object has a checksum.
    """
    seal = content.pop(CHECKSUM, None) if isinstance(content, dict) else None
    if seal is None:
        return f"{CHECKSUM}: is missing"
    if seal != digest(content):
        return f"{CHECKSUM}: does not fit the rest of it, which was damaged or changed"
    return None
