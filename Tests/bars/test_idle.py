"""What idle connections cost, and what is left when they have gone."""

from __future__ import annotations

from crowd import visitors
from figures import Figures, pick
from tunnel import KIB, Tunnel, eventually


def test_idle_connections_are_cheap_and_leave_nothing(tunnel: Tunnel, figures: Figures) -> None:
    count = pick(2_000, 10_000)
    ends = tunnel.ends.items()
    descriptors = {name: end.descriptors() for name, end in ends}
    with visitors(tunnel.tcp, 1):
        pass  # what is made once, and kept
    for name, end in ends:
        assert eventually(lambda: end.descriptors() == descriptors[name]) is not None
    memory = {name: end.memory() for name, end in ends}

    with visitors(tunnel.tcp, count):
        growth = {name: end.memory() - memory[name] for name, end in ends}
        for name, end in ends:
            figures.at_most(f"{count} connections, memory of the {name} each", growth[name] / count / KIB, 8, "KiB")
            more = (end.descriptors() - descriptors[name]) / count
            figures.at_most(f"{count} connections, descriptors of the {name} each", more, 1)

    for name, end in ends:
        eventually(
            lambda: end.descriptors() == descriptors[name] and end.memory() - memory[name] <= growth[name] / 4,
            timeout=3,
        )
        figures.equal(f"3 s after, more descriptors of the {name}", end.descriptors() - descriptors[name], 0)
        left = (end.memory() - memory[name]) / growth[name] * 100
        figures.at_most(f"3 s after, memory of the {name} still held", left, 25, "% of the growth")
