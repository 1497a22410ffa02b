"""What a child does to itself before it imports a submission: limits, a user that owns nothing, Landlock.

Runs inside the child, on any system, and needs only the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


def confine(how: dict[str, Any]) -> None:
    """Give up what a submission does not need. There is no way back.

    Args:
        how: `limits` (names of `resource` without `RLIMIT_`, and values), `user` (a number, or None to stay),
            `landlock` (arguments of `labkit.grader.landlock.restrict`, or None); each may be missing.
    """
    if sys.platform == "win32":
        return
    # Loaded now: afterwards they may be out of sight.
    import resource  # noqa: F401

    if how.get("landlock"):
        from labkit.grader import landlock
    if sys.platform.startswith("linux") and how.get("limits"):
        _die_with_parent()
    if how.get("user") is not None:
        _become(how["user"])
    elif os.geteuid() == 0 and how.get("limits"):
        _drop_capabilities()
    _limit(how.get("limits") or {})
    if how.get("landlock"):
        landlock.restrict(**how["landlock"])


def _limit(limits: dict[str, int]) -> None:
    import resource

    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            continue
        _, most = resource.getrlimit(number)
        allowed = value if most == resource.RLIM_INFINITY else min(value, most)
        # macOS knows some of them and refuses to set them.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(number, (allowed, allowed))


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)  # type: ignore[attr-defined,unused-ignore]
    os.setresuid(user, user, user)  # type: ignore[attr-defined,unused-ignore]
    if sys.platform.startswith("linux"):
        # A change of user has taken that back.
        _die_with_parent()
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _drop_capabilities() -> None:
    """Stay root by name, but without root's powers."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
