"""Landlock by its three system calls: a process gives up for good what it does not need (Linux 5.13 and later).

Source: Documentation/userspace-api/landlock.rst of Linux. Runs inside the child and needs only the standard library.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_ALL_OF_ABI_1 = (1 << 13) - 1
_MAKE_DEVICES = (1 << 6) | (1 << 11)  # character and block devices
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_ALL_OF_NET = 0b11  # bind and connect TCP
_ALL_OF_SCOPE = 0b11  # abstract Unix sockets, and signals to processes outside

READ = _EXECUTE | _READ_FILE | _READ_DIR
LIST = _READ_DIR

NET_ABI, SCOPE_ABI = 4, 6


def abi_version() -> int:
    """Return the version of Landlock that the kernel offers, 0 for none."""
    return max(0, _call(_CREATE_RULESET, None, 0, _CREATE_VERSION))


def restrict(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str]) -> None:
    """Restrict this process and all that it will start, for good.

    Args:
        readable: files and folders that may be read and executed, with all below them.
        listable: folders of which only the names may be read.
        writable: files and folders in which everything is allowed but devices.
    Raises:
        OSError: the kernel does not offer it.
    """
    abi = abi_version()
    if not abi:
        raise OSError("the kernel offers no Landlock")
    handled = _handled(abi)
    net = _ALL_OF_NET if abi >= NET_ABI else 0
    scope = _ALL_OF_SCOPE if abi >= SCOPE_ABI else 0
    size = 24 if abi >= SCOPE_ABI else 16 if abi >= NET_ABI else 8
    attributes = struct.pack("=QQQ", handled, net, scope)[:size]
    ruleset = _checked(_call(_CREATE_RULESET, ctypes.c_char_p(attributes), size, 0))
    try:
        for paths, rights in (
            (readable, READ),
            (listable, LIST),
            (writable, handled & ~_MAKE_DEVICES & ~_IOCTL_DEVICE),
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        libc = ctypes.CDLL(None, use_errno=True)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_call(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    rights = _ALL_OF_ABI_1
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        rights |= right if abi >= since else 0
    return rights


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be allowed
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, fd)
        _checked(_call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0))
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(libc.syscall(ctypes.c_long(number), *given))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
