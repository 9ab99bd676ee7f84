"""The latest figures, target by target: `benches/results.json`, from which the table of all targets is generated.

Owns: that file, and the wording of that table.
"""

import json
from pathlib import Path

from . import criterion, pages
from .measure import Figure
from .targets import TARGETS, Target


def merged(path: Path, figures: dict[str, Figure], machine: str) -> dict[str, dict]:
    """The file's rows with new figures in them."""
    rows = json.loads(path.read_text()) if path.exists() else {}
    for number, figure in figures.items():
        rows[number] = {"values": [round(value, 4) for value in figure.values], "machine": machine}
    return {target.number: rows[target.number] for target in TARGETS if target.number in rows}


def save(path: Path, rows: dict[str, dict]) -> None:
    """Writes the file, one target per line."""
    lines = ",\n".join(f'  "{number}": {json.dumps(row)}' for number, row in rows.items())
    path.write_text(f"{{\n{lines}\n}}\n")


def table(rows: dict[str, dict]) -> str:
    """All targets, the figures, and the commands."""
    cells = []
    for target in TARGETS:
        figure = _figure(target, rows)
        measured = "see the table of its command" if target.rig is None else "not yet"
        if figure:
            mark = "" if target.least is None and target.most is None else " ✔" if target.holds(figure.median) else " ✘"
            measured = f"{figure.text(target.digits)}{target.unit}{mark}"
        cells.append([target.number, target.what, target.aim, measured, f"`{target.how}`"])
    return "\n\n".join([pages.table(["", "what", "target", "measured", "command"], cells), *_measured_on(rows)])


def _measured_on(rows: dict[str, dict]) -> list[str]:
    """Where and when: one line per machine and day. The load shows how busy the cores were with other things."""
    machines: dict[str, list[str]] = {}
    for number, row in rows.items():
        machines.setdefault(row["machine"], []).append(number)
    return [f"{', '.join(numbers)}: {machine}." for machine, numbers in machines.items() if machine]


def _figure(target: Target, rows: dict[str, dict]) -> Figure | None:
    if target.criterion:
        nanoseconds = criterion.median(target.criterion)
        return None if nanoseconds is None else Figure((nanoseconds,))
    row = rows.get(target.number)
    return Figure(tuple(row["values"])) if row else None
