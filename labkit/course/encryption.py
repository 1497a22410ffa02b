"""Whether what goes between Jupyter and a kernel can be encrypted."""

from __future__ import annotations


def can_encrypt() -> bool:
    """Tell whether this Jupyter can encrypt what goes to a kernel."""
    try:
        import zmq
        from jupyter_client.manager import KernelManager
    except ImportError:
        return False
    return hasattr(KernelManager, "transport_encryption") and bool(zmq.has("curve"))
