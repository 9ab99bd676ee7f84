"""The dashboard that is in dpdk-config/monitoring: what it shows, and how Grafana wants that written down."""
