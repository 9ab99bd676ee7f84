//! What an operator reads when the machine is not as the file says.

#![cfg(feature = "dpdk")]

mod dpdk_support;

use dpdk_support::*;

#[test]
fn devices() {
    let said = in_own_process("devices", || {
        let eal = start();
        for device in [
            "net_nosuch0",
            "nonsense",
            "",
            "net_af_packet0",
            "net_af_packet0,iface=nosuch0",
            "net_af_packet0,iface=lo,framesz=x",
            "net_pcap0,rx_pcap=/nonexistent.pcap",
            "0000:ff:1f.7",
            "net_null0,size=x,nosuch=1",
            "net_memif0,role=x",
            "net_tap0,iface=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "net_vhost0",
            "net_ring0,nodeaction=x",
            "net_pcap0,rx_iface=nosuch0",
            "net_pcap0",
            "net_af_xdp0,iface=lo",
            "net_virtio_user0,path=/nosuch",
        ] {
            match open(&eal, &[device], 2) {
                Ok(ports) => println!("ok  {device} {:?}", ports.facts()),
                Err(error) => println!("err {error}"),
            }
        }
    });
    println!("{said}");
}
