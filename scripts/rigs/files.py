"""The source files that a frame crosses on every path, and the table of them in ARCHITECTURE.md.

Owns: that table, and the limits it is held to. A file counts if callgrind counts instructions in it, inlined ones included, whose
number grows with the number of frames: the worker's loop runs equally often with bursts of two lengths, and the fixed cost of an
iteration cancels out. The order is that in which a debugger, stepping through one iteration with one frame, first reaches them.
"""

import re
import subprocess
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY

from . import pages

PAGE = REPOSITORY / "ARCHITECTURE.md"
SECTION = "files"
#: Files a frame's way may cross.
WITHOUT_FLOW, WITH_FLOW = 9, 14
FLOWLESS = ("service_udp_in", "service_udp_out", "excluded")

_CONVERSATIONS = 1_000
_ITERATIONS = 100
_BURST = 64
#: Instructions a frame below which a file is only passed by now and then: less than one, which some count with an odd one missing.
_LEAST = 0.75
_STEPS = """
import gdb
gdb.execute("set pagination off")
gdb.execute("set debuginfod enabled off")
gdb.Breakpoint("SYMBOL", temporary=True)
gdb.execute("run", to_string=True)
frame = gdb.newest_frame()
while frame.type() == gdb.INLINE_FRAME:
    frame = frame.older()
until = frame.older().pc()
met = {}
while (at := gdb.newest_frame().pc()) != until:
    table = gdb.find_pc_line(at).symtab
    if table:
        met.setdefault(table.filename)
    gdb.execute("stepi", to_string=True)
print("\\n".join(f"met {name}" for name in met))
gdb.execute("kill", to_string=True)
"""


def crossed(program: Path, paths: list[str]) -> dict[str, list[str]]:
    """By path: the files below src/ that a frame's way crosses, in order."""
    with ThreadPoolExecutor(2) as pool:
        full = {path: pool.submit(_profile, program, path, _BURST) for path in paths}
        half = {path: pool.submit(_profile, program, path, _BURST // 2) for path in paths}
        order = {path: pool.submit(_order, program, path) for path in paths}
        found = {path: in_order(grown(full[path].result(), half[path].result()), order[path].result()) for path in paths}
    refuse_a_stranger(program, found)
    return found


def refuse_a_stranger(program: Path, found: dict[str, list[str]]) -> None:
    """A path that crosses none of our files is of a program that was built from another tree.

    Raises:
        LabError: There is such a path.
    """
    if nowhere := [path for path, files in found.items() if not files]:
        raise LabError(f"no file below {REPOSITORY}/src is crossed on {', '.join(nowhere)}: {program} was built from another tree, "
                       "or without debug information; build it here, or leave --program out")


def grown(full: Counter[str], half: Counter[str]) -> set[str]:
    """The files whose instructions grow with the number of frames."""
    frames = _ITERATIONS * _BURST / 2
    return {file for file in full if (full[file] - half[file]) / frames >= _LEAST}


def in_order(files: set[str], order: list[str]) -> list[str]:
    """Those files as they are met; those met only in longer bursts come last."""
    return [file for file in dict.fromkeys(order) if file in files] + sorted(files - set(order))


def by_file(profile: str, root: Path = REPOSITORY) -> Counter[str]:
    """Instructions by file below src/, from a callgrind profile with neither names nor positions compressed.

    `fl=` names the file of a function, `fi=` and `fe=` the file of lines inlined into it and the way back. The line after `calls=`
    is what the callee took, which its own lines say again.
    """
    counts: Counter[str] = Counter()
    file, callee = None, False
    for line in profile.splitlines():
        if line.startswith(("fl=", "fi=", "fe=")):
            file = ours(line[3:], root)
        elif line.startswith("calls="):
            callee = True
        elif line[:1].isdigit():
            if file and not callee:
                counts[file] += int(line.split()[1])
            callee = False
    return counts


def ours(name: str, root: Path = REPOSITORY) -> str | None:
    """A file's path below src/, if it is ours: debug information has it relative to the repository or absolute."""
    found = re.fullmatch(rf"(?:{re.escape(str(root))}/)?src/(.+\.rs)", name)
    return found[1] if found else None


def table(found: dict[str, list[str]]) -> str:
    """The table of ARCHITECTURE.md: paths that cross the same files share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for path, files in found.items():
        rows.setdefault(tuple(files), []).append(f"`{path}`")
    cells = [[", ".join(paths), str(len(files)), ", ".join(f"`{file}`" for file in files)] for files, paths in rows.items()]
    return pages.table(["path", "files", "in the order a frame meets them, below `src/`"], cells)


def too_long(found: dict[str, list[str]]) -> list[str]:
    """Paths that cross more files than they should, one sentence each."""
    return [f"{path}: crosses {len(files)} files; at most {most} are allowed" for path, files in found.items()
            if len(files) > (most := WITHOUT_FLOW if path in FLOWLESS else WITH_FLOW)]


def stale(found: dict[str, list[str]], page: str) -> list[str]:
    """Whether the table of a page is not what was counted, as a sentence."""
    if pages.replaced(page, SECTION, table(found)) == page:
        return []
    return [f"{PAGE.name}: its table of files is stale; `scripts/instructions --files --write` updates it"]


def _profile(program: Path, path: str, burst: int) -> Counter[str]:
    with tempfile.NamedTemporaryFile(prefix="callgrind-") as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", "--compress-strings=no", "--compress-pos=no",
                   *_command(program, path, _ITERATIONS, burst)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise LabError(f"valgrind did not count {path}: {run.stderr.strip().splitlines()[-1:]}")
        return by_file(Path(out.name).read_text())


def _command(program: Path, path: str, iterations: int, burst: int) -> list[str]:
    return [str(program), path, str(_CONVERSATIONS), str(iterations), str(burst)]


def _order(program: Path, path: str) -> list[str]:
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=False).stdout
    if not (symbol := re.search(r"\S*4pace4once\S*", symbols)):
        raise LabError(f"{program} has no symbol `pace::once`")
    with tempfile.NamedTemporaryFile("w", suffix=".py", prefix="steps-") as steps:
        steps.write(_STEPS.replace("SYMBOL", symbol[0]))
        steps.flush()
        command = ["gdb", "-nx", "-batch", "-x", steps.name, "--args", *_command(program, path, 1, 1)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    names = [line[4:] for line in run.stdout.splitlines() if line.startswith("met ")]
    if not names:
        raise LabError(f"gdb did not step through {path}: {run.stderr.strip().splitlines()[-1:]}")
    return [file for name in names if (file := ours(name))]
