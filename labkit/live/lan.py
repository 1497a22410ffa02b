"""Serving to the others in the room: which of this machine's addresses they can reach, and a server there.

The usual trick of asking the system for the way to the internet needs a way to the internet, and finds the
VPN. So the interfaces are looked at instead: what is up, what it is called, and what its address is.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import psutil

from labkit.host.guard import Policy
from labkit.host.identity import ASGIApp
from labkit.host.server import Lab
from labkit.host.sockets import listen

EVERY_ADDRESS = "0.0.0.0"
"""Only `labkit demo --lan` listens there."""


class Kind(IntEnum):
    """What an interface probably is; phones in the room reach the earlier ones more likely."""

    WIFI = 0
    WIRED = 1
    OTHER = 2
    BRIDGE = 3
    VIRTUAL = 4


# Names as Linux, macOS and Windows give them.
_VIRTUAL = re.compile(
    r"docker|br-|veth|virbr|lxc|lxd|cni|cali|flannel|podman|kube|nerdctl"  # containers
    r"|tun|tap|utun|ipsec|ppp|wg|tailscale|ts\d|zt|nebula|nordlynx|proton|hamachi|vpn|wireguard"  # VPNs
    r"|vmnet|vboxnet|vethernet|hyper-v|virtualbox|vmware|wsl|multipass|parallels|vnic"  # virtual machines
    r"|.*(?:vpn|virtual|docker|zerotier|tailscale|wireguard|wsl|hyper-v|vmware)"
    r"|awdl|llw|anpi|gif|stf|dummy|ifb|sit|ip6tnl|bluetooth|pan\d",  # nobody's network
    re.IGNORECASE,
)
_BRIDGE = re.compile(
    r"bridge|br\d|local area connection\*", re.IGNORECASE
)  # sharing, a hotspot of this machine
_WIFI = re.compile(r"wl|wi-?fi|ath\d|ra\d|airport", re.IGNORECASE)
_WIRED = re.compile(r"eth|en|em\d|lan|local area connection", re.IGNORECASE)

_HOME_NETWORK, *_OTHER_PRIVATE = map(ipaddress.ip_network, ("192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"))
"""RFC 1918. Routers at home and phones' hotspots use the first."""
_CARRIER_NETWORK = ipaddress.ip_network("100.64.0.0/10")
"""What Tailscale and mobile carriers use (RFC 6598)."""


@dataclass(frozen=True, slots=True)
class Interface:
    """An IPv4 address of this machine, and the interface that has it."""

    name: str
    address: str
    is_up: bool = True

    @property
    def kind(self) -> Kind:
        """What it probably is, by its name and address."""
        if _VIRTUAL.match(self.name) or ipaddress.ip_address(self.address) in _CARRIER_NETWORK:
            return Kind.VIRTUAL
        for pattern, kind in ((_BRIDGE, Kind.BRIDGE), (_WIFI, Kind.WIFI), (_WIRED, Kind.WIRED)):
            if pattern.match(self.name):
                return kind
        return Kind.OTHER

    @property
    def rank(self) -> tuple[bool, bool, bool, int, bool, str]:
        """Sorts the likeliest first: no address of last resort, no VPN, private, Wi-Fi, a home network's."""
        address = ipaddress.IPv4Address(self.address)
        at_home = address in _HOME_NETWORK
        return (
            address.is_link_local,
            self.kind is Kind.VIRTUAL,
            not (at_home or any(address in network for network in _OTHER_PRIVATE)),
            self.kind,
            not at_home,
            self.name,
        )


def ranked(interfaces: Iterable[Interface]) -> list[Interface]:
    """Return those that others may reach, the likeliest first. What is down, or loopback, is left out."""
    usable = [each for each in interfaces if each.is_up and not _is_useless(each.address)]
    return sorted(usable, key=lambda each: each.rank)


def lan_interfaces() -> list[Interface]:
    """Return this machine's addresses in the order of `ranked`."""
    up = {name: stats.isup for name, stats in psutil.net_if_stats().items()}
    return ranked(
        Interface(name, each.address, up.get(name, True))
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
        if each.family == socket.AF_INET
    )


def serve_on_lan(app: ASGIApp, *, name: str, port: int = 0) -> Lab:
    """Start a server on every address of this machine, and return it when it is ready.

    Its `url` is still the loopback one, for this machine; the others use one of `lan_interfaces()`.

    Raises:
        ServeError: the port is taken, or the app failed while starting.
    """
    lab = Lab(app, name=name, sock=listen(port, EVERY_ADDRESS), policy=Policy.from_environment())
    lab.start()
    return lab


def _is_useless(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip.is_loopback or ip.is_unspecified
