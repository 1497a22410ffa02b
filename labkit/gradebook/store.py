"""Keeps the record of each judged submission under a digest of all that it depends on.

So a run that was interrupted goes on where it was, the same submission of two students is judged once, and a
changed submission, check or version of labkit is judged anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from labkit import __version__
from labkit.errors import LabError
from labkit.grader.catalogue import find_exercise
from labkit.grader.levels import Sandbox
from labkit.grader.limits import Limits
from labkit.grader.record import Record

FOLDER = ".judged"


class Store:
    """The records below one folder."""

    def __init__(self, out: Path) -> None:
        self._folder = out / FOLDER

    def load(self, key: str) -> Record | None:
        """Return a record, None if there is none that is whole."""
        try:
            return Record.from_json(json.loads(self._path(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, LabError):
            return None

    def save(self, key: str, record: Record) -> None:
        """Keep a record: afterwards it is there whole, or not at all, whenever this process is killed."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(record.to_json(), indent=1, ensure_ascii=False))

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that at any time the old or the new one is there, never a part."""
    handle, part = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def key_of(exercise: str, source: bytes, limits: Limits, sandbox: Sandbox) -> str:
    """Return the digest of all that a verdict depends on."""
    parts = [
        exercise,
        hashlib.sha256(source).hexdigest(),
        _digest_of_checks(exercise),
        __version__,
        json.dumps(asdict(limits), sort_keys=True),
        sandbox.words,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def seed_of(exercise: str, source: bytes) -> int:
    """Return the seed for a submission: the same whoever hands it in, whenever and wherever it is judged."""
    return int.from_bytes(hashlib.sha256(exercise.encode() + b"\n" + source).digest()[:4]) >> 1


@lru_cache
def _digest_of_checks(exercise: str) -> str:
    found = find_exercise(exercise)
    digest = hashlib.sha256()
    for path in (found.test_file, found.starter):
        digest.update(path.read_bytes())
    digest.update(repr((found.points, found.settings)).encode())
    return digest.hexdigest()
