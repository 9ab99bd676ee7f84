"""The checks, those that find most in least time first.

Owns: the command line of each. Never: running or counting them.
"""

import sys
from dataclasses import dataclass, field

from lab.toolchain import REPOSITORY, cargo

DISCOVER = "-m unittest discover -v -s"

#: For what is compiled to be run once: line numbers of backtraces are a quarter of the work, and what a next build would take over is more.
ONCE = ["--config", "profile.dev.debug=false", "--config", "profile.dev.incremental=false"]
WITHOUT_DPDK = ["--no-default-features", "--features", "instructions"]
STRICT = ["--locked", "--", "-D", "warnings"]

#: Frames that the long seeded run compares with its model.
SEEDED_FRAMES = 10_000_000
#: Seeds of the long simulation.
SIMULATION_SEEDS = 100
#: How long each coverage-guided search goes on.
FUZZ_SECONDS = 120

#: What is searched, by the module of `tests/fuzz` that holds it.
FUZZED = {
    "wire": "any_bytes",
    "engine": "any_script",
    "config": "any_bytes",
    "admin": "any_bytes",
    "sip": "any_bytes",
    "captures": "any_bytes",
}


@dataclass(frozen=True)
class Step:
    """One command. `needs_root`: unless run as root, the step fails with an explanation instead of being skipped.

    `is_long`: runs with `--long` only. `goes_beside`: it may run beside all steps before it, as it builds elsewhere.
    """

    name: str
    command: list[str]
    needs_root: bool = False
    is_long: bool = False
    goes_beside: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def all_steps() -> list[Step]:
    """Every step, those of `--long` last; the names are what `--only` takes."""
    return [*_short_steps(), *_long_steps()]


def _short_steps() -> list[Step]:
    differing = ["--lib", "--bins", "--test", "programs"]
    programs = [word for name in ("fairlead", "instructions", "pace") for word in ("--bin", name)]
    lab = {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"}
    return [
        Step("format", cargo("fmt", "--all", "--check")),
        Step("clippy", cargo("clippy", *ONCE, "--workspace", "--all-targets", *STRICT)),
        # What is another source then. `--long` reads everything again.
        Step("clippy-without-dpdk", cargo("clippy", *ONCE, *WITHOUT_DPDK, *differing, *STRICT)),
        # A process for each binary, not for each test: starting DPDK takes a third of a second, and a thousand rows share one.
        Step("rust", cargo("test", *ONCE, "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests")),
        Step("documentation", cargo("test", *ONCE, "--workspace", "--locked", "--doc")),
        # What the steps after it run; clippy reads the other programs of benches/. Much of it takes one core, as much of theirs does.
        Step("build", cargo("build", "--release", "--locked", "--features", "instructions", *programs), goes_beside=True),
        Step("instructions", [sys.executable, "-m", "rigs.instructions", "--program", "target/release/instructions"]),
        Step("files", [sys.executable, "-m", "rigs.instructions", "--files", "--program", "target/release/instructions"]),
        Step("lab", [sys.executable, "-m", "suite.side_by_side", "tests/lab"], needs_root=True, environment=lab),
    ]


def _long_steps() -> list[Step]:
    seeded = ["--release", "--locked", "--no-default-features", "--test"]
    frames = {"FAIRLEAD_FRAMES": str(SEEDED_FRAMES)}
    seeds = {"SIMULATION_SEEDS": str(SIMULATION_SEEDS)}
    lab = {"PYTHONPATH": f"{REPOSITORY / 'scripts'}:{REPOSITORY / 'tests/lab'}", "PYTHONDONTWRITEBYTECODE": "1"}
    searches = [
        Step(f"fuzz-{module}", ["tests/fuzz/search", module, test, str(FUZZ_SECONDS)], is_long=True)
        for module, test in FUZZED.items()
    ]
    return [
        Step("clippy-all-without-dpdk", cargo("clippy", *ONCE, *WITHOUT_DPDK, "--all-targets", *STRICT), is_long=True),
        Step("rust-without-dpdk", cargo("test", *ONCE, "--locked", "--no-default-features", "--lib", "--bins"), is_long=True),
        Step("seeded", cargo("test", *seeded, "seeded", "--", "--nocapture"), is_long=True, environment=frames),
        Step("simulation", cargo("test", *seeded, "simulation"), is_long=True, environment=seeds),
        Step("handover", cargo("test", *seeded, "handover", "--", "--ignored", "--nocapture"), is_long=True),
        Step("sync", cargo("test", *seeded, "sync", "--", "--ignored", "--nocapture"), is_long=True),
        *searches,
        Step("lab-long", [sys.executable, *DISCOVER.split(), "tests/lab/long"], needs_root=True, is_long=True, environment=lab),
        Step("dpdk-releases", ["scripts/dpdk-releases"], needs_root=True, is_long=True),
        Step("packages", ["scripts/packages"], needs_root=True, is_long=True),
        Step("vm", ["scripts/vm"], needs_root=True, is_long=True),
    ]
