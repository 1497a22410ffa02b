"""Every limit of a drawing board, named once. Three of them are the whole course's: see `labkit.hub.limits`."""

from __future__ import annotations

from labkit.hub.limits import BOARD_MAX_ITEMS, STROKE_MAX_POINTS, UNDO_DEPTH

__all__ = ["BOARD_MAX_ITEMS", "STROKE_MAX_POINTS", "UNDO_DEPTH"]

BOARD_MAX_BYTES = 67_108_864
"""What the points of all items may take, those that could come back by undo or redo too."""
HIDDEN_MAX_ITEMS = 10_000
"""So many items are kept only because a clear could be taken back; beyond it the oldest clears are final."""
USED_IDS_MAX = 20_000
"""So many ids of items that are gone are remembered, so that a stroke that is sent again stays gone."""
LOG_MAX_OPS = 2_000
LOG_MAX_BYTES = 2_097_152
"""What a client that comes back can catch up without getting the whole board anew."""

COORDINATE_MAX = 100_000
WIDTH_MAX = 200
ID_MAX_CHARS = 64
NAME_MAX_CHARS = 64
DRAWING_NAME_MAX_CHARS = 100
BOARD_NAME_MAX_CHARS = 40
