"""Which address the others can reach: by what the interfaces are called, not by the way to the internet."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import httpx
import psutil
import pytest

from labkit import connect
from labkit.apps import create
from labkit.errors import HandshakeRefused, ServeError
from labkit.live.lan import Interface, lan_interfaces, ranked, serve_on_lan

MACHINES = {
    "a laptop with Docker and a VPN": (
        ["lo 127.0.0.1", "docker0 172.17.0.1", "tun0 10.8.0.2", "enp0s31f6 10.1.2.3", "wlp2s0 192.168.1.23"],
        ["wlp2s0", "enp0s31f6", "docker0", "tun0"],
    ),
    "a Mac that shares its connection": (
        [
            "lo0 127.0.0.1",
            "utun3 100.101.1.2",
            "bridge100 192.168.2.1",
            "en0 192.168.1.5",
            "awdl0 169.254.3.4",
        ],
        ["en0", "bridge100", "utun3", "awdl0"],
    ),
    "Windows with WSL, Hyper-V and a VPN": (
        [
            "vEthernet (WSL) 172.28.0.1",
            "OpenVPN TAP-Windows6 10.8.0.6",
            "Ethernet 10.0.0.7",
            "Wi-Fi 192.168.178.20",
            "Local Area Connection* 10 192.168.137.1",
            "Loopback Pseudo-Interface 1 127.0.0.1",
        ],
        [
            "Wi-Fi",
            "Ethernet",
            "Local Area Connection* 10",
            "OpenVPN TAP-Windows6",
            "vEthernet (WSL)",
        ],
    ),
    "a server in a data centre": (["eth0 203.0.113.9", "eth1 10.0.0.4"], ["eth1", "eth0"]),
    "no DHCP server answered": (["wlan0 169.254.10.1", "eth0 192.168.0.2"], ["eth0", "wlan0"]),
    "Tailscale under another name": (["mesh7 100.64.0.3", "wlan0 192.168.0.2"], ["wlan0", "mesh7"]),
    "two in one class": (["wlan1 10.0.0.2", "wlan0 192.168.0.2"], ["wlan0", "wlan1"]),
    "containers only": (["veth1a2b 172.18.0.1", "br-77aa 172.19.0.1"], ["br-77aa", "veth1a2b"]),
    "nothing": (["lo 127.0.0.1"], []),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_likeliest_address_comes_first_and_containers_and_vpns_last(machine):
    lines, order = MACHINES[machine]
    found = [Interface(*line.rsplit(" ", 1)) for line in lines]
    assert [each.name for each in ranked(found)] == order
    assert [each.name for each in ranked(reversed(found))] == order


def test_an_interface_that_is_down_is_left_out():
    assert ranked([Interface("wlan0", "192.168.0.2", is_up=False)]) == []


def test_the_machine_is_asked_for_its_ipv4_addresses_only(monkeypatch):
    def address(family: int, text: str) -> SimpleNamespace:
        return SimpleNamespace(family=family, address=text)

    monkeypatch.setattr(
        psutil,
        "net_if_addrs",
        lambda: {
            "wlan0": [address(socket.AF_INET6, "fe80::1%wlan0"), address(socket.AF_INET, "192.168.0.2")],
            "eth0": [address(socket.AF_INET, "192.168.0.3")],
            "docker0": [address(socket.AF_INET, "172.17.0.1"), address(psutil.AF_LINK, "02:42:ac:11")],
        },
    )
    up = {"wlan0": True, "eth0": False, "docker0": True}
    monkeypatch.setattr(
        psutil, "net_if_stats", lambda: {name: SimpleNamespace(isup=isup) for name, isup in up.items()}
    )
    assert [(each.name, each.address) for each in lan_interfaces()] == [
        ("wlan0", "192.168.0.2"),
        ("docker0", "172.17.0.1"),
    ]


def test_asking_this_machine_works_without_a_network():
    assert all(not each.address.startswith("127.") for each in lan_interfaces())


def test_a_server_on_the_lan_listens_everywhere_and_checks_who_comes():
    with serve_on_lan(create("echo"), name="echo") as lab:
        assert lab._sock.getsockname()[0] == "0.0.0.0"
        ws = connect(f"ws://127.0.0.2:{lab.port}/ws")  # another address of this machine
        ws.send("hello")
        assert ws.receive() == "Echo: hello 🔊"
        foreign = {"Origin": "http://evil.example"}
        with pytest.raises(HandshakeRefused) as refused:
            connect(lab, "/ws", headers=foreign)
        assert refused.value.status == 403
        rebound = httpx.get(f"{lab.url}/", headers={"Host": "evil.example"}, trust_env=False, timeout=5)
        assert rebound.status_code == 400


def test_a_port_that_is_taken_is_told():
    with serve_on_lan(create("echo"), name="echo") as lab, pytest.raises(ServeError, match="is taken"):
        serve_on_lan(create("echo"), name="echo", port=lab.port)
