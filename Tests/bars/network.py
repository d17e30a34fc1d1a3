"""Two hosts with a router between them that can lose every packet: network namespaces, for which one has to be root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from typing import Iterator

import pytest

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Network:
    """The hosts are "server", at ``SERVER``, and "client". Addresses are those that RFC 2544 sets apart for tests."""

    SERVER = "198.18.1.2"

    def __init__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("network namespaces are for root")
        self._names = {host: f"wmp-{os.getpid()}-{host}" for host in ("server", "router", "client")}

    def _make(self) -> None:
        for name in self._names.values():
            self._ip("netns", "add", name)
            self._ip("-n", name, "link", "set", "lo", "up")
        router = self._names["router"]
        for number, host in enumerate(("server", "client"), 1):
            end = self._names[host]
            peer = ("peer", "name", host, "netns", router)
            self._ip("-n", end, "link", "add", "up0", "type", "veth", *peer)
            for name, link, address in ((end, "up0", 2), (router, host, 1)):
                self._ip("-n", name, "address", "add", f"198.18.{number}.{address}/24", "dev", link)
                self._ip("-n", name, "link", "set", link, "up")
            self._ip("-n", end, "route", "add", "default", "via", f"198.18.{number}.1")
        self.heal()

    @staticmethod
    def _ip(*arguments: str) -> None:
        result = subprocess.run(["ip", *arguments], capture_output=True, text=True)
        assert result.returncode == 0, f"ip {' '.join(arguments)}: {result.stderr}"

    @contextlib.contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """What this thread opens or starts meanwhile, sockets and processes, belongs to that host for good."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self._names[host]}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(there)
            yield
        finally:
            _enter(own)
            os.close(there)
            os.close(own)

    def drop(self) -> None:
        """From now on every packet between the two is lost: a router that does not forward tells nobody."""
        self._forward(0)

    def heal(self) -> None:
        self._forward(1)

    def _forward(self, whether: int) -> None:
        with self.inside("router"), open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write(str(whether))

    def close(self) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def __enter__(self) -> Network:
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
