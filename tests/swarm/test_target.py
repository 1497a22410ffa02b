"""A swarm stays on this machine unless told otherwise, and never goes to the internet."""

from __future__ import annotations

import socket

import pytest

from labkit.errors import ConnectError, LabError
from labkit.swarm.target import find_address, require_allowed


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("own_server", [False, True])
def test_this_machine_is_allowed(address, own_server):
    require_allowed(address, address, own_server=own_server)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.20", "169.254.1.1", "fd12::1", "fe80::1%eth0"],
)
def test_a_private_network_needs_the_owners_word(address):
    require_allowed(address, address, own_server=True)
    with pytest.raises(LabError) as error:
        require_allowed(address, "lab-pc", own_server=False)
    assert str(error.value) == (
        f"lab-pc ({address}) is another machine, or this one under its network address.\n"
        "Expected: a server of your own: a swarm can make one unusable for everybody.\n"
        "Try: 127.0.0.1; or, if that server is yours, --i-own-this-server (own_server=True)."
    )


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.64.0.1", "192.0.2.1", "2001:4860:4860::8888", "::ffff:8.8.8.8"]
)
@pytest.mark.parametrize("own_server", [False, True])
def test_the_internet_is_refused_whoever_owns_it(address, own_server):
    with pytest.raises(LabError) as error:
        require_allowed(address, address, own_server=own_server)
    assert error.value.happened == f"{address} is on the public internet, and a swarm never goes there."


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_listening_address_is_explained(address):
    with pytest.raises(LabError) as error:
        require_allowed(address, address, own_server=True)
    assert str(error.value) == (
        f"{address} is where a server listens, not where clients connect.\n"
        "Expected: an address to connect to.\n"
        "Try: 127.0.0.1 for this machine."
    )


def test_a_name_with_one_forbidden_address_is_refused_before_any_connection(monkeypatch):
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("127.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: entries)
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: pytest.fail("connected"))
    with pytest.raises(LabError, match="public internet"):
        find_address("ws://rebound.test/ws", own_server=True)


def test_the_address_that_answers_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert find_address(f"ws://localhost:{port}/ws", own_server=False) == ("127.0.0.1", port)


def test_an_unknown_name_is_said_so(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConnectError, match="There is no machine called 'nowhere.test'"):
        find_address("ws://nowhere.test/ws", own_server=False)
