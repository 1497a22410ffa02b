"""Every limit of the hub, named once. `Limits` is the set that one hub obeys.

Where the values come from: Centrifugo (64 KiB messages, 1 MiB queues, 16 messages a frame, 25 s pings),
uvicorn (20/20 s pings), Socket.IO and Phoenix for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_MESSAGE_BYTES = 65_536
MAX_CONNECTIONS = 2_000
CONNECTIONS_PER_USER = 8
ROOMS_PER_CONNECTION = 64
ROOM_NAME_MAX_CHARS = 64
TEXT_MAX_CHARS = 16_000
STROKE_MAX_POINTS = 5_000
BOARD_MAX_ITEMS = 5_000
UNDO_DEPTH = 100

OUTBOX_MAX_BYTES = 1_048_576
OUTBOX_MAX_MESSAGES = 256
LATEST_MAX_KEYS = 1_000
VOLATILE_MAX_WAITING = 16
BATCH_MAX_MESSAGES = 16
BATCH_MAX_BYTES = 65_536
WRITES_PER_TURN = 16
TURN_MAX_WRITES = 1_000
WRITE_TIMEOUT_S = 5.0

HISTORY_MAX_MESSAGES = 100
HISTORY_MAX_BYTES = 524_288
HISTORY_TTL_S = 300.0
ROOM_KEPT_S = 300.0
ROOMS_KEPT_MAX = 1_000

RATE_MESSAGES_PER_S = 20.0
RATE_MESSAGES_BURST = 40.0
RATE_DRAWING_PER_S = 60.0
RATE_DRAWING_BURST = 120.0
RATE_CURSOR_PER_S = 30.0
RATE_CURSOR_BURST = 30.0
REFUSALS_PER_S = 10.0
REFUSALS_BURST = 100.0

PRESENCE_GRACE_S = 2.0
REPLACE_GRACE_S = 5.0
RESTART_GRACE_S = 30.0
TYPING_TTL_S = 5.0
TYPING_MIN_INTERVAL_S = 2.0

AUTH_TIMEOUT_S = 10.0
WS_PING_S = 20.0
WS_PONG_TIMEOUT_S = 20.0
APP_PING_S = 25.0
APP_PONG_SLACK_S = 10.0
DRAIN_S = 5.0
DRAIN_BATCH = 500


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages a second, with so many at once. Above that: an error, or silence if `silent`."""

    per_s: float
    burst: float
    silent: bool = False


MESSAGE_RATE = Rate(RATE_MESSAGES_PER_S, RATE_MESSAGES_BURST)
DRAWING_RATE = Rate(RATE_DRAWING_PER_S, RATE_DRAWING_BURST)
CURSOR_RATE = Rate(RATE_CURSOR_PER_S, RATE_CURSOR_BURST, silent=True)
REFUSAL_RATE = Rate(REFUSALS_PER_S, REFUSALS_BURST)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one hub. Every field's default is the constant of the same name."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_connections: int = MAX_CONNECTIONS
    connections_per_user: int = CONNECTIONS_PER_USER
    rooms_per_connection: int = ROOMS_PER_CONNECTION
    room_name_max_chars: int = ROOM_NAME_MAX_CHARS
    outbox_max_bytes: int = OUTBOX_MAX_BYTES
    outbox_max_messages: int = OUTBOX_MAX_MESSAGES
    latest_max_keys: int = LATEST_MAX_KEYS
    write_timeout_s: float = WRITE_TIMEOUT_S
    history_max_messages: int = HISTORY_MAX_MESSAGES
    history_max_bytes: int = HISTORY_MAX_BYTES
    history_ttl_s: float = HISTORY_TTL_S
    room_kept_s: float = ROOM_KEPT_S
    rooms_kept_max: int = ROOMS_KEPT_MAX
    presence_grace_s: float = PRESENCE_GRACE_S
    replace_grace_s: float = REPLACE_GRACE_S
    restart_grace_s: float = RESTART_GRACE_S
    typing_ttl_s: float = TYPING_TTL_S
    typing_min_interval_s: float = TYPING_MIN_INTERVAL_S
    app_ping_s: float = APP_PING_S
    app_pong_slack_s: float = APP_PONG_SLACK_S
    drain_s: float = DRAIN_S
    drain_batch: int = DRAIN_BATCH
