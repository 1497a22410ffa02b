"""What waits to be written to one client, bounded in messages and bytes."""

from __future__ import annotations

from enum import Enum, auto

from labkit.hub.limits import (
    BATCH_MAX_BYTES,
    BATCH_MAX_MESSAGES,
    VOLATILE_MAX_WAITING,
    WRITES_PER_TURN,
    Limits,
)
from labkit.hub.parcel import Parcel


class Put(Enum):
    """What became of a parcel."""

    WAITS = auto()
    REPLACED = auto()
    """It took the place of an older one of its key."""
    DROPPED = auto()
    """The client is behind, and this one may be skipped."""
    OVERFLOW = auto()
    """The client is too far behind, and this one may not be skipped: close, and let it resume."""


# Looking a member up in an Enum class costs as much as the rest of `put`.
WAITS, REPLACED, DROPPED, OVERFLOW = Put


class _Slot:
    """A place in the queue whose parcel may still be replaced by a newer one of the same key."""

    __slots__ = ("parcel",)

    def __init__(self, parcel: Parcel) -> None:
        self.parcel = parcel


class _Free(Parcel):
    """A parcel that the bounds do not count."""

    __slots__ = ()


def _parcel_of(head: Parcel | _Slot) -> Parcel:
    return head.parcel if isinstance(head, _Slot) else head


class _Joined:
    """Parcels that go into one frame, how many bytes the bounds count for them, and the frame's data."""

    __slots__ = ("data", "parcels", "size")

    def __init__(self, parcels: list[Parcel]) -> None:
        self.parcels = parcels
        self.size = sum(parcel.size for parcel in parcels)
        self.data = join_texts(parcels)


def join_texts(parcels: list[Parcel]) -> str:
    """Return the parcels' texts, one a line."""
    return "\n".join(parcel.data for parcel in parcels if isinstance(parcel.data, str))


class Joiner:
    """Joins texts to one frame's data. Clients that wait for the same texts get the same joined one."""

    __slots__ = ("_joined",)

    def __init__(self) -> None:
        self._joined: dict[Parcel | _Slot, _Joined] = {}

    def known(self, head: Parcel | _Slot) -> _Joined | None:
        """Return what was joined lately and begins with this parcel."""
        return self._joined.get(head)

    def join(self, parcels: list[Parcel]) -> str:
        """Return the parcels' texts, one a line."""
        known = self._joined.get(parcels[0])
        if known is not None and known.parcels == parcels:
            return known.data
        if len(self._joined) >= WRITES_PER_TURN:
            self._joined.clear()
        self._joined[parcels[0]] = joined = _Joined(parcels)
        return joined.data

    def forget(self) -> None:
        """Forget what was joined, so that it is not kept for longer than a turn."""
        if self._joined:
            self._joined.clear()


class Outbox:
    """A queue with three delivery classes. `stalled` is True while a write waits for the peer.

    `messages` and `bytes` are what the bounds count; `len()` is all that waits.
    """

    __slots__ = (
        "_latest",
        "_max_bytes",
        "_max_keys",
        "_max_messages",
        "bytes",
        "messages",
        "queue",
        "stalled",
    )

    def __init__(self, limits: Limits) -> None:
        self._max_messages = limits.outbox_max_messages
        self._max_bytes = limits.outbox_max_bytes
        self._max_keys = limits.latest_max_keys
        self._latest: dict[str, _Slot] | None = None
        # A list: it is short, mostly empty, and then takes a tenth of a deque's memory.
        self.queue: list[Parcel | _Slot] = []
        self.messages = 0
        self.bytes = 0
        self.stalled = False

    def __len__(self) -> int:
        return len(self.queue)

    def put(self, parcel: Parcel) -> Put:
        """Queue a parcel by the rules of its delivery class."""
        if not parcel.reliable:
            return self._put_skippable(parcel)
        if self.messages >= self._max_messages or self.bytes + parcel.size > self._max_bytes:
            return OVERFLOW
        self.queue.append(parcel)
        self.messages += 1
        self.bytes += parcel.size
        return WAITS

    def put_free(self, data: str | bytes) -> None:
        """Queue what a client gets once, on entering a room, without counting it against the bounds.

        A full board may be larger than the bound; counted, it would close every client that enters.
        """
        self.queue.append(_Free(data))

    def fits(self, parcels: list[Parcel]) -> bool:
        """Tell whether all of these reliable parcels fit now."""
        return (
            self.messages + len(parcels) <= self._max_messages
            and self.bytes + sum(parcel.size for parcel in parcels) <= self._max_bytes
        )

    def take(self, joiner: Joiner | None = None) -> str | bytes:
        """Take out the next frame's data: one message or, with a joiner, up to 16 texts. Not when empty."""
        queue = self.queue
        if joiner is not None and (known := joiner.known(queue[0])) is not None and self._take_known(known):
            return known.data
        parcel = self._pop()
        if joiner is None or not queue or not parcel.joins:
            return parcel.data
        parcels = [parcel]
        size = parcel.size
        while queue and len(parcels) < BATCH_MAX_MESSAGES:
            head = queue[0]
            following = head if type(head) is Parcel else _parcel_of(head)
            size += 1 + following.size
            if not following.joins or size > BATCH_MAX_BYTES:
                break
            if type(head) is Parcel:
                del queue[0]
                self.messages -= 1
                self.bytes -= following.size
            else:
                self._pop()
            parcels.append(following)
        return joiner.join(parcels)

    def _take_known(self, known: _Joined) -> bool:
        """Take out what another client has just been sent in one frame, if this is next here, all of it.

        In a burst all clients wait for the same parcels. Comparing 16 at once costs less than walking them.
        """
        queue = self.queue
        count = len(known.parcels)
        if (count < BATCH_MAX_MESSAGES and count != len(queue)) or queue[:count] != known.parcels:
            return False
        del queue[:count]
        self.messages -= count
        self.bytes -= known.size
        return True

    def clear(self) -> int:
        """Throw away all that waits and return how many messages that were."""
        count = len(self.queue)
        self.queue.clear()
        self._latest = None
        self.messages = 0
        self.bytes = 0
        return count

    def _put_skippable(self, parcel: Parcel) -> Put:
        if parcel.delivery.kind == "latest":
            return self._put_latest(parcel)
        if (
            self.stalled
            or len(self.queue) >= VOLATILE_MAX_WAITING
            or self.messages >= self._max_messages
            or self.bytes + parcel.size > self._max_bytes
        ):
            return DROPPED
        self.queue.append(parcel)
        self.messages += 1
        self.bytes += parcel.size
        return WAITS

    def _put_latest(self, parcel: Parcel) -> Put:
        if self._latest is None:
            self._latest = {}
        slot = self._latest.get(parcel.delivery.key)
        grows_by = parcel.size - (slot.parcel.size if slot else 0)
        if self.bytes + grows_by > self._max_bytes or (slot is None and len(self._latest) >= self._max_keys):
            return DROPPED
        self.bytes += grows_by
        if slot is not None:
            slot.parcel = parcel
            return REPLACED
        self._latest[parcel.delivery.key] = slot = _Slot(parcel)
        self.queue.append(slot)
        return WAITS

    def _pop(self) -> Parcel:
        head = self.queue.pop(0)
        if type(head) is Parcel:
            self.messages -= 1
            self.bytes -= head.size
            return head
        if isinstance(head, _Slot):
            if self._latest is not None:
                del self._latest[head.parcel.delivery.key]
            self.bytes -= head.parcel.size
            return head.parcel
        return head
