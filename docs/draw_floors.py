"""Draw the rooms of the package as `docs/floors.svg`: each floor stands on those below it.

An arrow is an import that exists. One that other arrows imply is left out, and so are the rooms
"__init__", "__main__" and "_typedefs", which hold names alone.
"""

import itertools
import math
import sys
from html import escape
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import rooms

PICTURE = Path(__file__).with_name("floors.svg")

#: What each room knows.
TELLS = {
    "cli": "the command",
    "columns": "column files",
    "compat": "other interfaces",
    "datasets": "data to try",
    "plotting": "pictures of fits",
    "vision": "photographs",
    "testing": "checks of models",
    "estimators": "fit, predict, score",
    "training": "fits, paths, resuming",
    "callbacks": "logs, checkpoints",
    "persistence": "model files",
    "models": "kinds of structures",
    "hinge": "hinges as functions",
    "base": "StructuredModel",
    "solvers": "planes in, weights out",
    "engines": "threads, processes",
    "problems": "data as planes",
    "losses": "task losses",
    "graphs": "nodes and edges",
    "metrics": "scores of answers",
    "features": "tokens to rows",
    "inference": "scores in, output out",
    "linalg": "planes, sums",
    "data": "checks, labels, sequences",
    "exceptions": "errors, warnings",
}
_BOX, _THIN, _GAP = (150, 44), 6, 18  # of boxes, and of arrows that pass a floor; pixels
_FLOOR_HEIGHT, _MARGIN = 92, 20
_SWEEPS = 40


def arrows():
    """Pairs of rooms (from, to), without those that others imply."""
    floor = {
        room: height for height, rooms_there in enumerate(rooms.FLOORS) for room in rooms_there
    }
    pairs = set()
    for module, others in rooms.imports().items():
        ends = {(rooms.room_of(module), rooms.room_of(other)) for other in others}
        pairs |= {(a, b) for a, b in ends if a in TELLS and b in TELLS and floor[a] > floor[b]}
    below = {room: set() for room in floor}
    for room in sorted(floor, key=floor.get):
        for a, b in pairs:
            if a == room:
                below[room] |= {b} | below[b]
    return sorted(
        (a, b) for a, b in pairs if not any((a, c) in pairs and b in below[c] for c in below)
    )


def layers_and_links(pairs):
    """Floors from the ground up, with a place on each floor that an arrow passes."""
    floors = [[room for room in floor if room in TELLS] for floor in rooms.FLOORS]
    layers = [list(floor) for floor in floors if floor]
    height = {room: k for k, layer in enumerate(layers) for room in layer}
    paths = {}
    for a, b in pairs:
        between = [(a, b, k) for k in range(height[a] - 1, height[b], -1)]
        for place in between:
            layers[place[2]].append(place)
        paths[a, b] = [a, *between, b]
    links = [link for path in paths.values() for link in itertools.pairwise(path)]
    return layers, links, paths


def width_of(node):
    return _BOX[0] if isinstance(node, str) else _THIN


def placed(layers, links):
    """The x of each node: near what it is joined to, in an order with few crossings."""
    joined = {node: [] for layer in layers for node in layer}
    for a, b in links:
        joined[a].append(b)
        joined[b].append(a)
    x = {}
    for layer in layers:
        _spread(layer, dict.fromkeys(layer, 0.0), x)
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 else layers[::-1]:
            wanted = {n: math.fsum(x[m] for m in joined[n]) / max(len(joined[n]), 1) for n in layer}
            if sweep < _SWEEPS // 2:
                layer.sort(key=wanted.get)
            _spread(layer, wanted, x)
    return x


def _spread(layer, wanted, x):
    """As near to the wanted places as the widths allow, in the order of the layer."""
    groups = []  # [sum of places wanted for the first node, nodes, width so far]
    for node in layer:
        width = width_of(node) + _GAP
        groups.append([wanted[node] - width / 2, [node], width])
        while len(groups) > 1:
            (s, nodes, size), (t, more, extra) = groups[-2:]
            if s / len(nodes) + size <= t / len(more):
                break
            groups[-2:] = [[s + t - size * len(more), nodes + more, size + extra]]
    for total, nodes, _ in groups:
        left = total / len(nodes)
        for node in nodes:
            width = width_of(node) + _GAP
            x[node] = left + width / 2
            left += width


def drawn():
    """The picture as text."""
    layers, links, paths = layers_and_links(arrows())
    x = placed(layers, links)
    least = min(x[n] - width_of(n) / 2 for layer in layers for n in layer) - _MARGIN
    most = max(x[n] + width_of(n) / 2 for layer in layers for n in layer) + _MARGIN
    total = 2 * _MARGIN + _BOX[1] + (len(layers) - 1) * _FLOOR_HEIGHT
    middle = {
        n: total - _MARGIN - _BOX[1] / 2 - k * _FLOOR_HEIGHT
        for k, la in enumerate(layers)
        for n in la
    }
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{most - least:.0f}" height="{total}" '
        f'viewBox="{least:.0f} 0 {most - least:.0f} {total}" font-family="sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#456"/></marker></defs>',
        f'<rect x="{least:.0f}" width="{most - least:.0f}" height="{total}" fill="white"/>',
    ]
    outgoing, incoming = _ends(paths, x, 0), _ends(paths, x, -1)
    for pair, path in paths.items():
        (a, b), half = pair, _BOX[1] / 2
        points = [(outgoing[pair], middle[a] + half)]
        for node in path[1:-1]:
            points += [(x[node], middle[node] - half), (x[node], middle[node] + half)]
        points.append((incoming[pair], middle[b] - half))
        out.append(_curve(points))
    for room, tells in TELLS.items():
        left, top = x[room] - _BOX[0] / 2, middle[room] - _BOX[1] / 2
        out.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{_BOX[0]}" height="{_BOX[1]}" rx="5" '
            'fill="#eef3f8" stroke="#456"/>'
        )
        for text, y, style in (
            (room, -4, 'font-size="15" font-weight="bold"'),
            (tells, 14, 'font-size="12" fill="#456"'),
        ):
            out.append(
                f'<text x="{x[room]:.1f}" y="{middle[room] + y:.1f}" text-anchor="middle" {style}>'
                f"{escape(text)}</text>"
            )
    return "\n".join([*out, "</svg>", ""])


def _ends(paths, x, end):
    """Where arrows touch a box, side by side in the order of where they come from or go to."""
    step = 1 if end == 0 else -2
    found = {}
    for room in TELLS:
        here = sorted(
            (pair for pair in paths if pair[end] == room), key=lambda p: x[paths[p][step]]
        )
        for k, pair in enumerate(here):
            found[pair] = x[room] + (k - (len(here) - 1) / 2) * min(22, _BOX[0] / (len(here) + 1))
    return found


def _curve(points):
    """A line that is upright at each floor."""
    (x, y), *rest = points
    text = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in rest:
        bend = (to_y - y) / 2
        text += f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    return f'<path d="{text}" fill="none" stroke="#456" stroke-width="1.2" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    PICTURE.write_text(drawn())
