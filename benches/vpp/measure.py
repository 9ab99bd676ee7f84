#!/usr/bin/env python3
"""VPP's nat44-ed on one core: clocks a packet by node, and packets a second between net_pcap devices. See README.md.

Owns: one VPP a case, its warm-up, its counters. `run.sh` says what is measured. Prints a table, writes results.csv.
"""
import argparse
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUFFER_BYTES, PAGE_KB = 2048 + 128 + 128 + 128, 2048
INPUTS = ("pg-input", "dpdk-input")
SKIP = ("unix-epoll-input",)  # polled beside the packets; has no vectors of its own


class Pages:
    """Huge pages for a run, given back after it. What others take or give meanwhile is left alone."""

    count = Path("/proc/sys/vm/nr_hugepages")

    def __init__(self, megabytes):
        free = int(re.search(r"HugePages_Free:\s*(\d+)", Path("/proc/meminfo").read_text())[1])
        self.wanted, self.taken = max(0, megabytes // 2 + 128 - free), 0

    def __enter__(self):
        before = int(self.count.read_text())
        self.count.write_text(str(before + self.wanted))
        self.taken = int(self.count.read_text()) - before
        if self.taken < self.wanted:
            self.__exit__()
            raise SystemExit(f"only {self.taken} of {self.wanted} huge pages were to be had")
        return self

    def __exit__(self, *_):
        self.count.write_text(str(max(0, int(self.count.read_text()) - self.taken)))
        self.taken = 0


class NotStarted(Exception):
    pass


class Vpp:
    """A running VPP. A context."""

    def __init__(self, opts, directory, case):
        self.opts, self.dir, self.case = opts, directory, case
        self.process = None

    def __enter__(self):
        frames = {"in2out": 1, "out2in": 1, "both": 2}[self.case.direction] * self.case.flows
        buffers = 65_536 + (frames if self.case.rig == "pcap" else 0)
        heap = 1024 + self.case.flows * 2048 // (1 << 20)  # sessions, and the frames that pg replays
        for tries in range(4, -1, -1):  # others may take huge pages at the same moment: then again
            self.pages = Pages(heap + buffers * BUFFER_BYTES // (1 << 20) + 256)
            self.pages.__enter__()
            try:
                self._start(buffers, heap)
                return self
            except NotStarted as error:
                self.__exit__()
                if not tries:
                    raise SystemExit(str(error)) from error
                time.sleep(5)
            except BaseException:
                self.__exit__()
                raise

    def _start(self, buffers, heap):
        dpdk, plugin = "", ""
        if self.case.rig == "pcap":
            plugin = "plugin dpdk_plugin.so { enable }"
            dpdk = "dpdk { no-pci no-tx-checksum-offload " + " ".join(f"vdev {d}" for d in self._devices()) + " }"
        values = {
            "DIR": self.dir, "CORE": self.opts.core, "HEAP_MB": heap, "PAGE": "2M", "BUFFERS": buffers,
            "PLUGINS": self.opts.plugins, "DPDK_PLUGIN": plugin, "DPDK": dpdk,
        }  # fmt: skip
        (self.dir / "startup.conf").write_text(filled("startup.conf", values))
        (self.dir / "cli.sock").unlink(missing_ok=True)
        argv = [self.opts.vpp, "-c", str(self.dir / "startup.conf")]
        self.process = subprocess.Popen(argv, stdout=(self.dir / "out.log").open("w"), stderr=subprocess.STDOUT,
                                        preexec_fn=self._privilege)
        deadline = time.monotonic() + 180
        while not (self.dir / "cli.sock").exists() or "vpp" not in self.cli("show version", check=False):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(f"VPP did not start: {(self.dir / 'out.log').read_text()[-2000:]}")
            time.sleep(0.2)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.pages.__exit__()

    def _privilege(self):
        os.sched_setaffinity(0, self.opts.cpus)
        if self.opts.nice:
            os.nice(self.opts.nice)

    def _devices(self):
        """Outer before inner: net_pcap counts its MAC addresses up from 02:70:63:61:70:00."""
        path = {side: f"{self.dir}/{side}.pcap" for side in ("outer", "inner")}
        device = {side: f"net_pcap{n},rx_pcap={path[side]},infinite_rx=1" for n, side in enumerate(path)}
        if self.case.direction == "in2out":  # net_pcap0 stays down: it only takes its MAC address
            return [f"net_pcap0,rx_pcap={self.dir}/outer-few.pcap", device["inner"], "net_null0,no-rx=1"]
        if self.case.direction == "out2in":
            return [device["outer"], "net_null0,no-rx=1"]
        return list(device.values())

    def cli(self, command, check=True):
        done = subprocess.run(
            [self.opts.vppctl, "-s", str(self.dir / "cli.sock"), *command.split()],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        said = re.sub(r"^vpp# ", "", done.stdout.replace("\r", ""), flags=re.M).strip()
        if check and (done.returncode or re.search(r"unknown|error|failed|no such|could not", said, re.I)):
            raise SystemExit(f"VPP refused `{command}`: {said} {done.stderr}")
        return said

    def interfaces(self):
        """The interfaces' names, in order of creation."""
        rows = re.findall(r"^(\S+)\s+\d+\s+(?:up|down)", self.cli("show interface", check=False), re.M)
        return [name for name in rows if not name.startswith(("local", "pg"))]

    def set_up(self):
        for n, mac in ((0, "02:70:63:61:70:01"), (1, "02:70:63:61:70:00")):
            self.cli(f"create packet-generator interface pg{n}")
            self.cli(f"set interface mac address pg{n} {mac}")
        inner, outer = "pg0", "pg1"
        if self.case.rig == "pcap":
            names = self.interfaces()
            order = {"in2out": (1, 2), "out2in": (1, 0), "both": (1, 0)}[self.case.direction]
            inner, outer = (names[n] for n in order)
        values = {"INNER": inner, "OUTER": outer, "SESSIONS": max(65_536, 2 * self.case.flows)}
        for line in filled("nat.exec", values).splitlines():
            if line and not line.startswith("comment"):
                self.cli(line)
        if inner != "pg0":
            self.cli("set interface ip address pg0 198.18.0.1/24")
            self.cli("set interface ip address pg1 198.18.1.1/24")
            self.cli("set interface nat44 in pg0 out pg1")
            self.cli("set interface state pg0 up")
            self.cli("set interface state pg1 up")
        self.inner, self.outer = inner, outer
        if inner == "pg0":
            self.up()

    def up(self):
        self.cli(f"set interface state {self.inner} up")
        self.cli(f"set interface state {self.outer} up")

    def stream(self, name, side, limit):
        n = {"inner": 0, "outer": 1}[side]
        path = self.dir / f"{name}.pcap"
        self.cli(f"packet-generator new name {name} source pg{n} limit {limit} pcap {path}")

    def play(self, name, side, limit):
        """A file once: comes back when it was all sent."""
        self.stream(name, side, limit)
        self.cli(f"packet-generator enable-stream {name}")
        deadline = time.monotonic() + 120
        while self.enabled(name):
            if time.monotonic() > deadline:
                raise SystemExit(f"VPP did not finish {name}")
            time.sleep(0.1)
        self.cli(f"packet-generator delete {name}")

    def enabled(self, name):
        rows = re.findall(rf"^{name}\s+(\S+)", self.cli("show packet-generator", check=False), re.M)
        return bool(rows) and rows[0].lower() == "yes"

    def warm_up(self):
        """Every session opened, TCP's established."""
        count = self.case.flows
        for side in ("inner", "outer", "inner"):
            self.play(f"{side}-open", side, count)
        self.play("inner", "inner", count)
        self.play("outer", "outer", count)
        found = self.sessions()
        if found != count:
            raise SystemExit(f"{found} sessions instead of {count}: {self.cli('show errors', check=False)}")

    def sessions(self):
        said = self.cli("show nat44 summary", check=False)
        return int(re.search(r"total sessions: (\d+)", said)[1])

    def measure(self):
        """Clocks and vectors by node, over some seconds."""
        self.cli("clear runtime")
        self.cli("clear errors")
        time.sleep(self.opts.seconds)
        said = self.cli("show runtime", check=False)
        errors = self.cli("show errors", check=False)
        (self.dir / "runtime.txt").write_text(said + "\n\n" + errors + "\n")
        seconds = float(re.search(r"Time ([\d.e+]+)", said)[1])
        nodes = {}
        for row in re.finditer(r"^(\S+) +(?:active|polling|any wait|interrupt\S*|disabled|done|event wait) +"
                               r"(\d+) +(\d+) +\d+ +(\S+) +(\S+)$", said, re.M):
            calls, vectors, clocks, ratio = int(row[2]), int(row[3]), float(row[4]), float(row[5])
            if vectors and row[1] not in SKIP:
                nodes[row[1]] = (vectors, clocks, ratio)
        return seconds, nodes, float(re.search(r"drop ([\d.e+-]+)", said)[1])


class Case:
    def __init__(self, rig, traffic, protocol, flows, direction):
        self.rig, self.traffic, self.protocol, self.flows, self.direction = rig, traffic, protocol, flows, direction


def filled(name, values):
    text = (HERE / name).read_text()
    return re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), text)


def reduced(seconds, nodes):
    """One measurement as figures: rate, the NAT node, sums over a packet's way."""
    packets = sum(v for name, (v, _, _) in nodes.items() if name in INPUTS)
    sent = sum(v for name, (v, _, _) in nodes.items() if name.endswith("-tx"))
    share = lambda pick: sum(v * c for name, (v, c, _) in nodes.items() if pick(name)) / packets
    nat = [(v, c) for name, (v, c, _) in nodes.items() if re.fullmatch(r"nat44-ed-(in2out|out2in)", name)]
    edge = lambda name: name in INPUTS or name.endswith("-tx")
    return {
        "mpps": sent / seconds / 1e6,
        "nat": sum(v * c for v, c in nat) / sum(v for v, _ in nat) if nat else 0.0,
        "ip": share(lambda n: not edge(n) and n != "ethernet-input"),
        "ip_eth": share(lambda n: not edge(n)),
        "all": share(lambda n: True),
        "vec": max(r for name, (_, _, r) in nodes.items() if name.startswith("nat44-ed-")),
    }


def frequency():
    """The rate of the clock that VPP counts in."""
    said = subprocess.run("dmesg", capture_output=True, text=True).stdout
    found = re.search(r"tsc: (?:Detected|Refined TSC clocksource calibration:)\s+([\d.]+) MHz", said)
    speed = found[1] if found else re.search(r"cpu MHz\s*:\s*([\d.]+)", Path("/proc/cpuinfo").read_text())[1]
    return f"clock {float(speed) / 1000:.3f} GHz"


def load():
    return os.getloadavg()[0]


def prepared(opts, case):
    directory = Path(opts.work).resolve()
    stamp, wanted = directory / "frames.stamp", f"{case.traffic} {case.protocol} {case.flows}"
    if not stamp.exists() or stamp.read_text() != wanted:
        stamp.unlink(missing_ok=True)
        subprocess.run([sys.executable, HERE / "frames.py", directory, *wanted.split()], check=True)
        first = (directory / "outer.pcap").open("rb").read(24 + 76)
        (directory / "outer-few.pcap").write_bytes(first)
        stamp.write_text(wanted)
    return directory


def correct(vpp, directory, case):
    """What VPP sends is what came in on the other side, translated: each frame, with its checksums."""
    wanted = {side: sorted(ends(directory / f"{side}.pcap")) for side in ("inner", "outer")}
    for side, other, n in (("inner", "outer", 1), ("outer", "inner", 0)):
        path = directory / "sent.pcap"
        path.unlink(missing_ok=True)
        vpp.cli(f"packet-generator capture pg{n} pcap {path} count {case.flows}")
        vpp.play(side, side, case.flows)
        vpp.cli(f"packet-generator capture pg{n} disable", check=False)
        if sorted((*e[2:], *e[:2]) for e in ends(path)) != wanted[other]:
            raise SystemExit(f"{case.traffic} {case.protocol} {case.flows}: translated wrongly ({side})")


def ends(path):
    """The ends of each frame of a file; its checksums are verified."""
    data, at = path.read_bytes(), 24
    while at < len(data):
        kept = struct.unpack_from("<I", data, at + 8)[0]
        ip = data[at + 16 + 14 : at + 16 + kept]
        ip = ip[: struct.unpack_from("!H", ip, 2)[0]]
        at += 16 + kept
        pseudo = ip[12:20] + struct.pack("!HH", ip[9], len(ip) - 20)
        for part in (ip[:20], pseudo + ip[20:]):
            total = sum(struct.unpack(f"!{len(part) // 2}H", part))
            if (total % 0xFFFF) or not total:
                raise SystemExit(f"{path}: a frame with a wrong checksum")
        source, target, sport, dport = struct.unpack_from("!IIHH", ip, 12)
        yield source, sport, target, dport


def measured(opts, case):
    directory = prepared(opts, case)
    rows = []
    with Vpp(opts, directory, case) as vpp:
        vpp.set_up()
        vpp.warm_up()
        if case.rig == "pg":
            if case.flows <= 4096:
                correct(vpp, directory, case)
            side = {"in2out": "inner", "out2in": "outer"}[case.direction]
            vpp.stream(side, side, 1 << 40)
            vpp.cli(f"packet-generator enable-stream {side}")
        else:
            vpp.up()
        time.sleep(2)
        for _ in range(opts.runs):
            seconds, nodes, drops = vpp.measure()
            rows.append(reduced(seconds, nodes) | {"load": load(), "drop": drops / 1e6})
        if opts.verbose:
            print((directory / "runtime.txt").read_text())
        if case.rig == "pg":
            vpp.cli(f"packet-generator disable-stream {side}")
        left = vpp.sessions()
        if left != case.flows:
            raise SystemExit(f"{left} sessions after the run instead of {case.flows}")
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    best = max(rows, key=lambda row: row["mpps"])
    return middle, best, rows


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that VPP is ended and the huge pages are given back
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", required=True, help="VPP's directory: bin/vpp, bin/vppctl, lib/**/vpp_plugins")
    parser.add_argument("--work", required=True, help="a directory for capture files and sockets")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--flows", default="64,4096,100000,1000000")
    parser.add_argument("--rigs", default="pg,pcap")
    parser.add_argument("--protocols", default="udp,tcp")
    parser.add_argument("--traffics", default="outbound,service")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--nice", type=int, default=0, help="added to VPP's niceness")
    opts = parser.parse_args()
    opts.cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, opts.cpus - {opts.core} or opts.cpus)  # questions are asked from another core
    prefix = Path(opts.prefix)
    opts.vpp, opts.vppctl = str(prefix / "bin/vpp"), str(prefix / "bin/vppctl")
    opts.plugins = next(prefix.glob("lib/**/vpp_plugins"))
    head = ("rig", "traffic", "proto", "flows", "way", "Mpps", "nat", "ip+nat", "+eth", "all", "vec", "drop", "load",
            "| Mpps", "nat", "+eth", "all")  # fmt: skip
    form = "{:<5}{:<9}{:<6}{:>8} {:<7}{:>7}{:>6}{:>7}{:>6}{:>6}{:>5}{:>6}{:>6}{:>9}{:>6}{:>6}{:>6}"
    print("clocks a packet; medians of the runs, then | the best of them; " + frequency(), flush=True)
    print(form.format(*head), flush=True)
    work = Path(opts.work).resolve()
    work.mkdir(parents=True, exist_ok=True)
    table = (work / "results.csv").open("w")
    print("rig,traffic,protocol,flows,direction,run,mpps,nat,ip,ip_eth,all,vec,load,drop", file=table)
    wanted = opts.traffics.split(",")
    for flows in map(int, opts.flows.split(",")):
        for traffic in wanted:
            for protocol in opts.protocols.split(","):
                for rig in opts.rigs.split(","):
                    ways = ("in2out", "out2in") + (("both",) if rig == "pcap" else ())
                    for way in ways if traffic == "outbound" else ways[2:]:
                        case = Case(rig, traffic, protocol, flows, way)
                        m, best, rows = measured(opts, case)
                        print(form.format(rig, traffic, protocol, flows, way, f"{m['mpps']:.2f}", f"{m['nat']:.0f}",
                                          f"{m['ip']:.0f}", f"{m['ip_eth']:.0f}", f"{m['all']:.0f}",
                                          f"{m['vec']:.0f}", f"{m['drop']:.2f}", f"{m['load']:.1f}",
                                          f"| {best['mpps']:.2f}", f"{best['nat']:.0f}", f"{best['ip_eth']:.0f}",
                                          f"{best['all']:.0f}"), flush=True)
                        for n, row in enumerate(rows):
                            print(rig, traffic, protocol, flows, way, n, *(f"{v:.3f}" for v in row.values()),
                                  sep=",", file=table, flush=True)


if __name__ == "__main__":
    main()
