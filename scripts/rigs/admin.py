"""Requests to the appliance over its admin socket, without starting a process for each.

Owns: the protocol's lines, one connection. Never: what the answers should be.
"""

import json
import socket
from pathlib import Path
from typing import Any

from lab.shell import LabError


class Admin:
    """One connection. Requests are answered in order."""

    def __init__(self, path: Path, patience: float = 30.0):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(patience)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._asked = 0

    def ask(self, command: str, **args: Any) -> Any:
        """The data of the answer, rows of a multi-part one joined. `command` as in `pool-force`."""
        self._asked += 1
        question = json.dumps({"id": self._asked, "command": command, "args": args})
        rows: list | None = None
        try:
            self._socket.sendall(question.encode() + b"\n")
            while True:
                answer = json.loads(self._lines.readline() or b"null")
                if answer is None:
                    raise LabError(f"Fairlead closed its admin socket before answering `{command}`")
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
        """Closes the connection."""
        self._lines.close()
        self._socket.close()
