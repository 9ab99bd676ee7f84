"""Long-lived TCP connections with regular numbered lines: T-clients, and members at the configuration server.

`python3 -m lab.lines listen ...` echoes what it is sent and logs each peer's address; `python3 -m lab.lines talk ...`
keeps one connection, never reconnects, and logs how long each line took to come back. The log says if the connection was
cut or lost a line.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

from .host import Program
from .topology import Lab

PAUSE = 0.05


class Listener:
    """The lab's handle on an echoing listener."""

    def __init__(self, lab: Lab, host: str, address: str, port: int):
        self._log = lab.file(f"listener-{host}.jsonl")
        self._program = _start(lab, host, f"listener-{host}", "listen", address, port, self._log)
        while not self._log.exists() and self._program.is_running():
            time.sleep(0.02)

    def peers(self) -> set[str]:
        """The address of every peer that ever connected."""
        return {json.loads(line)["peer"] for line in self._log.read_text().splitlines()}


class Talker:
    """The lab's handle on one long connection."""

    def __init__(self, lab: Lab, host: str, name: str, address: str, port: int):
        self.name = name
        self._log = lab.file(f"talker-{name}.json")
        self._program = _start(lab, host, f"talker-{name}", "talk", address, port, self._log)

    def state(self) -> dict:
        """Lines echoed so far, the longest wait for one in seconds, and whether the connection is still up."""
        try:
            return json.loads(self._log.read_text())
        except (OSError, ValueError):
            ended = "not connected yet" if self._program.is_running() else self._program.said()
            return {"echoed": 0, "longest": 0.0, "ended": ended}

    def stands(self) -> bool:
        """Whether it is connected and has not lost a line."""
        return not self.state()["ended"]


def _start(lab: Lab, host: str, name: str, do: str, address: str, port: int, log: Path) -> Program:
    return lab.start_python(host, name, "lab.lines", do, address, str(port), str(log))


async def listen(address: str, port: int, log: Path) -> None:
    """Echoes until it is killed."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with log.open("a") as lines:
            lines.write(json.dumps({"time": time.time(), "peer": writer.get_extra_info("peername")[0]}) + "\n")
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, address, port)
    log.touch()
    await server.serve_forever()


async def talk(address: str, port: int, log: Path) -> None:
    """Sends a line, waits for its echo and records it, over and over on one connection."""
    reader, writer = await asyncio.open_connection(address, port)
    echoed, longest, ended = 0, 0.0, ""
    while not ended:
        line = f"line {echoed}\n".encode()
        began = time.monotonic()
        try:
            writer.write(line)
            if await asyncio.wait_for(reader.readline(), 20.0) != line:
                ended = f"closed by the peer after line {echoed}"
        except (OSError, asyncio.TimeoutError) as error:
            ended = f"lost at line {echoed}: {type(error).__name__} {error}"
        longest = max(longest, time.monotonic() - began)
        echoed += not ended
        _write(log, {"echoed": echoed, "longest": longest, "ended": ended})
        await asyncio.sleep(PAUSE)


def _write(log: Path, state: dict) -> None:
    growing = log.with_suffix(".new")
    growing.write_text(json.dumps(state))
    growing.rename(log)


def main() -> None:
    """Parses the command line and listens or talks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=["listen", "talk"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("log", type=Path)
    options = parser.parse_args()
    what = listen if options.do == "listen" else talk
    asyncio.run(what(options.address, options.port, options.log))


if __name__ == "__main__":
    main()
