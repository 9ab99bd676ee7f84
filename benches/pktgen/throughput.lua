-- RFC 2544 26.1 with pktgen-dpdk: the highest rate at which nothing is lost, both directions at once, by halving.
-- First `fairlead.lua`, then this: `pktgen ... -f fairlead.lua`, and at its prompt `load throughput.lua`.

local sizes = { 64, 128, 256, 512, 1024, 1280, 1518 }
local trial, confirm, pause = 10000, 60000, 2000 -- milliseconds
local steps = 8                                  -- 100 % / 2^8: to within half a percent

local function count(what)
  local sum = 0
  for _, port in ipairs({ "0", "1" }) do
    sum = sum + pktgen.portStats(port, "port")[tonumber(port)][what]
  end
  return sum
end

local function good(rate, milliseconds)
  pktgen.clr()
  pktgen.set("0,1", "rate", rate)
  pktgen.start("0,1")
  pktgen.delay(milliseconds)
  pktgen.stop("0,1")
  pktgen.delay(pause)
  local sent, came = count("opackets"), count("ipackets")
  print(string.format("  %6.2f %%: sent %d, lost %d", rate, sent, sent - came))
  return sent > 0 and came >= sent
end

for _, size in ipairs(sizes) do
  for _, what in ipairs({ "start", "min", "max" }) do
    pktgen.range.pkt_size("0,1", what, size)
  end
  local low, high = 0, 100
  local rate = good(high, trial) and high or 0
  if rate == 0 then
    for _ = 1, steps do
      local middle = (low + high) / 2
      if good(middle, trial) then low = middle else high = middle end
    end
    rate = low
  end
  local held = rate > 0 and good(rate, confirm)
  print(string.format("%d bytes: %.2f %% of line rate, %s", size, rate, held and "confirmed" or "NOT confirmed"))
end
