"""A blueprint as a graph: what its handlers say in their source of where they lead."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator_lite import _blueprint_check
from orchestrator_lite.blueprint import Blueprint


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one state to another."""

    source: str
    target: str
    label: str


@dataclass(frozen=True, slots=True)
class Graph:
    """A blueprint's states and ways.

    Attributes:
        name: The blueprint's name.
        states: Its states; the start first, the ends last, what is between in the order it is reached.
        start: Where jobs begin.
        ends: Where they end.
        edges: The ways, each once; those that a handler computes are not known before it runs.
    """

    name: str
    states: tuple[str, ...]
    start: str
    ends: frozenset[str]
    edges: tuple[Edge, ...]


def graph_of(blueprint: Blueprint) -> Graph:
    """The graph of a blueprint."""
    found = [Edge(*way) for way in _blueprint_check.ways(blueprint)]
    edges = tuple(dict.fromkeys(edge for edge in found if edge.target in blueprint.states))
    start = blueprint.start_state or ""
    order = _reached(start, edges)
    order += sorted(blueprint.states - set(order))
    ends = frozenset(blueprint.end_states)
    states = [state for state in order if state not in ends or state == start]
    states += [state for state in order if state in ends and state != start]
    return Graph(blueprint.name, tuple(states), start, ends, edges)


def _reached(start: str, edges: tuple[Edge, ...]) -> list[str]:
    order, waiting = {start: None}, [start]
    while waiting:
        state = waiting.pop(0)
        for edge in edges:
            if edge.source == state and edge.target not in order:
                order[edge.target] = None
                waiting.append(edge.target)
    return list(order)
