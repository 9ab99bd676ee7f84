"""The lab: a deployment of Fairlead in network namespaces, with real SIP programs around it.

Read first: `addresses` (who is who), `topology` (the wires), `appliance` (Fairlead in its place), `demo` (the story).
Standard library only. Everything needs root, and everything a lab makes carries its id, so two labs run side by side.
"""
