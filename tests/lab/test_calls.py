"""The SIP Servers of the lab, without sockets: what one member does, and how its partner continues."""

import unittest

import standing  # noqa: F401 (finds the lab's modules)
from lab.sip.calls import Calls
from lab.sip.message import Malformed, Message, Stream, answer_port

V = ("10.20.0.100", 5060)
PHONE = ("172.16.5.5", 5060)
GATEWAY = ("172.16.9.9", 5060)


def request(method: str, call: str = "c1", via: str = "SIP/2.0/UDP 172.16.5.5:5060;branch=z9hG4bKx") -> Message:
    headers = [("Via", via), ("From", "<sip:a>;tag=1"), ("To", "<sip:b>"), ("Call-ID", call), ("CSeq", f"1 {method}")]
    return Message(f"{method} sip:v SIP/2.0", headers)


def starts(datagrams: list) -> list[str]:
    return [text.split("\r\n")[0] for text, _ in datagrams]


class InboundCalls(unittest.TestCase):
    def test_a_call_rings_and_is_answered_until_it_is_acknowledged(self):
        calls = Calls(V)
        self.assertEqual(starts(calls.request(request("INVITE"), PHONE, 0.0)), ["SIP/2.0 180 Ringing"])
        self.assertEqual(starts(calls.turn(0.05)), [])
        self.assertEqual(starts(calls.turn(0.1)), ["SIP/2.0 200 OK"])
        self.assertEqual(starts(calls.turn(0.6)), ["SIP/2.0 200 OK"])
        self.assertEqual(calls.request(request("ACK"), PHONE, 0.7), [])
        self.assertEqual(calls.turn(40.0), [])

    def test_the_partner_answers_what_it_was_told_of(self):
        one, other = Calls(V), Calls(V)
        one.request(request("INVITE"), PHONE, 0.0)
        for change in one.changes:
            other.learn(change)
        self.assertEqual(starts(other.turn(0.3)), ["SIP/2.0 200 OK"])

    def test_both_members_answer_with_the_same_tag(self):
        answers = {calls.request(request("BYE"), PHONE, 0.0)[0][0] for calls in (Calls(V), Calls(V))}
        self.assertEqual(len(answers), 1)

    def test_an_answer_goes_to_the_port_in_the_via(self):
        self.assertEqual(answer_port(request("BYE", via="SIP/2.0/UDP 172.16.5.5:6070;branch=z"), 5060), 6070)
        self.assertEqual(answer_port(request("BYE", via="SIP/2.0/UDP 172.16.5.5:6070;rport;branch=z"), 5080), 5080)


class OutwardCalls(unittest.TestCase):
    def test_a_call_is_placed_acknowledged_and_ended(self):
        calls = Calls(V, hold=1.0)
        invite = Message.parse(calls.place("n1", GATEWAY, 0.0)[0][0])
        self.assertEqual(starts(calls.turn(0.5)), ["INVITE sip:gateway@172.16.9.9:5060 SIP/2.0"])
        ack = calls.answer(invite.answer("200 OK", "t"), 0.6)
        self.assertEqual(starts(ack), ["ACK sip:gateway@172.16.9.9:5060 SIP/2.0"])
        bye = calls.turn(1.6)
        self.assertEqual(starts(bye), ["BYE sip:gateway@172.16.9.9:5060 SIP/2.0"])
        calls.answer(Message.parse(bye[0][0]).answer("200 OK"), 1.7)
        self.assertEqual((calls.tally.made, calls.ended, calls.open), (1, {"n1@10.20.0.100": True}, {}))

    def test_the_partner_ends_a_call_it_did_not_place(self):
        one, other = Calls(V, hold=1.0), Calls(V, hold=1.0)
        invite = Message.parse(one.place("n1", GATEWAY, 0.0)[0][0])
        for change in one.changes:
            other.learn(change)
        other.answer(invite.answer("200 OK", "t"), 0.2)
        bye = Message.parse(other.turn(1.2)[0][0])
        other.answer(bye.answer("200 OK"), 1.3)
        self.assertEqual(other.ended, {"n1@10.20.0.100": True})

    def test_a_call_that_is_never_answered_fails(self):
        calls = Calls(V, hold=1.0)
        calls.place("n1", GATEWAY, 0.0)
        for tenth in range(400):
            calls.turn(tenth / 10)
        self.assertEqual((calls.ended, calls.open), ({"n1@10.20.0.100": False}, {}))

    def test_late_ringing_does_not_take_an_answered_call_back(self):
        calls = Calls(V, hold=1.0)
        invite = Message.parse(calls.place("n1", GATEWAY, 0.0)[0][0])
        calls.answer(invite.answer("200 OK", "t"), 0.1)
        calls.answer(invite.answer("180 Ringing", "t"), 0.2)
        self.assertEqual(starts(calls.turn(1.1)), ["BYE sip:gateway@172.16.9.9:5060 SIP/2.0"])


class Text(unittest.TestCase):
    def test_a_stream_is_cut_by_content_length(self):
        message = request("INVITE")
        message.body = "v=0\r\n"
        whole = message.text().encode()
        stream = Stream()
        self.assertEqual(stream.feed(b"\r\n\r\n" + whole[:50]), [])
        self.assertEqual(stream.feed(whole[50:] + whole), [message.text(), message.text()])

    def test_what_is_no_sip_is_refused(self):
        for text in ("", "hello\r\n\r\n", "OPTIONS sip:v SIP/2.0\r\nno colon\r\n\r\n"):
            with self.assertRaises(Malformed):
                Message.parse(text)


if __name__ == "__main__":
    unittest.main()
