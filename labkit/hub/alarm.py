"""The hub's only timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from labkit.hub.deadlines import Deadlines

Key = tuple[str, ...]


class Alarm:
    """Calls back at deadlines. With a clock of its own, a test moves the clock and calls `ring`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._deadlines: Deadlines[Key] = Deadlines()
        self._callbacks: dict[Key, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, key: Key) -> bool:
        return key in self._deadlines

    def set(self, key: Key, when: float, callback: Callable[[], None]) -> None:
        """Call back at a time of the clock, unless the key is set anew or cleared before."""
        self._deadlines.set(key, when)
        self._callbacks[key] = callback
        if when < self._armed_for:
            self._arm(when)

    def clear(self, key: Key) -> None:
        """Forget a key, if it is set."""
        self._deadlines.clear(key)
        self._callbacks.pop(key, None)

    def ring(self) -> None:
        """Call back all whose time has come."""
        self._armed_for = float("inf")
        try:
            for key in self._deadlines.due(self._clock()):
                callback = self._callbacks.pop(key, None)
                # An earlier callback may have cleared this one, or set it to a later time.
                if callback is not None and key not in self._deadlines:
                    callback()
        finally:
            if (when := self._deadlines.earliest()) is not None:
                self._arm(when)

    def stop(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._armed_for = float("inf")
        self._deadlines = Deadlines()
        self._callbacks.clear()

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = when
        self._timer = asyncio.get_running_loop().call_later(max(0.0, when - self._clock()), self.ring)
