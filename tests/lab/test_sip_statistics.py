"""What `fairlead sip` says of calls, repetitions and keep-alives that were made on purpose, and that the metrics say the same."""

import socket
import time
import unittest
from dataclasses import replace

from lab import sipp
from standing import Setting, StandingLab, addresses

METRICS = ('log = "info"\n', 'log = "info"\nmetrics = "127.0.0.1:9100"\n')
SCRAPE = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
OFF = "SIP statistics are off: write [sip] sample = 100 (one of so many transactions is read; 1: all) and run `fairlead reload`."
SERVICE = (addresses.VIP, addresses.SIP_PORT)


class SipStatistics(StandingLab):
    setting = Setting(edits=(METRICS,))

    def setUp(self):
        # What was counted before is forgotten.
        self.sample(0)
        self.sample(1)

    def sample(self, number: int) -> None:
        self.appliance.reload(replace(self.setting, more=f"\n[sip]\nsample = {number}\n"))

    def row(self) -> dict:
        """The only row there is, with what was counted by name."""
        report = self.appliance.ask("sip")
        [row] = report["rows"]
        self.assertEqual((report["sample"], report["not_counted"], report["warnings"]), (1, 0, []))
        self.assertEqual((row["virtual_server"], row["member"]), ("sip-1", "sip-a"))
        self.assertEqual((row["unanswered"], row["not_timed"]), (0, 0))
        by_name = {what: {each["name"]: each["count"] for each in row[what]} for what in ("requests", "responses")}
        return {**row, **by_name}

    def metrics(self) -> dict[str, float]:
        """The samples about SIP that are scraped, but for the buckets of histograms."""
        lines = [line for line in self.python_in("appliance", SCRAPE).splitlines() if line.startswith("fairlead_sip_")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if "_bucket{" not in name}

    def metrics_say_the_same(self) -> None:
        page, report = self.metrics(), self.appliance.ask("sip")
        expected = {"sip_sample": report["sample"], "sip_not_counted_messages_total": report["not_counted"]}
        for row in report["rows"]:
            of = f'virtual_server="{row["virtual_server"]}",member="{row["member"]}",asked_by="{row["asked_by"]}"'
            for each in row["requests"]:
                expected[f'sip_requests_total{{{of},method="{each["name"]}"}}'] = each["count"]
            for each in row["responses"]:
                code = "other" if each["name"].endswith("xx") else each["name"]
                expected[f'sip_responses_total{{{of},class="{each["name"][0]}xx",code="{code}"}}'] = each["count"]
            expected[f'sip_retransmissions_total{{{of},of="requests"}}'] = row["repeated_requests"]
            expected[f'sip_retransmissions_total{{{of},of="responses"}}'] = row["repeated_responses"]
            expected[f"sip_unanswered_requests_total{{{of}}}"] = row["unanswered"]
            expected[f"sip_untimed_requests_total{{{of}}}"] = row["not_timed"]
            expected[f"sip_first_response_seconds_count{{{of}}}"] = row["first_response"]["count"]
            expected[f"sip_first_response_seconds_sum{{{of}}}"] = row["first_response"]["sum_ns"] / 1e9
        for row in report["refreshes"]:
            of = f'virtual_server="{row["virtual_server"]}"'
            if row["keep_alives"]:
                expected[f"sip_keep_alive_median_seconds{{{of}}}"] = row["keep_alive_p50_s"]
                expected[f"sip_keep_alive_max_seconds{{{of}}}"] = row["keep_alive_longest_s"]
            if row["registrations"]:
                expected[f"sip_registration_median_seconds{{{of}}}"] = row["registration_p50_s"]
        self.assertEqual(page, {f"fairlead_{name}": value for name, value in expected.items()})

    def calls(self, count: int) -> None:
        """So many calls of a phone, all of them completed."""
        calls = sipp.udp_calls(self.lab, rate=50, count=count, hold=0.2).finish(60.0)
        self.assertEqual((calls.made, calls.completed, calls.failed), (count, count, 0))

    def are_counted(self, count: int, asked_by: str) -> dict:
        """So many calls are: of each INVITE, ACK and BYE and two final answers, and what a busy machine has had repeated as that."""
        row = self.row()
        self.assertEqual(row["asked_by"], asked_by)
        self.assertEqual(set(row["requests"]), {"INVITE", "ACK", "BYE"})
        self.assertTrue(all(seen >= count for seen in row["requests"].values()), row)
        self.assertEqual(sum(row["requests"].values()) - row["repeated_requests"], 3 * count)
        self.assertEqual(row["responses"]["2xx"] - row["repeated_responses"], 2 * count)
        times = row["first_response"]
        self.assertEqual(times["count"], 2 * count, "of each INVITE and BYE")
        self.assertTrue(0 < times["p50_ns"] <= times["p99_ns"] <= times["max_ns"] * 17 / 16, times)
        self.assertLess(times["max_ns"], times["sum_ns"])
        return row

    def test_s100_calls_are_counted_by_method_and_status(self):
        self.calls(40)
        row = self.are_counted(40, "clients")
        self.assertEqual(set(row["responses"]), {"1xx", "2xx"})
        self.assertGreaterEqual(row["responses"]["1xx"], 40, "each rings")
        said = " ".join(self.appliance.show("sip").split())
        requests = ", ".join(f"{method}={row['requests'][method]}" for method in ("INVITE", "ACK", "BYE"))
        self.assertIn(f"sip-1 sip-a clients {requests} 1xx=", said)
        self.assertIn("All transactions are read, since ", said)
        self.metrics_say_the_same()

    def test_s100_what_the_active_member_asks_is_a_row_of_its_own(self):
        sipp.gateway(self.lab)
        made = lambda: self.pair.stats()["sip-a"]["made"]
        self.pair.outward(10)
        self.wait_for(lambda: made() >= 10)
        self.pair.outward(0)
        ended = lambda: self.pair.stats()["sip-a"]["ended"]
        self.wait_for(lambda: len(ended()) == made(), 40.0, lambda: f"{ended()}")
        self.assertEqual(set(ended().values()), {True})
        self.are_counted(made(), "members")
        self.metrics_say_the_same()

    def test_s100_a_repeated_request_its_repeated_answer_keep_alives_and_a_registration(self):
        phone = self.udp_in("phone", addresses.PHONE)
        phone.connect(SERVICE)
        for method, number in (("MESSAGE", 1), ("MESSAGE", 1), ("REGISTER", 2)):
            phone.send(request(phone, method, number))
            self.assertTrue(phone.recv(4000).startswith(b"SIP/2.0 200 "), method)
        for datagram in (b"\r\n\r\n", b"", request(phone, "OPTIONS", 3), b"\r\n"):
            time.sleep(1.1)
            phone.send(datagram)
        refreshes = lambda: self.appliance.ask("sip")["refreshes"]
        self.wait_for(lambda: refreshes() and refreshes()[0]["keep_alives"] == 3, seen=lambda: f"{refreshes()}")
        [row] = refreshes()
        self.assertEqual((row["virtual_server"], row["udp_timeout_s"]), ("sip-1", None), "a pair's peers are in no flow")
        self.assertGreaterEqual(row["keep_alive_longest_s"], row["keep_alive_p50_s"])
        self.assertGreaterEqual(row["keep_alive_p50_s"], 2, "what has begun of a second counts")
        lasts = tuple(row[f"registration_{which}_s"] for which in ("shortest", "p50", "longest"))
        self.assertEqual((row["registrations"], *lasts), (1, 120, 120, 120))
        row = self.row()
        self.assertEqual(row["requests"], {"OPTIONS": 1, "REGISTER": 1, "MESSAGE": 2})
        self.assertEqual((row["responses"], row["repeated_requests"], row["repeated_responses"]), ({"2xx": 4}, 1, 1))
        self.assertEqual(row["first_response"]["count"], 3)
        self.metrics_say_the_same()

    def test_s100_without_a_sample_nothing_is_counted_and_how_it_begins_is_said(self):
        self.sample(0)
        self.calls(3)
        self.assertEqual(" ".join(self.appliance.show("sip").split()), OFF)
        report = self.appliance.ask("sip")
        self.assertEqual((report["sample"], report["rows"], report["refreshes"]), (0, [], []))
        self.assertEqual(self.metrics(), {"fairlead_sip_sample": 0.0})
        self.sample(1)
        self.calls(3)
        self.are_counted(3, "clients")


def request(phone: socket.socket, method: str, number: int) -> bytes:
    """A phone's request outside of a call; a registration is one for two minutes."""
    at = f"{addresses.PHONE}:{phone.getsockname()[1]}"
    lines = [
        f"{method} sip:{addresses.VIP} SIP/2.0",
        f"Via: SIP/2.0/UDP {at};branch=z9hG4bK{at}-{number}",
        f"From: <sip:phone@{at}>;tag={number}",
        f"To: <sip:{addresses.VIP}>",
        f"Call-ID: {at}-{number}",
        f"CSeq: {number} {method}",
        f"Contact: <sip:phone@{at}>;expires=120",
        "Max-Forwards: 70",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


if __name__ == "__main__":
    unittest.main()
