"""Windows' Job Object: a child and all that it starts, limited together and ended together.

Not verified: written after Microsoft's reference (winbase.h, JOBOBJECT_EXTENDED_LIMIT_INFORMATION) and never run.
"""

from __future__ import annotations

import ctypes
from typing import Any

_EXTENDED_LIMIT_INFORMATION = 9
_LIMIT_ACTIVE_PROCESS = 0x0008
_LIMIT_JOB_MEMORY = 0x0200
_LIMIT_KILL_ON_JOB_CLOSE = 0x2000


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class Job:
    """A Job Object around one process. Closing it ends all processes in it.

    Raises:
        OSError: Windows refused.
    """

    def __init__(self, process_handle: int, *, max_memory_bytes: int, max_processes: int) -> None:
        load: Any = getattr(ctypes, "WinDLL", None)
        if load is None:
            raise OSError("there are Job Objects on Windows only")
        self._kernel = load("kernel32", use_last_error=True)
        self._kernel.CreateJobObjectW.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(self._kernel.CreateJobObjectW(None, None))
        limits = _ExtendedLimits()
        basic = limits.BasicLimitInformation
        basic.LimitFlags = _LIMIT_ACTIVE_PROCESS | _LIMIT_JOB_MEMORY | _LIMIT_KILL_ON_JOB_CLOSE
        basic.ActiveProcessLimit = max_processes
        limits.JobMemoryLimit = max_memory_bytes
        self._checked(
            self._kernel.SetInformationJobObject(
                self._handle, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
        )
        self._checked(self._kernel.AssignProcessToJobObject(self._handle, ctypes.c_void_p(process_handle)))

    def close(self) -> None:
        """End all processes of the job."""
        self._kernel.TerminateJobObject(self._handle, 1)
        self._kernel.CloseHandle(self._handle)

    def _checked(self, succeeded: int) -> None:
        if not succeeded:
            error: Any = getattr(ctypes, "WinError", OSError)
            raise error()
