"""Questions to the appliance over its admin socket, without a process for each.

Owns: the lines of the protocol, one connection. Never: what the answers should be.
"""

import json
import socket
from pathlib import Path
from typing import Any

from lab.shell import LabError


class Admin:
    """One connection. Questions are answered in order."""

    def __init__(self, path: Path, patience: float = 30.0):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._asked = 0

    def ask(self, command: str, **args: Any) -> Any:
        """The data of the answer; rows of a long one together. `command` as `pool-force`."""
        self._asked += 1
        question = json.dumps({"id": self._asked, "command": command, "args": args})
        rows: list | None = None
        try:
            self._socket.sendall(question.encode() + b"\n")
            while True:
                answer = json.loads(self._lines.readline() or b"null")
                if answer is None:
                    raise LabError(f"Fairlead closed its admin socket before it answered `{command}`")
                if not answer["ok"]:
                    raise LabError(f"Fairlead refused `{command}`: {answer['error']['message']}")
                if rows is None and not answer.get("more"):
                    return answer["data"]
                rows = (rows or []) + answer["data"]
                if not answer.get("more"):
                    return rows
        except OSError as error:
            raise LabError(f"Fairlead did not answer `{command}`: {error}") from error

    def close(self) -> None:
        """Ends the connection."""
        self._lines.close()
        self._socket.close()
