"""A room's rules, set by its host: locked, muted, kicked, slow. Each change can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labkit.hub.limits import UNDO_DEPTH
from labkit.hub.refusal import Refused


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds in a room. `slow_s` is the least time between two messages of one user, 0 for none."""

    locked: bool = False
    muted: frozenset[str] = frozenset()
    kicked: frozenset[str] = frozenset()
    slow_s: float = 0.0


OPEN = Rules()


class Moderation:
    """The rules of one room, those before them, and when each user spoke last."""

    __slots__ = ("_before", "_spoke_at", "rules")

    def __init__(self) -> None:
        self.rules = OPEN
        self._before: list[Rules] = []
        self._spoke_at: dict[str, float] = {}

    def lock(self) -> None:
        """Let nobody new in; those who are here, or in their grace, stay and may come back."""
        self._set(replace(self.rules, locked=True))

    def unlock(self) -> None:
        """Let people in again."""
        self._set(replace(self.rules, locked=False))

    def mute(self, user: str) -> None:
        """Let a user read and not speak."""
        self._set(replace(self.rules, muted=self.rules.muted | {user}))

    def unmute(self, user: str) -> None:
        """Let a user speak again."""
        self._set(replace(self.rules, muted=self.rules.muted - {user}))

    def kick(self, user: str) -> None:
        """Keep a user out until readmitted."""
        self._set(replace(self.rules, kicked=self.rules.kicked | {user}))

    def readmit(self, user: str) -> None:
        """Let a kicked user in again."""
        self._set(replace(self.rules, kicked=self.rules.kicked - {user}))

    def slow(self, seconds: float) -> None:
        """Let each user speak once in so many seconds; 0 ends it."""
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"slow mode takes seconds of 0 or more, not {seconds!r}")
        self._set(replace(self.rules, slow_s=seconds))

    def undo(self) -> bool:
        """Go back to the rules before the last change; False if there was none."""
        if not self._before:
            return False
        self.rules = self._before.pop()
        return True

    def check_entry(self, user: str, *, present: bool, host: bool) -> None:
        """Raise `Refused` if the rules keep this user out. A host always gets in."""
        if host:
            return
        if user in self.rules.kicked:
            raise Refused("kicked", "The host has removed you from this room.", hint="talk to the host.")
        if self.rules.locked and not present:
            raise Refused("locked", "The host has locked this room.", hint="wait until it is unlocked.")

    def check_speech(self, user: str, now: float, *, host: bool, slowed: bool = True) -> None:
        """Raise `Refused` if the rules keep this user silent now; otherwise note that they spoke.

        Slow mode knows nothing of what is not `slowed`.
        """
        if host:
            return
        if user in self.rules.muted:
            raise Refused("muted", "The host has muted you in this room.", hint="talk to the host.")
        if self.rules.slow_s <= 0 or not slowed:
            return
        wait_s = self._spoke_at.get(user, float("-inf")) + self.rules.slow_s - now
        if wait_s > 0:
            raise Refused(
                "slow_mode",
                f"This room is in slow mode: one message in {self.rules.slow_s:g} s.",
                hint=f"wait {wait_s:.1f} s.",
                retry_after_s=wait_s,
            )
        self._spoke_at[user] = now

    def forget(self, user: str, now: float) -> None:
        """Drop what slow mode knew of a user who left, unless coming back would dodge it."""
        if now - self._spoke_at.get(user, now) >= self.rules.slow_s:
            self._spoke_at.pop(user, None)

    def _set(self, rules: Rules) -> None:
        if rules == self.rules:
            return
        self._before = [*self._before[-(UNDO_DEPTH - 1) :], self.rules]
        self.rules = rules
        if rules.slow_s <= 0:
            self._spoke_at.clear()
