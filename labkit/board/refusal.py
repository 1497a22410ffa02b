"""The one way in which a board says no."""

from __future__ import annotations

from labkit.errors import LabError


class BoardRefused(LabError):
    """The board refused something, and nothing has changed.

    Attributes:
        code: a word for programs.
        have: how many points of the stroke the board has, where that helps; else None.
    """

    def __init__(
        self, code: str, happened: str, *, expected: str = "", hint: str = "", have: int | None = None
    ) -> None:
        self.code = code
        self.have = have
        super().__init__(happened, expected=expected, hint=hint)
