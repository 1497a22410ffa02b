"""The one way in which the hub says no."""

from __future__ import annotations

import math
from typing import Self

from labkit.errors import LabError
from labkit.hub import close_codes

CLOSE_CODES = {
    "draining": close_codes.SERVICE_RESTART,
    "full": close_codes.TRY_AGAIN_LATER,
    "locked": close_codes.LOCKED,
    "too_fast": close_codes.TOO_FAST,
    "slow_mode": close_codes.TOO_FAST,
    "muted": close_codes.NOT_ALLOWED,
    "kicked": close_codes.KICKED,
    "already_here": close_codes.TOO_MANY_CONNECTIONS,
    "too_many_connections": close_codes.TOO_MANY_CONNECTIONS,
    "too_many_rooms": close_codes.PROTOCOL_ERRORS,
    "bad_room": close_codes.PROTOCOL_ERRORS,
    "not_in_room": close_codes.PROTOCOL_ERRORS,
    "not_here": close_codes.PROTOCOL_ERRORS,
    "bad_message": close_codes.PROTOCOL_ERRORS,
}
"""The close code that goes with each refusal, if the refusal ends the connection."""


class Refused(LabError):
    """The hub refused something, and nothing has changed.

    Attributes:
        code: a word for programs, one of `CLOSE_CODES` or the app's own.
        close_code: what to close with, if this ends the connection.
        retry_after_s: when it would work, in seconds; None if waiting does not help.
        subject: further fields of the message, such as which of the client's messages it is about.
    """

    def __init__(
        self,
        code: str,
        happened: str,
        *,
        expected: str = "",
        hint: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code
        self.close_code = CLOSE_CODES.get(code, close_codes.PROTOCOL_ERRORS)
        self.retry_after_s = retry_after_s
        self.subject: dict[str, object] = {}
        super().__init__(happened, expected=expected, hint=hint)

    def about(self, **subject: object) -> Self:
        """Add fields that say what was refused, and return itself."""
        self.subject |= subject
        return self

    def as_message(self) -> dict[str, object]:
        """Return the message for the sender: ``{"type": "error", "code", "detail", "retry_ms"?}``."""
        message: dict[str, object] = {"type": "error", "code": self.code, "detail": str(self), **self.subject}
        if self.retry_after_s is not None:
            message["retry_ms"] = math.ceil(self.retry_after_s * 1000)
        return message
