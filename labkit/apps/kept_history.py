"""Keeps what an app's rooms have said over a restart of its server, in a file under ``DATA_DIR``."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

from labkit.hub import Hub

logger = logging.getLogger("labkit.apps")


class KeptHistory:
    """One app's file. It is written when the server stops, and read once, when it starts again.

    A server that was killed has written nothing, and its clients are told that they could not resume. What
    can't be written or read is logged; the app goes on without.
    """

    def __init__(self, folder: Path, app: str) -> None:
        self._path = folder / f"{app}-history.json"

    def save(self, hub: Hub) -> None:
        """Write what a closed hub remembers."""
        values = {"saved_at": time.time(), **hub.dump()}
        if not values["histories"]:
            return
        beside = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
            os.replace(beside, self._path)
        except OSError as error:
            logger.warning("what was said could not be kept for the next start: %s", error)

    def load(self, hub: Hub) -> None:
        """Let a hub go on from what was written, and remove the file.

        Removed, because a server that is killed later writes no new one, and clients that resumed from this
        one twice would get messages under numbers that have been used.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
            self._path.unlink()
            values = json.loads(text)
            hub.load(values, older_s=max(0.0, time.time() - float(values["saved_at"])))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("what was said before could not be read, so nobody can resume: %s", error)
