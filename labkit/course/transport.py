"""How Jupyter and a kernel of the course reach each other."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path


def connection_options() -> dict[str, str]:
    """Return what `kernel_options` says, and a connection file, for a KernelManager that nobody else looks after."""
    return {"connection_file": str(_runtime_folder() / f"kernel-{uuid.uuid4()}.json"), **kernel_options()}


def kernel_options() -> dict[str, str]:
    """Return options of Jupyter's KernelManager: sockets in the file system where they work, encrypted if possible.

    Over TCP, which is Jupyter's default, it picks five free ports and closes them again for the kernel to bind; a
    server that is started in between may get one of them, and then the kernel dies as it starts.
    """
    options = {}
    if _can_encrypt():  # newer kernels warn about plain TCP, which other users of this machine could read
        options["transport_encryption"] = "auto"
    if _takes_sockets(_runtime_folder()):
        options["transport"] = "ipc"
    return options


def _runtime_folder() -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def _can_encrypt() -> bool:
    try:
        import zmq
        from jupyter_client.manager import KernelManager
    except ImportError:
        return False
    return hasattr(KernelManager, "transport_encryption") and bool(zmq.has("curve"))


def _takes_sockets(folder: Path) -> bool:
    """Tell, by trying, whether a kernel's sockets can be in a folder: not on Windows, some shares, or a long path."""
    if not hasattr(socket, "AF_UNIX"):
        return False
    place = folder / f"kernel-{uuid.uuid4()}-ipc-5"  # as long as the names that Jupyter gives
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
            tried.bind(str(place))
        place.unlink()
    except OSError:
        return False
    return True
