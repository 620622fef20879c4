"""SVG, drawn here: states in columns by their distance from the start, ways as curves between them."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from orchestrator_lite.runtime.graphing import Edge, Graph

MEDIA_TYPE = "image/svg+xml"

_COLUMN, _ROW, _HEIGHT, _MARGIN, _LETTER = 250, 84, 40, 32, 7.6

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" style="fill:#8892a6;stroke:none"/></marker></defs>'
)

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#223}rect{fill:#f4f6fb;stroke:#5b6b8c;rx:8}"
    ".end{fill:#eef7ee;stroke:#4c8a4c}.start{stroke-width:2.5}"
    "path{fill:none;stroke:#8892a6}.label{font-size:11px;fill:#556}"
)


def drawn(graph: Graph) -> str:
    """The graph as a picture that needs nothing beside it."""
    places = _places(graph)
    width = max((x for x, _ in places.values()), default=0) + _COLUMN
    height = max((y for _, y in places.values()), default=0) + _ROW + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escape(_clean(graph.name))}</title><style>{_STYLE}</style>",
        _TIP,
        *(_way(edge, places) for edge in graph.edges),
        *(_box(graph, state, places[state]) for state in graph.states),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _places(graph: Graph) -> dict[str, tuple[int, int]]:
    """Left upper corners: columns by distance, rows by order."""
    depth = {graph.states[0]: 0} if graph.states else {}
    for state in graph.states:  # the order of the states is that in which they are reached
        for edge in graph.edges:
            if edge.source == state and edge.target not in depth:
                depth[edge.target] = depth.get(state, 0) + 1
    rows: dict[int, int] = {}
    places = {}
    for state in graph.states:
        column = depth.get(state, 0)
        row = rows[column] = rows.get(column, -1) + 1
        places[state] = (_MARGIN + column * _COLUMN, _MARGIN + row * _ROW)
    return places


def _box(graph: Graph, state: str, place: tuple[int, int]) -> str:
    x, y = place
    kinds = " ".join(kind for kind, holds in (("start", state == graph.start), ("end", state in graph.ends)) if holds)
    shown = _clean(state) if len(state) <= 19 else _clean(state)[:18] + "…"
    box = f'<rect class={quoteattr(kinds)} x="{x}" y="{y}" width="{_width(state)}" height="{_HEIGHT}"/>'
    text = f'<text x="{x + _width(state) / 2:g}" y="{y + 25}" text-anchor="middle">{escape(shown)}</text>'
    return f"<g>{box}{text}<title>{escape(_clean(state))}</title></g>"


def _way(edge: Edge, places: dict[str, tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    begin_x, begin_y, end_y = x1 + _width(edge.source), y1 + _HEIGHT / 2, y2 + _HEIGHT / 2
    if x2 > x1:
        bend = (x2 - begin_x) / 2
        path = f"M{begin_x:g} {begin_y:g}C{begin_x + bend:g} {begin_y:g} {x2 - bend:g} {end_y:g} {x2:g} {end_y:g}"
        middle = (begin_x + bend, (begin_y + end_y) / 2 - 4)
    else:  # back, or beside: around below
        low = max(y1, y2) + _HEIGHT + 22
        path = f"M{x1 + 20:g} {y1 + _HEIGHT:g}C{x1 + 20:g} {low} {x2 + 40:g} {low} {x2 + 40:g} {y2 + _HEIGHT:g}"
        middle = ((x1 + x2) / 2 + 30, low - 4)
    place = f'x="{middle[0]:g}" y="{middle[1]:g}" text-anchor="middle"'
    label = f'<text class="label" {place}>{escape(_clean(edge.label))}</text>' if edge.label else ""
    return f'<path d="{path}" marker-end="url(#tip)"/>{label}'


def _width(state: str) -> int:
    return int(max(70, min(len(state), 19) * _LETTER + 24))


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
