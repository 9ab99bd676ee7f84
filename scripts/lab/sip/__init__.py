"""A hot-standby pair of SIP Servers, small: what stands behind the appliance in the lab.

`message` is the text, `calls` the call states without sockets or clocks, `member` the program with both,
`pair` the lab's handle on two of them.
"""
