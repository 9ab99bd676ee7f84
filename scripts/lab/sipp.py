"""Real SIP clients: SIPp, and stunnel for TLS (Debian builds SIPp without it).

Owns: the command lines, and the lab's handles on the clients. Never: what the numbers should be.
Read first: `rounds`, for calls over connections.
"""

import json
from pathlib import Path

from . import addresses
from .host import Program
from .rounds import Calls, Round, read_statistics
from .topology import Lab

SCENARIOS = Path(__file__).parent / "scenarios"
CALL = SCENARIOS / "call.xml"
TUNNEL_PORT = 15061


class Caller:
    """One SIPp that places calls over UDP, or answers them."""

    def __init__(self, name: str, program: Program, statistics: Path):
        self.name = name
        self.program = program
        self._statistics = statistics

    def calls(self) -> Calls:
        """The latest count; SIPp writes one per second and one when it exits."""
        return read_statistics(self._statistics)

    def finish(self, timeout: float) -> Calls:
        """Waits for all its calls and returns the final count."""
        self.program.wait(timeout)
        return self.calls()


class StreamCaller:
    """SIPps that place calls over TCP or TLS, a new SIPp each second."""

    def __init__(self, name: str, program: Program, log: Path):
        self.name = name
        self.program = program
        self._log = log

    def rounds(self) -> list[Round]:
        """The finished rounds, each with one second's calls."""
        return [Round(**json.loads(line)) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def calls(self) -> Calls:
        """The sum of the finished rounds. A call that did not complete has failed."""
        rounds = self.rounds()
        made, completed = sum(r.made for r in rounds), sum(r.completed for r in rounds)
        return Calls(made, completed, made - completed)

    def finish(self, timeout: float) -> Calls:
        """Starts no further round, waits for the calls in progress and returns the final count."""
        self.program.stop(patience=timeout)
        return self.calls()


def udp_calls(
    lab: Lab, rate: int, count: int, hold: float = 1.0, port: int = 5060, body: int = 0, to: str = addresses.VIP
) -> Caller:
    """The phone calls V, or `to`, over UDP, `rate` a second, all from one port, as a trunk does for years.

    `body`: the INVITE's body has that many bytes or a few more, so that it needs fragments.
    """
    calls = _calls("u1", rate, count, hold, _longer_call(lab, body) if body else CALL)
    return _start(lab, "phone", "udp", [*calls, "-p", str(port), *_towards(to)])


def udp_phones(lab: Lab, rate: int, count: int, hold: float = 1.0, name: str = "phones") -> Caller:
    """That many phones behind the phone's address call V over UDP, `rate` a second, each call from a port of its own."""
    return _start(lab, "phone", name, [*_calls("un", rate, count, hold), *_towards(addresses.VIP)])


def tcp_calls(lab: Lab, rate: int, hold: float = 1.0) -> StreamCaller:
    """The phone calls V over TCP, `rate` a second, each on a connection of its own."""
    return _start_rounds(lab, "tcp", rate, hold, addresses.PHONE, _towards(addresses.VIP))


def tls_calls(lab: Lab, rate: int, hold: float = 1.0) -> StreamCaller:
    """The phone calls V over TLS, each call on a connection of its own: SIPp speaks TCP to a stunnel beside it."""
    _start_tunnel(lab)
    return _start_rounds(lab, "tls", rate, hold, "127.0.0.1", [f"127.0.0.1:{TUNNEL_PORT}"])


def gateway(lab: Lab) -> Caller:
    """The gateway answers calls over UDP on its port 5060."""
    return _start(lab, "gateway", "gateway", [
        "sipp", "-sf", str(SCENARIOS / "gateway.xml"), "-i", addresses.GATEWAY, "-p", "5060", "-t", "u1", "-nostdin",
    ])


def _towards(virtual: str) -> list[str]:
    return ["-i", addresses.PHONE, f"{virtual}:{addresses.SIP_PORT}"]


def _longer_call(lab: Lab, body: int) -> Path:
    """The same call, its offer padded with attributes."""
    path, media = lab.file(f"call-{body}.xml"), "m=audio 6000 RTP/AVP 0\n"
    attribute = f"a=padding:{'x' * 52}"
    padding = f"      {attribute}\n" * -(-body // len(f"{attribute}\r\n"))
    path.write_text(CALL.read_text().replace(media, media + padding))
    return path


def _calls(transport: str, rate: int, count: int, hold: float, scenario: Path = CALL) -> list[str]:
    return [
        "sipp", "-sf", str(scenario), "-t", transport, "-r", str(rate), "-m", str(count),
        "-d", str(int(hold * 1000)), "-nostdin",
        "-max_socket", "2000", "-recv_timeout", "34000", "-buff_size", str(4 << 20),
        "-watchdog_major_maxtriggers", "1000", "-watchdog_minor_maxtriggers", "100000",
    ]


def _start(lab: Lab, host: str, name: str, argv: list[str]) -> Caller:
    statistics = _without_old(lab.file(f"sipp-{name}.csv"))
    errors = ["-trace_err", "-error_file", str(lab.file(f"sipp-{name}.errors"))]
    count = ["-trace_stat", "-stf", str(statistics), "-fd", "1"]
    return Caller(name, lab.start(host, f"sipp-{name}", [*argv, *errors, *count], {"TERM": "dumb"}), statistics)


def _start_rounds(lab: Lab, name: str, rate: int, hold: float, local: str, towards: list[str]) -> StreamCaller:
    log = _without_old(lab.file(f"rounds-{name}.jsonl"))
    # No call is moved to another connection (-max_reconnect 0).
    sipp = [*_calls("tn", rate, rate, hold), "-i", local, "-max_reconnect", "0", *towards]
    arguments = ["--log", str(log), "--directory", str(lab.directory), "--", *sipp]
    return StreamCaller(name, lab.start_python("phone", f"rounds-{name}", "lab.rounds", *arguments), log)


def _without_old(path: Path) -> Path:
    """The same path: what an earlier client of that name has counted there must not be taken for this one's."""
    path.unlink(missing_ok=True)
    return path


def _start_tunnel(lab: Lab) -> None:
    configuration = lab.file("stunnel.conf")
    configuration.write_text(
        "foreground = yes\npid =\ndebug = warning\nsocket = r:TCP_NODELAY=1\nsocket = l:TCP_NODELAY=1\n"
        f"[sip]\nclient = yes\naccept = 127.0.0.1:{TUNNEL_PORT}\n"
        f"connect = {addresses.VIP}:{addresses.SIP_TLS_PORT}\nTIMEOUTconnect = 2\nretry = no\n"
    )
    lab.start("phone", "stunnel", ["stunnel", str(configuration)])
