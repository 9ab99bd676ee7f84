"""Prints the dashboard: `PYTHONPATH=scripts python3 -m monitoring > dpdk-config/monitoring/fairlead.json`."""

import sys

from .dashboard import text

sys.stdout.write(text())
