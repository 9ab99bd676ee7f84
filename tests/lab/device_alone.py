"""What DPDK and the appliance's devices themselves need to be closed and open again: `python3 device_alone.py CORE DEVICE DEVICE`.

With Fairlead's memory, buffers and rings, and nothing else: no file is read, nothing is found out and no frame passes. Prints seconds from
before `rte_eal_init` until both ports are started, and from before the first is stopped until `rte_eal_cleanup` is back. What the kernel takes to
end one process, start another and load its libraries is in neither, so that it counts as the appliance's own.

Owns: the calls of DPDK. Never: what is compared with them.
"""

import ctypes
import ctypes.util
import os
import sys
import time
from pathlib import Path

from lab.appliance import FIRST, HOST, Setting
from lab.shell import LabError, run
from lab.toolchain import REPOSITORY
from lab.topology import Lab

#: `[dpdk] mbufs` by default, buffers that a worker keeps, room in each, and the length of a ring: src/dpdk/mempool.rs, port.rs.
MBUFS, CACHE, ROOM, RING = 65_535, 256, 2048 + 128, 1024
#: What DPDK is given then, in MB.
MEMORY = (MBUFS * (ROOM + 320) >> 20) + 193
#: More than `struct rte_eth_conf` of any release has; zeros are the defaults.
CONFIGURATION = bytes(16_384)


def device_time(lab: Lab, device: str = Setting.device) -> tuple[float, float]:
    """How long it takes to open the appliance's two devices and to close them, in seconds: for so long they are gone at the least. Nobody else
    may have them meanwhile. It runs before every other program, where the kernel allows that, as an appliance that is started `at_once`."""
    core = str(min(os.sched_getaffinity(0)))
    devices = [device.format(number=number, interface=name) for number, name in enumerate(("outer0", "inner0"))]
    first = FIRST if run([*FIRST, "true"], check=False).returncode == 0 else []
    words = [*first, "env", f"PYTHONPATH={REPOSITORY / 'scripts'}", sys.executable, __file__, core, *devices]
    said = lab.host(HOST).run(words, 30.0).stdout
    try:
        begin, end = (float(word) for word in said.splitlines()[-1].split())
    except (IndexError, ValueError) as error:
        raise LabError(f"DPDK alone did not say how long it took: {said}") from error
    return begin, end


def main(core: str, devices: list[str]) -> None:
    """Opens both, and closes them."""
    eal, ethernet, mbuf = (_library(name) for name in ("eal", "ethdev", "mbuf"))
    mbuf.rte_pktmbuf_pool_create.restype = ctypes.c_void_p
    words = ["alone", "--lcores", f"0@{core}", "--no-telemetry", "-m", str(MEMORY), "--file-prefix", f"alone-{os.getpid()}"]
    words += ["--no-huge", "--no-shconf", "--no-pci", *(f"--vdev={device}" for device in devices)]
    arguments = (ctypes.c_char_p * len(words))(*(word.encode() for word in words))
    began = time.monotonic()
    _is_well(eal.rte_eal_init(len(words), arguments))
    pool = mbuf.rte_pktmbuf_pool_create(b"alone", MBUFS, CACHE, 0, ctypes.c_uint16(ROOM), -1)
    for port in range(len(devices)):
        _is_well(ethernet.rte_eth_dev_configure(port, 1, 1, CONFIGURATION))
        _is_well(ethernet.rte_eth_rx_queue_setup(port, 0, RING, -1, None, ctypes.c_void_p(pool)))
        _is_well(ethernet.rte_eth_tx_queue_setup(port, 0, RING, -1, None))
        _is_well(ethernet.rte_eth_dev_start(port))
    opened = time.monotonic()
    time.sleep(0.2)
    closing = time.monotonic()
    for port in range(len(devices)):
        _is_well(ethernet.rte_eth_dev_stop(port))
        _is_well(ethernet.rte_eth_dev_close(port))
    _is_well(eal.rte_eal_cleanup())
    print(opened - began, time.monotonic() - closing)


def _library(name: str) -> ctypes.CDLL:
    """The newest that is installed, for others that are loaded after it as well."""
    found = sorted(Path("/usr/lib").glob(f"*-linux-gnu/librte_{name}.so.*"))
    assert found, f"librte_{name} is not installed"
    return ctypes.CDLL(str(found[-1]), ctypes.RTLD_GLOBAL)


def _is_well(result: int) -> None:
    assert result >= 0, f"DPDK: {os.strerror(-result)}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
