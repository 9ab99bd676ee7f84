"""Counting tests by what the test runners print.

Owns: the formats of libtest and unittest. Never: running anything.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """Tests that passed and failed."""

    passed: int = 0
    failed: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.passed + other.passed, self.failed + other.failed)


def of_output(output: str, ended_well: bool) -> Tally:
    """What a step's output says. A step without tests counts as one; a failure never counts as none."""
    output = _plain(output)
    counted = _libtest(output) + of_unittest(output)
    if counted == Tally():
        counted = Tally(int(ended_well), 0)
    if not ended_well and counted.failed == 0:
        counted += Tally(0, 1)
    return counted


def failures(output: str) -> list[str]:
    """The tests that failed, by the names their runner gives them."""
    found = re.findall(r"^(?:test (\S+) \.\.\. FAILED|(?:FAIL|ERROR): (.+))$", _plain(output), re.MULTILINE)
    return [rust or python for rust, python in found]


def of_unittest(output: str) -> Tally:
    """What unittest's own lines say. A class whose lab could not be set up is one error that stands for tests that did not run."""
    total = Tally()
    for ran, end in re.findall(r"^Ran (\d+) tests? in .*\n\n(OK.*|FAILED.*)$", output, re.MULTILINE):
        bad = sum(int(n) for n in re.findall(r"(?:failures|errors|unexpected successes)=(\d+)", end))
        skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", end))
        total += Tally(max(0, int(ran) - bad - skipped), bad)
    return total


def _plain(output: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", output)


def _libtest(output: str) -> Tally:
    found = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed;", output, re.MULTILINE)
    return sum((Tally(int(passed), int(failed)) for passed, failed in found), Tally())
