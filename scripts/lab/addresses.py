"""The addresses of the lab: one place for who is who.

        phone 172.16.5.5 ──┐                                                       ┌── sip-a 10.20.0.11
      gateway 172.16.9.9 ──┤                     outer0          inner0            │
                           ├── router 192.0.2.1 ── appliance 192.0.2.2 | 10.20.0.1 ── switch
      config 172.16.1.20 ──┤                        VIP 10.20.0.100                │
     tclient 172.16.7.70 ──┘                                                       └── sip-b 10.20.0.12
"""

VIP = "10.20.0.100"
SIP_PORT = 5060
SIP_TLS_PORT = 5061

INNER_SELF = "10.20.0.1"
OUTER_SELF = "192.0.2.2"
ROUTER = "192.0.2.1"

#: Member name (also its host's name) to its physical address.
MEMBERS = {"sip-a": "10.20.0.11", "sip-b": "10.20.0.12"}

PHONE = "172.16.5.5"
GATEWAY = "172.16.9.9"
CONFIG_SERVER = "172.16.1.20"
T_CLIENT = "172.16.7.70"

#: Hosts behind the router, each in a /24 of its own whose first address is the router's.
BEHIND_ROUTER = {"phone": PHONE, "gateway": GATEWAY, "config": CONFIG_SERVER, "tclient": T_CLIENT}

#: Destinations to which the members show their physical address.
EXCLUDED = ["172.16.1.20/32", "172.16.2.0/24"]

#: Where members listen for T-clients, and the configuration server for members.
T_LIB_PORT = 7000
CONFIG_PORT = 2020


def other_member(name: str) -> str:
    """The name of the pair's other member."""
    return next(member for member in MEMBERS if member != name)
