"""SIP stacks of others as members, as Debian packages them and with the configuration they come with, or the least they need.

Owns: their configurations and processes. Never: what a monitor should say of them.
"""

import subprocess
from collections.abc import Callable

from . import addresses
from .host import Program
from .shell import LabError
from .topology import Lab

#: What they are called, and how each is started: for a host's address, the words of a command line.
Command = Callable[[Lab, str], list[str]]

PORT = addresses.SIP_PORT

#: FreeSWITCH's stack answers OPTIONS by itself.
SOFIA = r"""
#include <sofia-sip/nua.h>

static void on_event(nua_event_t event, int status, char const *phrase, nua_t *nua, nua_magic_t *magic, nua_handle_t *handle,
                     nua_hmagic_t *its, sip_t const *sip, tagi_t tags[])
{
}

int main(int argc, char **argv)
{
    su_init();
    su_root_t *root = su_root_create(NULL);
    if (!nua_create(root, on_event, NULL, NUTAG_URL(argv[1]), TAG_END()))
        return 1;
    su_root_run(root);
    return 0;
}
"""

BARESIP = """\
sip_listen {address}:{port}
module_path /usr/lib/baresip/modules
module g711.so
module_app account.so
"""

LINPHONE = """\
[sip]
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
"""

NET_SIP = """\
use strict;
use Net::SIP;
my $ua = Net::SIP::Simple->new(leg => Net::SIP::Leg->new(addr => $ARGV[0], port => $ARGV[1]));
$ua->listen;
$ua->loop;
"""

SIPP = """\
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="answers OPTIONS">
  <recv request="OPTIONS"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


def kamailio(lab: Lab, address: str) -> list[str]:
    """The package's own configuration, on one address."""
    runtime = lab.file("kamailio.run")
    runtime.mkdir(exist_ok=True)
    words = ["kamailio", "-f", "/etc/kamailio/kamailio.cfg", "-l", f"udp:{address}:{PORT}"]
    return [*words, "-DD", "-E", "-Y", str(runtime), "-m", "32", "-M", "4"]


def sofia(lab: Lab, address: str) -> list[str]:
    """The least program on the library."""
    source, program = lab.file("sofia.c"), lab.file("sofia")
    source.write_text(SOFIA)
    flags = _output("pkg-config", "--cflags", "--libs", "sofia-sip-ua").split()
    _output("gcc", "-o", str(program), str(source), *flags)
    return [str(program), f"sip:{address}:{PORT}"]


def baresip(lab: Lab, address: str) -> list[str]:
    """One account that registers nowhere."""
    folder = lab.file("baresip")
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(BARESIP.format(address=address, port=PORT))
    (folder / "accounts").write_text(f"<sip:lab@{address}>;regint=0\n")
    (folder / "contacts").write_text("")
    return ["baresip", "-f", str(folder)]


def linphone(lab: Lab, address: str) -> list[str]:
    """It ends with its input, which therefore never ends; and wants a folder for its database."""
    file, commands, home = (lab.file(f"linphone.{what}") for what in ("rc", "commands", "home"))
    file.write_text(LINPHONE.format(port=PORT))
    _output("mkfifo", str(commands))
    (home / ".local/share/linphone").mkdir(parents=True)
    return ["sh", "-c", f'HOME="{home}" exec linphonec -c "{file}" <>"{commands}"']


def net_sip(lab: Lab, address: str) -> list[str]:
    """The least program on the Perl module."""
    program = lab.file("net-sip.pl")
    program.write_text(NET_SIP)
    return ["perl", str(program), address, str(PORT)]


def sipp(lab: Lab, address: str) -> list[str]:
    """A scenario for OPTIONS: the ones it comes with have none."""
    scenario = lab.file("options.xml")
    scenario.write_text(SIPP)
    return ["sipp", "-sf", str(scenario), "-i", address, "-p", str(PORT), "-nostdin"]


def start(lab: Lab, member: str, command: Command) -> Program:
    """Starts one on a member's host."""
    words = command(lab, addresses.MEMBERS[member])
    return lab.start(member, f"{command.__name__}-{member}", words)


def _output(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(argv)}` ended with {done.returncode}: {done.stderr}")
    return done.stdout
