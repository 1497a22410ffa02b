"""The users of the auth demo. Their passwords are on the page; what is stored is what a real app would store."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

SCRYPT_COST = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}
"""16 MiB and some 50 ms a guess: nothing for somebody who logs in, much for somebody who guesses."""
PASSWORD_MAX_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """A password as it is stored: a salt of its own, and the scrypt hash of both (RFC 7914)."""

    salt: bytes
    hash: bytes

    def matches(self, password: str) -> bool:
        """Tell whether this is the password, in a time that says nothing about how near it was."""
        return hmac.compare_digest(self.hash, scrypt(password, self.salt))


def scrypt(password: str, salt: bytes) -> bytes:
    """Return the hash of a password. It takes its time: call it in a thread, never on an event loop."""
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, dklen=32, **SCRYPT_COST)


USERS = {
    "ada": StoredPassword(
        salt=bytes.fromhex("9efa379f7614d5cc496f36d09795b865"),
        hash=bytes.fromhex("a7de947da97e071219a5c7765d4d307bb712f871d806cd8d030eae111e39e279"),
    ),
    "ben": StoredPassword(
        salt=bytes.fromhex("bf02ccb73b69c932fef75f2de3354b36"),
        hash=bytes.fromhex("fec0e2f7b2c5a687f458e776c75a3d72e5b264d0c437354d1e98dddadb0f8c96"),
    ),
}

_NOBODY = StoredPassword(bytes(16), bytes(32))


def is_right(username: str, password: str) -> bool:
    """Tell whether a user has this password. An unknown user takes as long, so names can't be found out."""
    if len(password.encode("utf-8", "replace")) > PASSWORD_MAX_BYTES:
        return False
    return USERS.get(username, _NOBODY).matches(password)


GUESSES_PER_MINUTE = 10
ADDRESSES_KEPT_MAX = 1_000


class WrongGuesses:
    """Counts wrong passwords by where they come from; above 10 in a minute, none is looked at."""

    def __init__(self) -> None:
        self._guesses: dict[str, list[float]] = {}

    def begin(self, address: str, now: float) -> float:
        """Count a guess and return 0, or count nothing and return the seconds until the next may be made."""
        recent = [at for at in self._guesses.pop(address, []) if now - at < 60]
        if len(self._guesses) >= ADDRESSES_KEPT_MAX:
            del self._guesses[next(iter(self._guesses))]
        self._guesses[address] = recent
        if len(recent) >= GUESSES_PER_MINUTE:
            return 60 - (now - recent[0])
        recent.append(now)
        return 0.0

    def forgive(self, address: str) -> None:
        """Forget the last guess counted: it was right."""
        if self._guesses.get(address):
            self._guesses[address].pop()
