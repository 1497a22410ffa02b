"""How to run a module of labkit in a Python process of its own, closed to its surroundings."""

from __future__ import annotations

import os
import site
import sys

_KEPT_VARIABLES = (
    "PATH",
    "TZ",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    # Windows starts nothing without these.
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "PATHEXT",
    "COMSPEC",
)


def python_command(module: str, *, writes_bytecode: bool = True) -> list[str]:
    """Return the command that runs a module with this interpreter, isolated (`-I`) and in UTF-8.

    Isolated means: neither the current folder nor PYTHON… variables nor the user's site decide what is
    imported. Where labkit itself is installed in the user's site (`pip install --user`), that folder is
    added again, after everything else.
    """
    command = [sys.executable, "-I", "-u", "-X", "utf8", *([] if writes_bytecode else ["-B"])]
    user_site = site.getusersitepackages() if site.ENABLE_USER_SITE else ""
    if not user_site or not os.path.isdir(user_site):
        return [*command, "-m", module]
    program = (
        f"import runpy, site; site.addsitedir({user_site!r}); "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [*command, "-c", program]


def scrubbed_environment(folder: str, settings: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process that must know nothing of ours.

    Args:
        folder: its home and place for temporary files.
        settings: variables that it is to have besides.
    """
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    here = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), folder)
    return {**kept, **here, "LANG": "C.UTF-8", **settings}
