"""What a close code tells the client: 4000-4499 mean come back, 4500-4999 mean don't.

Source: RFC 6455 section 7.4; the two ranges are Centrifugo's rule.
"""

from __future__ import annotations

NORMAL = 1000
GOING_AWAY = 1001
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

SLOW = 4408
"""The client reads more slowly than its rooms speak; history repairs the gap when it comes back."""
SILENT = 4410
"""Neither a message nor a pong for too long."""
LOCKED = 4423
TOO_FAST = 4429

NOT_ALLOWED = 4503
KICKED = 4504
REPLACED = 4509
"""The same user connected again. Coming back would throw the newer tab out."""
PROTOCOL_ERRORS = 4522
TOO_MANY_CONNECTIONS = 4529

REASON_MAX_BYTES = 123
"""A control frame carries at most 125 bytes, two of which are the code (RFC 6455 section 5.5)."""

NO_CODE = 1005
NO_FRAME = 1006
_FINAL = {1000, 1002, 1003, 1007, 1008, 1009, 1010}


def comes_back(code: int) -> bool:
    """Tell whether a client that was closed with this code should connect again."""
    if 4000 <= code <= 4999:
        return code < 4500
    return code not in _FINAL


def clip_reason(reason: str) -> str:
    """Cut a close reason to 123 bytes of UTF-8, never inside a character."""
    encoded = reason.encode("utf-8", "replace")
    if len(encoded) <= REASON_MAX_BYTES:
        return encoded.decode()
    return encoded[:REASON_MAX_BYTES].decode("utf-8", "ignore")
