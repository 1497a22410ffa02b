"""Room for sockets: each connection is an open file, and systems allow 256 or 1 024 unless asked."""

from __future__ import annotations

import contextlib
import sys

OTHER_FILES = 64
"""What the process has open besides: its pipes, modules being read, the loop's own."""


def make_room_for(connections: int) -> str:
    """Let this process open that many sockets; return a warning if the system does not allow it, else ''."""
    if sys.platform == "win32":  # no such limit there
        return ""
    import resource

    needed = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ""
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(OSError, ValueError):  # macOS refuses more than kern.maxfilesperproc
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft >= needed:
        return ""
    room = max(0, soft - OTHER_FILES)
    return (
        f"This system allows {soft} open files a process, room for about {room} of {connections} clients "
        "(ulimit -n shows it)."
    )
