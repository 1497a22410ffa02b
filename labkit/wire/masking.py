"""The mask of RFC 6455 section 5.3: each byte exclusive-or one of the key's four, in turn."""

from __future__ import annotations

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover  a platform without the compiled part
    from websockets.utils import apply_mask

NORMAL_KEY = bytes.fromhex("37fa213d")
"""The key of the RFC's own example (section 5.7); saved traces have it in place of random ones."""


def mask(data: bytes, key: bytes) -> bytes:
    """Mask a payload, or unmask it: it is the same operation. Without a key the data stay as they are."""
    return bytes(apply_mask(data, key)) if key else data
