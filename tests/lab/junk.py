"""First fragments of datagrams that never go on: `python3 junk.py VIP COUNT`, from the router's outer interface.

They say to be SIP for the virtual server, each from its own source and with a random identification, sent as they are.
"""

import random
import socket
import sys
import time

import fragments

BURST, PAUSE = 50, 0.005


def main() -> None:
    """Sends them in bursts, so that rings of this lab's size have a chance."""
    vip, count = sys.argv[1], int(sys.argv[2])
    chance = random.Random(68)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as router:
        for number in range(count):
            source = f"172.16.5.{chance.randrange(6, 255)}"
            whole = fragments.udp_datagram((source, chance.randrange(1024, 65536)), (vip, 5060), b"x" * 1472)
            piece = fragments.fragment(source, vip, chance.randrange(1, 65536), 0, whole, more=True)
            router.sendto(piece, (vip, 0))
            if number % BURST == 0:
                time.sleep(PAUSE)
    print(f"sent {count}")


if __name__ == "__main__":
    main()
