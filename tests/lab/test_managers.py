"""Resource managers that are all active behind a virtual address of their own, and the pair of SIP Servers behind another: each calls the
other, and a trunk from outside calls the managers. To them pair and trunk are one endpoint each; each call stays with one of them."""

import time
import unittest

from lab import addresses, kamailio, sipp
from lab.appliance import Appliance
from lab.sip.pair import Pair
from lab.sniffer import Seen, Sniffer
from lab.topology import Lab
from standing import Setting, StandingLab

W = "10.20.0.30"
MANAGERS = {"rm-1": "10.20.0.31", "rm-2": "10.20.0.32", "rm-3": "10.20.0.33"}
MEMBERS = ", ".join(f'{{ name = "{name}", address = "{address}" }}' for name, address in MANAGERS.items())
POOL = f"""
[[pool]]
name = "managers"
mode = "round-robin"
persistence = "call-id"
members = [{MEMBERS}]
monitors = ["sip-options"]

[[virtual_server]]
name = "managers"
address = "{W}"
pool = "managers"
listen = ["udp/5060"]

[[snat]]
pool = "managers"
address = "{W}"
"""
#: A call: what whoever has it has received of it when it is over.
WHOLE = {"INVITE", "ACK", "BYE"}
#: Calls a second from the trunk, and how many; calls a second of the pair, and for how long (in seconds).
TRUNK_RATE, TRUNK_CALLS, PAIR_RATE, PAIR_TIME = 200, 1000, 20, 5.0


class Managers(StandingLab):
    setting = Setting(more=POOL)

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = cls.enterClassContext(Lab())
        for name, address in MANAGERS.items():
            cls.lab.plug_in(name, [f"{address}/24"])
        cls.pair = Pair(cls.lab)
        cls.pair.gateway = W
        cls.pair.start()
        cls.appliance = Appliance(cls.lab, setting=cls.setting)
        cls.appliance.start()
        cls.appliance.wait_for_active("sip-a")
        cls.managers = {name: cls.manager(name) for name in MANAGERS}
        for name in MANAGERS:
            cls.appliance.wait_for_state(name, "up", 60.0)

    @classmethod
    def manager(cls, name: str):
        """A Kamailio that takes every call, and pings the pair each second."""
        return kamailio.start(cls.lab, name, (addresses.VIP, addresses.SIP_PORT), W, MANAGERS[name], code=200)

    def setUp(self):
        self.sniffers = {name: Sniffer(self.lab, name) for name in MANAGERS}

    def seen(self) -> dict[str, list[Seen]]:
        """What came to each manager since the test began."""
        for sniffer in self.sniffers.values():
            sniffer.stop()
        return {name: list(sniffer.seen()) for name, sniffer in self.sniffers.items()}

    def calls_of(self, source: str, seen: dict[str, list[Seen]]) -> dict[str, dict[str, set[str]]]:
        """By manager and call: the methods that came from there."""
        found: dict[str, dict[str, set[str]]] = {}
        for name, packets in seen.items():
            calls = found[name] = {}
            for packet in packets:
                method = packet.start.partition(" ")[0]
                if packet.src == source and method in WHOLE:
                    calls.setdefault(packet.call, set()).add(method)
        return found

    def each_is_one_managers(self, calls: dict[str, dict[str, set[str]]], count: int) -> None:
        of = {name: set(calls) for name, calls in calls.items()}
        self.assertEqual(sum(map(len, of.values())), len(set.union(*of.values())), "a call came to two of them")
        self.assertEqual(sum(map(len, of.values())), count)
        for name, mine in calls.items():
            self.assertGreaterEqual(len(mine), count // 6, f"{name}'s share of {count}")
            self.assertEqual({call: got for call, got in mine.items() if got != WHOLE}, {}, f"{name} missed a part")

    def pair_calls(self, seconds: float) -> int:
        """The pair calls W for so long, and all of it ends well; says how many calls."""
        before = sum(member["made"] for member in self.pair.stats().values())
        self.pair.outward(PAIR_RATE)
        time.sleep(seconds)
        self.pair.outward(0)
        made = sum(member["made"] for member in self.pair.stats().values()) - before
        ended = lambda: {call: well for member in self.pair.stats().values() for call, well in member["ended"].items()}
        self.wait_for(lambda: len(ended()) >= before + made, 40.0, lambda: f"{len(ended())} of {before + made} ended")
        self.assertEqual({call for call, well in ended().items() if not well}, set())
        return made

    def test_s94_calls_of_a_trunk_and_of_the_pair_are_spread_and_each_stays_with_its_manager(self):
        trunk = sipp.udp_calls(self.lab, TRUNK_RATE, TRUNK_CALLS, to=W)
        made = self.pair_calls(PAIR_TIME)
        calls = trunk.finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (TRUNK_CALLS, TRUNK_CALLS, 0))
        seen = self.seen()
        self.each_is_one_managers(self.calls_of(addresses.PHONE, seen), TRUNK_CALLS)
        self.each_is_one_managers(self.calls_of(addresses.VIP, seen), made)

    def test_s94_each_manager_that_asks_the_pair_gets_its_own_answers(self):
        time.sleep(4.0)
        for name, packets in self.seen().items():
            answers = [packet.call for packet in packets if packet.src == addresses.VIP and packet.start.startswith("SIP/2.0 200")]
            self.assertGreaterEqual(len(set(answers)), 2, f"{name} asks each second")
        # Kamailio takes a target that does not answer out of use, and says so.
        for name, manager in self.managers.items():
            self.assertTrue(manager.is_running(), name)

    def test_s94_a_killed_manager_takes_no_call_of_the_others_along(self):
        self.managers["rm-3"].stop()
        self.appliance.wait_for_state("rm-3", "down", 20.0)
        made = self.pair_calls(2.0)
        calls = self.calls_of(addresses.VIP, self.seen())
        self.assertEqual(calls["rm-3"], {})
        self.assertEqual(sum(len(calls[name]) for name in ("rm-1", "rm-2")), made)
        self.assertTrue(calls["rm-1"] and calls["rm-2"])
        type(self).managers["rm-3"] = self.manager("rm-3")
        self.appliance.wait_for_state("rm-3", "up", 60.0)


if __name__ == "__main__":
    unittest.main()
