-- Service UDP and outbound UDP for pktgen-dpdk, to be given with `-f`. Port 0 plays the router, port 1 sip-a; the network is
-- that of ../trex/fairlead.toml. Change the four MACs: `fairlead ports` on the box, and pktgen's own main page.

local box   = { ["0"] = "02:00:00:00:0f:00", ["1"] = "02:00:00:00:0f:01" } -- Fairlead's outer and inner port
local mine  = { ["0"] = "02:00:00:00:00:08", ["1"] = "02:00:00:00:01:0b" } -- pktgen's ports
local peers = { first = "172.20.0.1", last = "172.20.15.255" }             -- 4,095 addresses
local vip, member, service = "10.20.0.100", "10.20.0.11", 5060

local function address(port, which, first, last)
  local set = pktgen.range[which]
  set(port, "start", first)
  set(port, "min", first)
  set(port, "max", last)
  set(port, "inc", first == last and "0.0.0.0" or "0.0.0.1")
end

local function number(port, which, value)
  local set = pktgen.range[which]
  for _, what in ipairs({ "start", "min", "max" }) do
    set(port, what, value)
  end
  set(port, "inc", 0)
end

local function common(port)
  pktgen.range.dst_mac(port, "start", box[port])
  pktgen.range.src_mac(port, "start", mine[port])
  pktgen.range.ip_proto(port, "udp")
  number(port, "pkt_size", 64)
  pktgen.set(port, "count", 0)
  pktgen.set(port, "rate", 10)
end

-- The world: peers to the virtual address.
common("0")
address("0", "src_ip", peers.first, peers.last)
address("0", "dst_ip", vip, vip)
number("0", "src_port", 20000)
number("0", "dst_port", service)

-- sip-a: an answer to each.
common("1")
address("1", "src_ip", member, member)
address("1", "dst_ip", peers.first, peers.last)
number("1", "src_port", service)
number("1", "dst_port", 20000)

pktgen.set_range("0,1", "on")
