"""A plot as SVG: a few points and lines, legible in a README.

Owns: the drawing. Never: where figures come from.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 72, 56
_COLOURS = ("#0b62a4", "#c4511d", "#3a7d34", "#6d4b9a")
_FONT = 'font-family="DejaVu Sans, Helvetica, Arial, sans-serif"'


@dataclass(frozen=True)
class Series:
    """One line: its name, and its values from left to right."""

    name: str
    values: list[float]


@dataclass(frozen=True)
class Plot:
    """Values in millions of frames per second over named categories at equal distances."""

    title: str
    across: str
    places: list[str]
    series: list[Series]
    up: str = "millions of frames per second"

    def svg(self, below: str = "") -> str:
        """The whole file. `below` is a line of small print: machine and date."""
        top = _round_up(max(value for series in self.series for value in series.values))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
            f'viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT} font-size="12" fill="#222">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            _text(_LEFT, 24, self.title, 'font-size="15" font-weight="bold"'),
            *self._legend(),
            *self._grid(top),
            *(line for number in range(len(self.series)) for line in self._line(number, top)),
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 22, self.across, 'text-anchor="middle"'),
            _text(_WIDTH / 2, _HEIGHT - 6, below, 'text-anchor="middle" font-size="8" fill="#666"'),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _legend(self) -> list[str]:
        parts, x = [], _LEFT
        for number, series in enumerate(self.series):
            colour = _COLOURS[number % len(_COLOURS)]
            parts += [f'<rect x="{x}" y="38" width="14" height="4" fill="{colour}"/>', _text(x + 20, 44, series.name)]
            x += 44 + 7 * len(series.name)
        return parts

    def _grid(self, top: float) -> list[str]:
        parts = [_text(_LEFT, _TOP - 10, self.up, 'font-size="10" fill="#666"')]
        for step in range(5):
            value = top * step / 4
            y = _y(value, top)
            parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
            parts.append(_text(_LEFT - 8, y + 4, f"{value:g}", 'text-anchor="end"'))
        for number, place in enumerate(self.places):
            parts.append(_text(self._x(number), _HEIGHT - _BOTTOM + 16, place, 'text-anchor="middle"'))
        return parts

    def _line(self, number: int, top: float) -> list[str]:
        colour, values = _COLOURS[number % len(_COLOURS)], self.series[number].values
        points = [(self._x(at), _y(value, top)) for at, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
        for at, ((x, y), value) in enumerate(zip(points, values)):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
            # A white outline keeps the digits legible over lines.
            look = f'text-anchor="middle" font-size="11" fill="{colour}" stroke="#fff" stroke-width="3" paint-order="stroke"'
            parts.append(_text(x, y + self._beside(number, value, at, top), f"{value:.1f}", look))
        return parts

    def _beside(self, number: int, value: float, at: int, top: float) -> float:
        """Offset of a point's label: above it, or below if another point is close above."""
        others = [series.values[at] for other, series in enumerate(self.series) if other != number]
        crowded = any(0 <= _y(value, top) - _y(above, top) < 26 for above in others)
        return 14 if crowded and _y(value, top) < _HEIGHT - _BOTTOM - 12 else -8

    def _x(self, number: int) -> float:
        """Half a step of margin on either side."""
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (number + 0.5) / len(self.places)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top


def _round_up(value: float) -> float:
    """The next number that divides evenly by four."""
    scale = 1.0
    while scale * 40 < value:
        scale *= 10
    while scale * 4 > max(value, 1e-9):
        scale /= 10
    return next(scale * step for step in (4, 8, 12, 16, 20, 24, 28, 32, 36, 40) if scale * step >= value)


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
