"""Reads the apps' settings, which come from environment variables so that they reach any server."""

from __future__ import annotations

import math
import os
from pathlib import Path

from labkit.errors import LabError


def data_folder() -> Path | None:
    """Return the folder that the environment variable ``DATA_DIR`` names; None if it is not set."""
    text = os.environ.get("DATA_DIR", "").strip()
    return Path(text) if text else None


def seconds(name: str, default: float, *, least: float = 0.0) -> float:
    """Return the number of seconds that the environment variable `name` holds, or the default.

    Raises:
        LabError: it is no finite number of at least `least`.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise LabError(
            f"{name} is {text!r}.",
            expected=f"a number of seconds, {least:g} or more.",
            hint=f"{name}={default:g}, or leave it out.",
        )
    return value
