"""Hides what a URL carries that nobody should read over a shoulder."""

from __future__ import annotations

import re

_SECRET = re.compile(r"([?&](?:access_)?(?:token|jwt|ticket|key|api_key|password|secret|auth)=)[^&#]*", re.I)


def redact(url: str) -> str:
    """Return a URL with the values of tokens and the like replaced by an ellipsis."""
    return _SECRET.sub(r"\1…", url)
