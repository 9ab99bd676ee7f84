"""Another revision of this repository beside the working tree: checked out, built, and asked for its programs.

Owns: `benches/baseline`, and the git work trees under target/against. Never: what is measured.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab.shell import LabError
from lab.toolchain import REPOSITORY, cargo

from . import build

BASELINE = REPOSITORY / "benches" / "baseline"
TREES = REPOSITORY / "target" / "against"
#: The driver of the engine's bench. A revision that does not have it gets a copy as an example, which cargo finds by itself.
_PACE = Path("benches/pace.rs")
_COPY = Path("examples/pace.rs")


@dataclass(frozen=True)
class Revision:
    """A source tree: its name, its place, and its commit."""

    name: str
    root: Path
    commit: str

    def fairlead(self) -> Path:
        """Builds the appliance as it is shipped, and beside it the program that `scripts/instructions` counts."""
        return build.release(self.root, "instructions")

    def instructions(self) -> Path:
        """The program that `scripts/instructions` counts, built with the appliance."""
        return self.fairlead().with_name("instructions")

    def pace(self) -> Path:
        """Builds the driver of the engine's bench."""
        if (self.root / _PACE).exists():
            return self._built("target/release/pace", "--features", "instructions", "--bin", "pace")
        text, copy = (REPOSITORY / _PACE).read_text(), self.root / _COPY
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists() or copy.read_text() != text:
            copy.write_text(text)
        return self._built("target/release/examples/pace", "--example", "pace")

    def _built(self, program: str, *words: str) -> Path:
        common = ("build", "--release", "--locked", "--target-dir", str(self.root / "target"), "--no-default-features")
        if subprocess.run(cargo(*common, *words), cwd=self.root, stdout=sys.stderr, check=False).returncode:
            raise LabError(f"benches/pace.rs does not build in {self.name}; cargo says why above")
        return self.root / program


def baseline() -> str:
    """The revision that `benches/baseline` names."""
    try:
        return BASELINE.read_text().split()[0]
    except (OSError, IndexError) as error:
        raise LabError(f"{BASELINE} does not begin with a revision: name one on the command line") from error


def working_tree() -> Revision:
    """This tree as it is, uncommitted changes included."""
    if not (REPOSITORY / ".git").exists():
        raise LabError("this tree is not a git clone, so it holds no other revision to compare with")
    commit = _git("rev-parse", "HEAD")
    changed = ", with changes" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return Revision(f"{commit[:7]}{changed}", REPOSITORY, commit)


def checked_out(name: str) -> Revision:
    """A work tree of that revision; an existing one is reused."""
    commit = _resolved(name)
    root = TREES / commit[:12]
    if not _is_clean(root, commit):
        _remove(root)
        print(f"bench: checking out {commit[:7]} under {root.relative_to(REPOSITORY)}", file=sys.stderr, flush=True)
        _git("worktree", "add", "--force", "--detach", str(root), commit)
    return Revision(commit[:7], root, commit)


def clean() -> int:
    """Removes all work trees and what was built in them; returns how many there were."""
    roots = [root for root in sorted(TREES.iterdir()) if root.is_dir()] if TREES.is_dir() else []
    for root in roots:
        _remove(root)
    shutil.rmtree(TREES, ignore_errors=True)
    return len(roots)


def _resolved(name: str) -> str:
    with contextlib.suppress(LabError):
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if _git("rev-parse", "--is-shallow-repository") == "true":
        raise LabError(f"revision {name} is not in this clone, which is shallow: `git fetch --unshallow` completes it")
    raise LabError(f"there is no revision {name} in this repository; if it is on a remote, `git fetch` it first")


def _is_clean(root: Path, commit: str) -> bool:
    """The tree is that commit, and no file of it was changed."""
    try:
        return (root / ".git").exists() and _git("rev-parse", "HEAD", at=root) == commit and not _git(
            "status", "--porcelain", "--untracked-files=no", at=root)
    except LabError:
        return False


def _remove(root: Path) -> None:
    if root.exists():
        with contextlib.suppress(LabError):
            _git("worktree", "remove", "--force", "--force", str(root))
        shutil.rmtree(root, ignore_errors=True)
    _git("worktree", "prune")


def _git(*words: str, at: Path = REPOSITORY) -> str:
    """What git prints. Under sudo it runs as the caller, who owns the repository and must own the tree."""
    user = os.environ.get("SUDO_USER", "")
    prefix = ["sudo", "-u", user] if user and os.geteuid() == 0 else []
    try:
        done = subprocess.run([*prefix, "git", "-C", str(at), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError("`git` is not installed: run scripts/setup") from error
    if done.returncode:
        raise LabError(f"git {words[0]}: {done.stderr.strip() or 'failed without a word'}")
    return done.stdout.strip()
