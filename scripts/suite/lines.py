"""How much source the product has: lines of Rust that are neither blank nor comment and not there for tests alone.

For tests alone are items under #[cfg(test)] or the feature `testbench`, the files of modules declared so, `tests.rs`
and what lies in `tests/`. Counted are the appliance (`src`) and its bindings (`dpdk-sys`). With a revision, the same of
that revision stands beside it.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from pathlib import PurePosixPath

from lab.toolchain import REPOSITORY

ROOTS = ("src", "dpdk-sys")

# What a brace or a comment sign may hide in: raw strings, strings, character literals (not lifetimes), comments.
_HIDES = re.compile(
    r'b?r(?P<hashes>\#*)".*?"(?P=hashes)|b?"(?:\\.|[^"\\])*"|b?\'(?:\\(?:x[0-9a-f]{2}|u\{[^}]*\}|.)|[^\'\\\n])\''
    r"|(?P<comment>//[^\n]*|/\*.*?\*/)",
    re.DOTALL,
)
_FOR_TESTS = re.compile(r"#\[cfg\(test\)\]")
_MODULE = re.compile(r"\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([a-z]+\))?\s+)?mod\s+(\w+)\s*;")


def code_of(text: str) -> tuple[int, set[str]]:
    """The lines of a file that count, and the modules it declares for tests alone."""
    plain = _HIDES.sub(_masked, text.replace('#[cfg(feature = "testbench")]', "#[cfg(test)]"))
    modules = set()
    for match in reversed(list(_FOR_TESTS.finditer(plain))):
        declared = _MODULE.match(plain, match.end())
        if declared:
            modules.add(declared[1])
        end = _end_of_item(plain, match.end())
        plain = plain[: match.start()] + "\n" + plain[end:]
    return sum(1 for line in plain.splitlines() if line.strip()), modules


def _masked(match: re.Match[str]) -> str:
    """The same lines without what is said in them: comments vanish, other texts are only text."""
    keep = " " if match["comment"] is not None else "x"
    return re.sub(r"[^\n]", keep, match[0])


def _end_of_item(plain: str, start: int) -> int:
    """Behind the `;` or the closing brace of the item that begins at `start`."""
    depth = 0
    for at in range(start, len(plain)):
        if plain[at] in "{([":
            depth += 1
        elif plain[at] in "})]":
            depth -= 1
            if depth == 0 and plain[at] == "}":
                rest = plain[at + 1 :].lstrip()
                return len(plain) - len(rest) + 1 if rest.startswith(";") else at + 1
        elif plain[at] == ";" and depth == 0:
            return at + 1
    return len(plain)


def count(files: dict[str, str]) -> Counter[str]:
    """Lines that count, by folder, of files given by path."""
    lines, tests = {}, set()
    for path, text in files.items():
        lines[path], modules = code_of(text)
        here = PurePosixPath(path)
        folder = here.parent if here.name in ("mod.rs", "lib.rs", "main.rs") else here.with_suffix("")
        tests |= {str(folder / module) for module in modules}
    folders: Counter[str] = Counter()
    for path, number in lines.items():
        place = PurePosixPath(path)
        parts = [str(PurePosixPath(*place.parts[:depth])) for depth in range(1, len(place.parts))]
        for_tests = "tests" in place.parts or place.name == "tests.rs" or str(place.with_suffix("")) in tests
        if not for_tests and not tests.intersection(parts):
            folders[_folder(place)] += number
    return folders


def _folder(place: PurePosixPath) -> str:
    return "/".join(place.parts[:2]).removesuffix(".rs") if place.parts[0] == "src" else place.parts[0]


def _in_tree() -> dict[str, str]:
    return {
        path.relative_to(REPOSITORY).as_posix(): path.read_text()
        for root in ROOTS
        for path in sorted((REPOSITORY / root).rglob("*.rs"))
        if "target" not in path.relative_to(REPOSITORY).parts
    }


def _in_revision(revision: str) -> dict[str, str]:
    listed = _git("ls-tree", "-r", "--name-only", revision, *ROOTS).splitlines()
    return {path: _git("show", f"{revision}:{path}") for path in listed if path.endswith(".rs")}


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"lines: git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def table(now: Counter[str], before: Counter[str] | None) -> str:
    """One line a folder and the sum; with `before`, also what it was and the difference."""
    rows = [(name, now[name], before[name] if before else 0) for name in sorted(now.keys() | (before or {}).keys())]
    rows.append(("in all", sum(now.values()), sum(before.values()) if before else 0))
    if before is None:
        return "\n".join(f"{name:<16}{lines:>8,}" for name, lines, _ in rows)
    return "\n".join(f"{name:<16}{was:>8,}{lines:>8,}{lines - was:>+8,}" for name, lines, was in rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/lines", description=__doc__)
    parser.add_argument("revision", nargs="?", help="what to compare with, such as a commit")
    revision = parser.parse_args().revision
    print(table(count(_in_tree()), count(_in_revision(revision)) if revision else None))


if __name__ == "__main__":
    main()
