"""The lab: a deployment of Fairlead in network namespaces, with real SIP programs around it.

Read first: `addresses` (who is who), `topology` (the wires), `appliance` (Fairlead in the lab), `demo` (the sequence of events).
Standard library only. Everything needs root, and everything a lab creates carries its id, so labs can run side by side.
"""
