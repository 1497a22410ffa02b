"""Servers inside the notebook's process, and the client that talks to them from a cell."""

from labkit.host.connecting import connect
from labkit.host.connection import Close, Connection
from labkit.host.frame import Frame, show
from labkit.host.nested import nested
from labkit.host.server import Lab
from labkit.host.serving import serve, stop_all

__all__ = ["Close", "Connection", "Frame", "Lab", "connect", "nested", "serve", "show", "stop_all"]
