"""Sockets of this process in the lab's hosts: for tests that look at single datagrams and at connections they hold.

Owns: entering a host's network namespace while a socket is created; the socket stays in that namespace.
Every one has a timeout, so that nothing waits for ever. Never: what is sent.
"""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from .host import Host

PATIENCE = 5.0

CLONE_NEWNET = 0x40000000
#: linux/in.h; Python does not name them.
IP_MTU_DISCOVER, IP_MTU = 10, 14
PMTUDISC_DO, PMTUDISC_OMIT = 2, 5

_libc = ctypes.CDLL(None, use_errno=True)


def udp(host: Host, address: str, port: int = 0, discover: int = PMTUDISC_OMIT) -> socket.socket:
    """A bound UDP socket. What it sends may be fragmented (DF=0), unless it is to `discover` the path MTU."""
    made = _make(host, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discover)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.bind((address, port))
    return made


def listener(host: Host, address: str, port: int) -> socket.socket:
    """A TCP socket that listens."""
    made = _make(host, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen(16)
    return made


def tcp(host: Host) -> socket.socket:
    """A TCP socket, not connected."""
    return _make(host, socket.SOCK_STREAM)


def connect(host: Host, address: str, port: int) -> socket.socket:
    """A TCP connection from a host."""
    made = tcp(host)
    try:
        made.connect((address, port))
    except OSError:
        made.close()
        raise
    return made


def repeated_segments(host: Host) -> int:
    """TCP segments that a host has sent again since it was made, SYNs among them (RFC 4022, tcpRetransSegs)."""
    names, values = (line.split() for line in host.run(["cat", "/proc/net/snmp"]).stdout.splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


def raw(host: Host, protocol: int = socket.IPPROTO_RAW) -> socket.socket:
    """A raw socket (raw(7)). By itself for whole IP datagrams with their header: identification and offset are the sender's."""
    return _make(host, socket.SOCK_RAW, protocol)


def path_mtu(connected: socket.socket) -> int:
    """The path MTU to the socket's peer, as the kernel knows it."""
    return connected.getsockopt(socket.IPPROTO_IP, IP_MTU)


def _make(host: Host, kind: int, protocol: int = 0) -> socket.socket:
    with _inside(host):
        made = socket.socket(socket.AF_INET, kind, protocol)
    made.settimeout(PATIENCE)
    return made


@contextmanager
def _inside(host: Host) -> Iterator[None]:
    """Inside the block, this thread is in the host's network namespace (setns(2))."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{host.namespace}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(here)
        os.close(there)
        os.close(here)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
