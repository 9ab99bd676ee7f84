"""The recipes for the log on a remote host and for SNMP: rsyslog and net-snmp as Debian packages them, with the text of the handbook's own
pages, beside an appliance that the handbook's first chapters have started."""

import re
import unittest

from handbook.pages import SHIPPED, SOURCE, Block, blocks, chapters
from handbook.room import Room
from handbook.session import play
from handbook.transcript import exchanges, matches
from lab.appliance import binary
from lab.shell import need_programs

#: What takes the log in the remote host's place: it keeps all that comes.
LISTENER = """
import socket, sys
listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    connection, _ = listening.accept()
    with connection, open("/tmp/arrived", "ab", buffering=0) as arrived:
        while came := connection.recv(65536):
            arrived.write(came)
"""
#: As Debian's /etc/rsyslog.conf, but for the socket: /dev/log is this machine's.
RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/run/log.sock")
$WorkDirectory /var/spool/rsyslog
$IncludeConfig /etc/rsyslog.d/fairlead.conf
"""
#: The file of the syslog page, and the one that it goes to.
FORWARD = "/etc/rsyslog.d/fairlead.conf"
#: RFC 5424, 6.5: priority, version, time, host, program.
MESSAGE = re.compile(r"^<\d+>1 \d{4}-\d\d-\d\dT\S+ \S+ fairlead \S+ \S+ \S+ .* event=(\S+)$", re.MULTILINE)


def texts(recipe: str) -> list[str]:
    """What the page of a recipe says to write, file by file."""
    return [block.text for block in blocks(SHIPPED / recipe / "README.md") if block.language == "text"]


def typed(recipe: str) -> list[Block]:
    """What it shows of a session."""
    return [block for block in blocks(SHIPPED / recipe / "README.md") if block.language == "console"]


class Recipes(unittest.TestCase):
    room: Room

    @classmethod
    def setUpClass(cls):
        need_programs("rsyslogd", "snmpd", "snmpget")
        cls.room = cls.enterClassContext(Room(binary()))
        pages = chapters()
        for outcome in play(cls.room, pages[: pages.index(SOURCE / "first-calls.md") + 1]):
            if not outcome.is_well:
                raise AssertionError(f"{outcome.block.place}: {outcome.exchange.command}:\n{outcome.came}")

    def type(self, command: str) -> str:
        code, came = self.room.type(command)
        self.assertEqual(code, 0, f"{command}:\n{came}")
        return came

    def soon(self, command: str) -> str:
        """Once it ends well."""
        return self.type(f"for _ in $(seq 100); do ( {command} ) >/tmp/soon 2>&1 && break || sleep 0.1; done; cat /tmp/soon; ( {command} ) >/dev/null")

    def test_rsyslog_sends_what_fairlead_logs_and_nothing_else(self):
        [forward] = texts("syslog")
        target, port = re.search(r'target="([^"]+)" port="(\d+)"', forward).groups()
        self.type(f"ip address add {target}/32 dev lo")
        self.room.write("/tmp/listener.py", LISTENER)
        self.type(f"python3 /tmp/listener.py {target} {port} &")
        self.soon(f"ss -Hltn | grep {target}:{port}")
        self.room.write(FORWARD, forward)
        self.room.write("/etc/rsyslog.conf", RSYSLOG)
        self.type("mkdir -p /var/spool/rsyslog; rsyslogd -N1")
        self.type("rsyslogd -n -i /run/rsyslogd.pid >/tmp/rsyslogd.log 2>&1 &")
        self.soon("test -S /run/log.sock")
        log = self.type("cat /tmp/fairlead.log")
        self.type("logger -u /run/log.sock -t another 'event=of-another'")
        self.type("logger -u /run/log.sock -t fairlead -f /tmp/fairlead.log")
        self.soon("grep -q event=switchover /tmp/arrived")
        expected = re.findall(r" event=(\S+)$", log, re.MULTILINE)
        self.soon(f"test $(grep -c event= /tmp/arrived) -ge {len(expected)}")
        arrived = self.type("cat /tmp/arrived")
        self.assertEqual(MESSAGE.findall(arrived), expected)
        self.assertGreater(len(expected), 5)
        self.assertNotIn("of-another", arrived)

    def test_what_the_remote_host_does_not_take_is_kept_over_a_restart_of_rsyslog(self):
        [forward] = texts("syslog")
        target = re.search(r'target="([^"]+)"', forward)[1]
        # In another place than the other test's.
        self.room.write("/tmp/kept.conf", RSYSLOG.replace("/run/log", "/run/kept").replace("fairlead.conf", "kept.conf"))
        elsewhere = forward.replace(target, "127.0.0.9").replace('filename="fairlead"', 'filename="kept"')
        self.room.write("/etc/rsyslog.d/kept.conf", elsewhere)
        start = "rsyslogd -n -f /tmp/kept.conf -i /run/kept.pid >/tmp/kept.log 2>&1 &"
        self.type(f"mkdir -p /var/spool/rsyslog; {start}")
        self.soon("test -S /run/kept.sock")
        self.type("logger -u /run/kept.sock -t fairlead 'kept event=note'")
        self.type("sleep 1; kill $(cat /run/kept.pid); while [ -e /run/kept.pid ]; do sleep 0.1; done")
        self.room.write("/tmp/listener-kept.py", LISTENER.replace("/tmp/arrived", "/tmp/arrived-kept"))
        self.type("python3 /tmp/listener-kept.py 127.0.0.9 514 &")
        # One that is not there yet is asked again after 30 s.
        self.soon("ss -Hltn | grep 127.0.0.9:514")
        self.type(start)
        self.soon("grep -q 'kept event=note' /tmp/arrived-kept")

    def test_snmpd_answers_with_what_the_commands_say(self):
        [extends] = texts("snmp")
        # As Debian has it, with what the page says to add.
        self.type("test -s /etc/snmp/snmpd.conf")
        self.room.write("/tmp/snmp-added", extends)
        self._says_what_the_page_says("")

    def test_snmpd_without_root_asks_over_the_read_only_socket(self):
        socket = "/run/fairlead/ro.sock"
        self.type("getent group fairlead-ro >/dev/null || groupadd --system fairlead-ro; usermod -aG fairlead-ro Debian-snmp")
        keys = f'admin_socket_ro = "{socket}"\\nadmin_group_ro = "fairlead-ro"'
        self.type(f"sed -i 's|^name = \"lead-1\"|&\\n{keys}|' /etc/fairlead/fairlead.toml")
        self.type("ip netns pids lead | xargs kill; wait %?fairlead")
        self.type("ip netns exec lead fairlead run --config /etc/fairlead/fairlead.toml 2>/tmp/again.log &")
        self.soon("fairlead alarms --check | grep '2 members answer'")
        [extends] = texts("snmp")
        self.room.write("/tmp/snmp-added", extends.replace("bin/fairlead", f"bin/fairlead --socket {socket}"))
        self._says_what_the_page_says("-u Debian-snmp -g Debian-snmp")

    def _says_what_the_page_says(self, who: str) -> None:
        """snmpd with Debian's file and what stands in /tmp/snmp-added."""
        self.type("cat /etc/snmp/snmpd.conf /tmp/snmp-added >/tmp/snmpd.conf; chown -R Debian-snmp /var/lib/snmp")
        self.type(f"snmpd -f -C -c /tmp/snmpd.conf -Lf /tmp/snmpd.log -p /run/snmpd.pid {who} &")
        for block in typed("snmp"):
            for exchange in exchanges(block):
                came = self.soon(f"{exchange.command} | grep -v 'No Such'")
                self.assertTrue(matches(exchange.said, came), f"{exchange.command}:\n{came}")
        self.type("kill $(cat /run/snmpd.pid); wait %?snmpd; true")


if __name__ == "__main__":
    unittest.main()
