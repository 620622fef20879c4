"""DOT, the language of Graphviz (seeds 000-002: `text/vnd.graphviz`)."""

from __future__ import annotations

from orchestrator_lite.runtime.graphing import Graph

MEDIA_TYPE = "text/vnd.graphviz"


def drawn(graph: Graph) -> str:
    """The graph in DOT."""
    lines = [f"digraph {_quoted(graph.name)} {{", "    rankdir=LR;", '    node [shape=box, style="rounded"];']
    lines += [f"    {_quoted(state)}{_look(graph, state)};" for state in graph.states]
    for edge in graph.edges:
        label = f" [label={_quoted(edge.label)}]" if edge.label else ""
        lines.append(f"    {_quoted(edge.source)} -> {_quoted(edge.target)}{label};")
    return "\n".join([*lines, "}", ""])


def _look(graph: Graph, state: str) -> str:
    looks = (["penwidth=2"] if state == graph.start else []) + (["peripheries=2"] if state in graph.ends else [])
    return f" [{', '.join(looks)}]" if looks else ""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
