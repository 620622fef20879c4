"""Mermaid, which many pages draw by themselves."""

from __future__ import annotations

from html import escape

from orchestrator_lite.runtime.graphing import Graph

MEDIA_TYPE = "text/vnd.mermaid"


def drawn(graph: Graph) -> str:
    """The graph as a Mermaid flowchart; nodes are numbered, so that no name can be misread."""
    number = {state: f"s{index}" for index, state in enumerate(graph.states)}
    lines = ["flowchart LR"]
    for state in graph.states:
        shape = '(["{}"])' if state in graph.ends or state == graph.start else '["{}"]'
        lines.append(f"    {number[state]}{shape.format(_text(state))}")
    for edge in graph.edges:
        arrow = f'-- "{_text(edge.label)}" -->' if edge.label else "-->"
        lines.append(f"    {number[edge.source]} {arrow} {number[edge.target]}")
    return "\n".join([*lines, ""])


def _text(text: str) -> str:
    """Without quotes, tags and line ends, as Mermaid's entities."""
    return escape(" ".join(text.split())).replace("&#x27;", "#39;").replace("&", "#")
