"""The file that nearly every test starts from, and files made of others by replacing texts.

Owns: where the fixture is. Never: what a lab or a rig changes in it.
"""

from pathlib import Path

from .shell import LabError
from .toolchain import REPOSITORY

FIXTURE = REPOSITORY / "tests/support/two-arm.toml"
#: What the fixture says, for those who replace it.
OUTER_DEVICE, INNER_DEVICE = "0000:3b:00.0", "0000:3b:00.1"
MANAGEMENT, WORKERS, TAG = "management = 0\n", "workers = [1]\n", "vlan = 120\n"
MONITOR = '"sip-options"'
LISTEN = 'listen = ["udp/5060", "tcp/5060", "tcp/5061"]\n'
MONITORS = 'monitors = ["sip-options"]\n'
LAST_MEMBER = '  { name = "sip-b", address = "10.20.0.12" },\n'
PROBE = 'kind = "sip"\ninterval = "500ms"\n'


def edited(file: Path, *edits: tuple[str, str]) -> str:
    """The text of a file with each first text replaced by the second, wherever it stands."""
    text = file.read_text()
    for was, becomes in edits:
        if was not in text:
            raise LabError(f"{file.relative_to(REPOSITORY)} no longer has `{was.strip()}`, which a script replaces")
        text = text.replace(was, becomes)
    return text
