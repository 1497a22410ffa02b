"""Which servers a swarm may visit: this machine's, and with a flag those of a private network. Never others."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from labkit.errors import ConnectError, LabError

CONNECT_TIMEOUT_S = 5.0

_PRIVATE_NETWORKS = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",  # RFC 3927, machines without a DHCP server
        "fc00::/7",  # RFC 4193
        "fe80::/10",  # RFC 4291
    )
]

DEFAULT_PORTS = {"ws": 80, "wss": 443}


def find_address(url: str, *, own_server: bool) -> tuple[str, int]:
    """Return the IP address and port at which the server of a URL answers, if a swarm may visit it.

    Everything is later connected to that very address, so a name cannot lead elsewhere after the check.

    Raises:
        LabError: the address is not this machine's, nor (with `own_server`) one of a private network.
        ConnectError: the name is unknown, or nothing listens there.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    addresses = _resolve(host, port)
    for address in addresses:
        require_allowed(address, host, own_server=own_server)
    failures = []
    for address in addresses:
        try:
            socket.create_connection((address, port), timeout=CONNECT_TIMEOUT_S).close()
        except OSError as error:
            failures.append(f"{address}: {error.strerror or error}")
        else:
            return address, port
    raise ConnectError(
        f"Nothing answers at {parts.netloc} ({'; '.join(failures)}).",
        expected="a server that is running.",
        hint="is its cell or its terminal still running, and is the port right?",
    )


def require_allowed(address: str, host: str, *, own_server: bool) -> None:
    """Raise unless a swarm may visit an IP address.

    Args:
        address: an IPv4 or IPv6 address.
        host: what the user wrote, for the message.
        own_server: whether private networks are allowed.

    Raises:
        LabError: the address is not allowed.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return
    if ip.is_unspecified:
        raise LabError(
            f"{host} is where a server listens, not where clients connect.",
            expected="an address to connect to.",
            hint="127.0.0.1 for this machine.",
        )
    is_private = any(ip in network for network in _PRIVATE_NETWORKS if ip.version == network.version)
    if is_private and own_server:
        return
    if is_private:
        raise LabError(
            f"{_shown(host, address)} is another machine, or this one under its network address.",
            expected="a server of your own: a swarm can make one unusable for everybody.",
            hint="127.0.0.1; or, if that server is yours, --i-own-this-server (own_server=True).",
        )
    raise LabError(
        f"{_shown(host, address)} is on the public internet, and a swarm never goes there.",
        expected="a server on this machine (127.0.0.1) or on your own private network.",
        hint="run the server here: labkit demo echo.",
    )


def _shown(host: str, address: str) -> str:
    return host if host == address else f"{host} ({address})"


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectError(
            f"There is no machine called {host!r}.",
            expected="a host name or an IP address.",
            hint="127.0.0.1.",
        ) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
