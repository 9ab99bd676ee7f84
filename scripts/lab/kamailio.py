"""Kamailio as a member, with its dispatcher pinging a gateway: the usual set-up on both nodes of a pair, or on each of several that share
the work.

Owns: its configuration and its process. Never: what the gateway or the appliance should do with what it sends.
"""

from . import addresses
from .host import Program
from .topology import Lab

#: `advertise` decides what stands in the topmost Via: the member's own address, or the one that both share.
CONFIGURATION = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
listen=udp:{address}:{port} advertise {advertised}:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "dispatcher.so"
modparam("dispatcher", "list_file", "{targets}")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_ping_from", "sip:{name}@lab.example")
request_route {{
    if (method == "OPTIONS") {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (method != "ACK") sl_send_reply("{code}", "{name}");
}}
"""


def start(
    lab: Lab, member: str, gateway: tuple[str, int], advertised: str, address: str | None = None, code: int = 480
) -> Program:
    """Starts one on a member's host, at its address. It answers OPTIONS, and all else with `code` and its name for a reason, and asks the
    gateway each second whether it lives; what it writes into Via is `advertised`."""
    targets, file, runtime = (lab.file(f"{member}.{what}") for what in ("dispatcher.list", "kamailio.cfg", "run"))
    targets.write_text("1 sip:{}:{}\n".format(*gateway))
    runtime.mkdir(exist_ok=True)
    file.write_text(CONFIGURATION.format(
        address=address or addresses.MEMBERS[member], code=code, port=addresses.SIP_PORT, advertised=advertised, name=member, targets=targets
    ))
    command = ["kamailio", "-f", str(file), "-DD", "-E", "-Y", str(runtime), "-m", "32", "-M", "4"]
    return lab.start(member, f"kamailio-{member}", command)
