"""Which messages a client has received, so that a repeated one does not make up for a lost one."""

from __future__ import annotations

from array import array

WINDOW = 64
_ALL = (1 << WINDOW) - 1


class Seen:
    """A sliding window over the sequence numbers of each sender, as in RFC 6479 (IPsec's replay check).

    Memory is a few bytes a sender however many messages come. What is more than 64 messages behind its
    sender's newest counts as seen.
    """

    def __init__(self, senders: int) -> None:
        self._newest = array("q", [-1]) * (senders + 1)
        self._window = array("Q", [0]) * (senders + 1)

    def is_new(self, sender: int, sequence: int) -> bool:
        """Note a message and tell whether it is here for the first time. Senders count from 1."""
        ahead = sequence - self._newest[sender]
        if ahead > 0:
            self._newest[sender] = sequence
            self._window[sender] = ((self._window[sender] << ahead) | 1) & _ALL if ahead < WINDOW else 1
            return True
        if -ahead >= WINDOW:
            return False
        bit = 1 << -ahead
        if self._window[sender] & bit:
            return False
        self._window[sender] |= bit
        return True
