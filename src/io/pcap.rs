//! Pcap.
