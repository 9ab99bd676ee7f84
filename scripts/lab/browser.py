"""Chromium without a screen, and what it shows.

Owns: its process, and the way to ask it: the Chrome DevTools Protocol over a pipe, so that nobody else can. Never: what a page should be.
"""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .shell import LabError

PROGRAM = "chromium"
#: As root it has no sandbox; what it loads here is ours.
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
           "--disable-component-update", "--disable-extensions", "--mute-audio", "--remote-debugging-pipe"]
#: At most this long until it has done something, in seconds.
PATIENCE = 60.0
#: File descriptors from here on are nobody's.
_FREE = 200

#: What is wrong with how a page is laid out, as texts.
FAULTS = r"""
(() => {
  const faults = [], boxes = [], wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) faults.push(`it is ${document.documentElement.scrollWidth} pixels wide, not ${wide}`);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("script, style, noscript, title")) continue;
    if (!parent.checkVisibility({ visibilityProperty: true })) continue;
    // What is for screen readers alone is cut away.
    if (parent.closest(".skip, .hide") || getComputedStyle(parent.closest("thead, body")).clipPath !== "none") continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      const text = node.data.trim().slice(0, 40);
      if (box.width < 1 || box.height < 1) continue;
      if (box.left < -1 || box.right > wide + 1) faults.push(`"${text}" is from ${box.left} to ${box.right}`);
      const canvas = parent.closest("svg")?.getBoundingClientRect();
      if (canvas && (box.left < canvas.left - 1 || box.right > canvas.right + 1)) faults.push(`"${text}" is cut off by its plot`);
      boxes.push({ text, box });
    }
  }
  boxes.sort((one, other) => one.box.top - other.box.top);
  boxes.forEach(({ text, box }, at) => {
    for (const other of boxes.slice(at + 1)) {
      if (other.box.top >= box.bottom) break;
      const over = [Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left),
        Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top)];
      if (over[0] > 2 && over[1] > 3) faults.push(`"${text}" and "${other.text}" lie over each other by ${over.map(Math.round)}`);
    }
  });
  for (const element of document.querySelectorAll("body *")) {
    const clips = !["visible", "clip"].includes(getComputedStyle(element).overflowX) && getComputedStyle(element).clipPath === "none";
    if (clips && element.scrollWidth > element.clientWidth + 1) faults.push(`${element.tagName}.${element.className} hides a part of it`);
  }
  // As WCAG 2.2 has it, 1.4.3.
  const shade = (text) => {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.fillStyle = text;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const seen = new Set();
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".skip, noscript, script, style")) continue;
    let ground = [0, 0, 0, 0];
    for (let at = element; at && ground[3] === 0; at = at.parentElement) ground = shade(getComputedStyle(at).backgroundColor);
    const ink = getComputedStyle(element).color, lights = [light(shade(ink).slice(0, 3)), light(ground.slice(0, 3))].sort((a, b) => b - a);
    const contrast = (lights[0] + 0.05) / (lights[1] + 0.05), what = `${ink} on ${ground}`;
    if (contrast < 4.5 && !seen.has(what)) faults.push(`"${element.textContent.slice(0, 30)}": ${what} has a contrast of ${contrast.toFixed(2)}`);
    seen.add(what);
  }
  return faults;
})()
"""


class Browser:
    """A context manager: it runs inside the block. `inside`: what the command is put behind, such as to run in a namespace."""

    def __init__(self, directory: Path, inside: Sequence[str] = ()):
        self.directory = directory
        self._inside = list(inside)
        self._process: subprocess.Popen | None = None
        self._numbers = 0
        self._heard = b""
        #: What it has reported by itself.
        self._events: list[dict] = []

    def __enter__(self) -> "Browser":
        ours, theirs = zip(*(self._pipe(ends) for ends in ((1, 0), (0, 1))), strict=True)
        (self._to, self._from), (read, write) = ours, theirs
        command = [*self._inside, "bash", "-c", f'exec "$@" 3<&{read} 4>&{write}', "browser",
                   PROGRAM, *OPTIONS, f"--user-data-dir={self.directory / 'browser'}"]
        with (self.directory / "browser.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=theirs, cwd=self.directory)
        for end in theirs:
            os.close(end)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.ask("Browser.close")
            self._process.wait(10.0)
        except (LabError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        for end in (self._to, self._from):
            os.close(end)

    def page(self, width: int, dark: bool = False, height: int = 900) -> "Page":
        """An empty page of that width, in pixels, for somebody who prefers dark colours or light ones."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            page.ask(f"{domain}.enable")
        page.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        return page

    def ask(self, method: str, session: str | None = None, **parameters) -> dict:
        """The answer to a command."""
        self._numbers += 1
        asked = {"id": self._numbers, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            said = self._next(deadline, method)
            if said.get("id") != self._numbers:
                self._events.append(said)
            elif "error" in said:
                raise LabError(f"{PROGRAM} refuses {method}: {said['error']['message']}")
            else:
                return said["result"]

    def reported(self, session: str, *methods: str) -> list[dict]:
        """What it has reported of a page so far."""
        return [said["params"] for said in self._events if said.get("sessionId") == session and said.get("method") in methods]

    def _next(self, deadline: float, what: str) -> dict:
        while b"\0" not in self._heard:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._from], [], [], left)[0]:
                raise LabError(f"{PROGRAM} has not answered {what} within {PATIENCE:g} s; see {self.directory / 'browser.log'}")
            more = os.read(self._from, 1 << 20)
            if not more:
                raise LabError(f"{PROGRAM} has ended; see {self.directory / 'browser.log'}")
            self._heard += more
        said, _, self._heard = self._heard.partition(b"\0")
        return json.loads(said)

    @staticmethod
    def _pipe(order: tuple[int, int]) -> tuple[int, int]:
        """Our end and the other one, which is given away under a number that is free there."""
        ends = os.pipe()
        ours, theirs = ends[order[0]], fcntl.fcntl(ends[order[1]], fcntl.F_DUPFD, _FREE)
        os.close(ends[order[1]])
        return ours, theirs


class Page:
    """A page of a browser."""

    def __init__(self, browser: Browser, session: str, target: str):
        self._browser, self._session, self._target = browser, session, target

    def ask(self, method: str, **parameters) -> dict:
        """The answer to a command about this page."""
        return self._browser.ask(method, self._session, **parameters)

    def open(self, address: str) -> None:
        """Goes there."""
        failed = self.ask("Page.navigate", url=address).get("errorText")
        if failed:
            raise LabError(f"{PROGRAM} cannot open {address}: {failed}")

    def run(self, script: str):
        """What an expression of JavaScript is."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise LabError(f"the script failed: {done['exceptionDetails'].get('exception', {}).get('description', done['exceptionDetails'])}")
        return done["result"].get("value")

    def wait_for(self, script: str, patience: float = PATIENCE):
        """Waits until an expression is true, and returns it."""
        deadline = time.monotonic() + patience
        while not (found := self.run(script)):
            if time.monotonic() > deadline:
                raise LabError(f"not within {patience:g} s: {script}")
            time.sleep(0.1)
        return found

    def text(self) -> str:
        """What can be read on it."""
        return self.run("document.body.innerText")

    def press(self, key: str) -> None:
        """A key is pressed and released."""
        for kind in ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def faults(self) -> list[str]:
        """What is wrong with how it is laid out, and with its colours."""
        return self.run(FAULTS)

    def complaints(self) -> list[str]:
        """What the browser has complained about: errors and warnings of scripts, of the network, and of what the page may not do."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(one) for one in self._browser.reported(self._session, *kinds)]

    def asked_for(self) -> list[str]:
        """The addresses it has asked for."""
        return [one["request"]["url"] for one in self._browser.reported(self._session, "Network.requestWillBeSent")]

    def named(self, role: str) -> list[str]:
        """The names of all that has this role for somebody who does not see it."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == role and not node["ignored"]]

    def picture(self, file: Path) -> None:
        """A picture of all of it."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        """It is gone."""
        self._browser.ask("Target.closeTarget", targetId=self._target)
