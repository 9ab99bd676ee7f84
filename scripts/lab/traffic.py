"""Everything that talks through the appliance during the demo: calls, long-lived connections, and the sniffers that watch.

Owns: starting it, adding it up, stopping it. Never: judgement (see `proofs`).
"""

import time
from dataclasses import dataclass

from . import addresses, sipp
from .lines import Listener, Talker
from .rounds import Calls
from .sip.pair import Pair
from .sniffer import Sniffer
from .topology import Lab

UDP_RATE, TCP_RATE, TLS_RATE, OUTWARD_RATE = 200, 20, 10, 20


@dataclass
class Traffic:
    """The programs of the load. `talkers` are connections that must survive every switchover."""

    lab: Lab
    pair: Pair
    gateway: sipp.Caller
    udp: sipp.Caller
    tcp: sipp.StreamCaller
    tls: sipp.StreamCaller
    config: Listener
    talkers: dict[str, Talker]
    at_switch: Sniffer
    at_phone: Sniffer
    at_gateway: Sniffer

    @classmethod
    def start(cls, lab: Lab, pair: Pair, seconds: int) -> "Traffic":
        """Starts the watchers, then the connections, then `seconds` of calls."""
        watchers = [Sniffer(lab, "switch", "appliance"), Sniffer(lab, "phone"), Sniffer(lab, "gateway")]
        config = Listener(lab, "config", addresses.CONFIG_SERVER, addresses.CONFIG_PORT)
        for member, address in addresses.MEMBERS.items():
            Listener(lab, member, address, addresses.T_LIB_PORT)
        towards_a = (addresses.MEMBERS["sip-a"], addresses.T_LIB_PORT)
        towards_config = (addresses.CONFIG_SERVER, addresses.CONFIG_PORT)
        talkers = {
            "T-client to sip-a": Talker(lab, "tclient", "tclient", *towards_a),
            "sip-a to the configuration server": Talker(lab, "sip-a", "a-config", *towards_config),
        }
        Talker(lab, "sip-b", "b-config", *towards_config)
        gateway = sipp.gateway(lab)
        udp = sipp.udp_calls(lab, UDP_RATE, UDP_RATE * seconds)
        tcp, tls = sipp.tcp_calls(lab, TCP_RATE), sipp.tls_calls(lab, TLS_RATE)
        pair.outward(OUTWARD_RATE)
        return cls(lab, pair, gateway, udp, tcp, tls, config, talkers, *watchers)

    def counts(self) -> dict[str, Calls]:
        """The calls so far, by kind. Over TCP and TLS only those whose second has ended."""
        inbound = {"UDP": self.udp.calls(), "TCP": self.tcp.calls(), "TLS": self.tls.calls()}
        return {**inbound, "outward UDP": self.outward()}

    def outward(self) -> Calls:
        """The calls the pair placed, whichever member ended them."""
        members = list(self.pair.stats().values())
        made, retransmitted = (sum(member[name] for member in members) for name in ("made", "retransmitted"))
        well = {call for member in members for call, ended_well in member["ended"].items() if ended_well}
        failed = {call for member in members for call in member["ended"]} - well
        return Calls(made, len(well), len(failed), retransmitted, made - len(well) - len(failed))

    def finish(self) -> dict[str, Calls]:
        """Waits for every call, stops the watchers and returns the final counts."""
        self.pair.outward(0)
        for caller in (self.tcp, self.tls):
            caller.finish(20.0)
        self.udp.finish(60.0)
        self._wait_for_outward()
        for watcher in (self.at_switch, self.at_phone, self.at_gateway):
            watcher.stop()
        return self.counts()

    def _wait_for_outward(self) -> None:
        deadline = time.monotonic() + 15.0
        while self.outward().open and time.monotonic() < deadline:
            time.sleep(0.2)
