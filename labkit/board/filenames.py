"""File names for whatever people call their things: safe on every system, and never two names in one file."""

from __future__ import annotations

import hashlib

KEPT = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
FILE_NAME_MAX_CHARS = 120


def file_name(kind: str, name: str) -> str:
    """Return ``kind-name``, with everything but small letters, digits, ``-`` and ``_`` written as ``%xx``.

    So it can't leave its folder, two names don't meet where capitals don't count, and with the kind before it
    no name is one that Windows keeps for itself, such as ``con``. A long one ends in a hash.
    """
    encoded = "".join(
        char if char in KEPT else "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in name
    )
    if len(encoded) > FILE_NAME_MAX_CHARS:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        encoded = f"%%{digest}"  # no name is written with two of them
    return f"{kind}-{encoded}"
