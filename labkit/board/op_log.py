"""What happened on a board lately, numbered, so that a client can come back without a gap."""

from __future__ import annotations

from collections import deque

from labkit.board.limits import LOG_MAX_BYTES, LOG_MAX_OPS

EPOCHS_KEPT = 8


class OpLog:
    """The newest ops, bounded in count and bytes, in the present epoch and those before.

    An epoch is one life of the server. A crash may lose ops that clients have seen, and the numbers of these
    are given to others then; so a position of an earlier epoch counts only up to where that one was kept.
    """

    __slots__ = ("_bytes", "_ended", "_texts", "epoch", "seq")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.seq = 0
        self._texts: deque[str] = deque()
        self._bytes = 0
        self._ended: dict[str, int] = {}

    def add(self, text: str) -> None:
        """Keep an op, whose number is `seq` + 1."""
        self.seq += 1
        self._texts.append(text)
        self._bytes += len(text)
        while len(self._texts) > LOG_MAX_OPS or self._bytes > LOG_MAX_BYTES:
            self._bytes -= len(self._texts.popleft())

    def restart(self, seq: int) -> None:
        """Forget every op: what happened at `seq` can't be told as one. Nobody can resume across it."""
        self.seq = seq
        self._texts.clear()
        self._bytes = 0

    def begin_epoch(self, epoch: str) -> None:
        """Begin another life of the server."""
        if self.epoch:
            self._ended[self.epoch] = self.seq
        while len(self._ended) > EPOCHS_KEPT:
            del self._ended[next(iter(self._ended))]
        self.epoch = epoch

    def since(self, epoch: str, seq: int) -> list[str] | None:
        """Return all ops after a position, or None if not all of them are known."""
        last = self.seq if epoch == self.epoch else self._ended.get(epoch, -1)
        missed = self.seq - seq
        if not 0 <= seq <= last or missed > len(self._texts):
            return None
        return list(self._texts)[len(self._texts) - missed :]

    @property
    def ended(self) -> dict[str, int]:
        """The epochs before, and the number at which each ended."""
        return dict(self._ended)

    def restore(self, seq: int, ended: dict[str, int]) -> None:
        """Go on from a snapshot."""
        self.restart(seq)
        self._ended = dict(ended)
