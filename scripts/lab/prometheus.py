"""A real Prometheus in the lab: it scrapes an appliance by the shipped file, evaluates the shipped rules, and is asked over its HTTP API.

Owns: its process, its files, its API. Never: which expressions are asked, and what the answers should be.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

from .host import Program
from .shell import LabError
from .topology import Lab
from .two_arm import edited

#: Where the appliance serves its metrics, as the shipped file has it, and where Prometheus listens.
TARGET = "127.0.0.1:9469"
LISTENS = "127.0.0.1:9090"
#: How often it scrapes here, in place of what the shipped file has, in seconds.
INTERVAL = 1
#: Asks for each path of a file, and prints what is answered.
ASK = """
import json, sys, urllib.error, urllib.request
answers = []
for path in json.load(open(sys.argv[2])):
    try:
        page = urllib.request.urlopen(f"http://{sys.argv[1]}{path}", timeout=20)
    except urllib.error.HTTPError as refused:
        page = refused
    answers.append(json.load(page))
print(json.dumps(answers))
"""


class Prometheus:
    """One on a host of the lab."""

    def __init__(self, lab: Lab, host: str, files: Path):
        self.lab = lab
        self.host = host
        self.files = files
        self.folder = lab.file("prometheus")
        self._program: Program | None = None

    def start(self) -> None:
        """Starts it on copies of the shipped files, which it reads each second, and waits until it serves."""
        self.folder.mkdir()
        shutil.copy(self.files / "alerts.yml", self.folder)
        often = [(f"{which}_interval: 15s", f"{which}_interval: {INTERVAL}s") for which in ("scrape", "evaluation")]
        file = self.folder / "prometheus.yml"
        # The time a scrape may take is no longer than the interval.
        file.write_text(edited(self.files / "prometheus.yml", *often, ("scrape_timeout: 10s", f"scrape_timeout: {INTERVAL}s")))
        storage = f"--storage.tsdb.path={self.folder / 'data'}"
        command = ["prometheus", f"--config.file={file}", storage, f"--web.listen-address={LISTENS}", "--log.level=warn"]
        self._program = self.lab.start(self.host, "prometheus", command)
        self._wait_until_it_serves()

    def queries(self, expressions: Iterable[str]) -> list[dict]:
        """What each expression is answered now."""
        return self.ask([f"/api/v1/query?{urlencode({'query': expression})}" for expression in expressions])

    def ask(self, paths: list[str]) -> list[dict]:
        """What each path is answered, errors included."""
        asked = self.folder / "asked.json"
        asked.write_text(json.dumps(paths))
        done = self.lab.host(self.host).run([sys.executable, "-c", ASK, LISTENS, str(asked)], 120.0)
        return json.loads(done.stdout)

    def said(self) -> str:
        """Its log so far."""
        return self._program.said() if self._program else ""

    def _wait_until_it_serves(self, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                [answer] = self.ask(["/api/v1/status/buildinfo"])
                if answer["status"] == "success":
                    return
            except LabError:
                pass
            if not self._program.is_running() or time.monotonic() > deadline:
                raise LabError(f"Prometheus does not serve. Its log ends:\n{self.said()[-2000:]}")
            time.sleep(0.2)
