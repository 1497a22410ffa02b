"""What happens when a user who is connected connects again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labkit.hub.refusal import Refused

Duplicates = Literal["allow", "replace", "reject"]


def displaced(policy: Duplicates, user: str, present: Sequence[str], *, most: int) -> Sequence[str]:
    """Return the ids of the connections that a new one of the same user pushes out.

    Args:
        policy: ``allow`` up to `most`, ``replace`` all older ones, or ``reject`` the newcomer.
        present: ids of the user's connections, oldest first.

    Raises:
        Refused: the policy keeps the newcomer out.
    """
    if not present:
        return ()
    if policy == "replace":
        return present
    if policy == "reject":
        raise Refused(
            "already_here",
            f"{user!r} is connected already.",
            expected="one connection a user.",
            hint="close the other tab, or choose another name.",
        )
    if len(present) >= most:
        raise Refused(
            "too_many_connections",
            f"{user!r} has {len(present)} connections already.",
            expected=f"at most {most} connections a user.",
            hint="close a tab that is not needed.",
        )
    return ()
