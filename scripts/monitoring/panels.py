"""What the dashboard shows: rows of panels, each with its expressions.

Owns: titles, expressions, units, and what a reader has to know of a panel. Never: Grafana's format (see `dashboard`).
`$instance` are the appliances that were chosen. A rate is taken over `$__rate_interval`, which Grafana makes four scrapes long.
"""

from dataclasses import dataclass, field

#: Which series: those of the appliances that were chosen.
OF = '{job="fairlead",instance=~"$instance"}'


def of(more: str) -> str:
    """The same, with more conditions."""
    return OF.replace("}", f",{more}}}")


BY_MONITOR = of('cause="monitor"')


def rate(metric: str, by: str = "", more: str = "") -> str:
    """A second's worth of a counter, summed over whatever is not named."""
    kept = f"instance,{by}" if by else "instance"
    return f"sum by ({kept}) (rate(fairlead_{metric}_total{of(more) if more else OF}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "instance") -> str:
    """A quantile of a histogram, over all workers."""
    return f"histogram_quantile({share}, sum by ({by},le) (rate(fairlead_{metric}_seconds_bucket{OF}[$__rate_interval])))"


@dataclass(frozen=True)
class Query:
    """An expression, and what its series are called."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """A picture. `width` and `height` in Grafana's units: a page is 24 wide. `red`: from which value on it is red.

    `states`: what 0 and 1 mean, where a series has no other values.
    """

    title: str
    queries: list[Query]
    kind: str = "timeseries"
    unit: str = "short"
    help: str = ""
    width: int = 8
    height: int = 8
    red: float | None = None
    states: tuple[str, str] | None = None
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    """Panels under a title; `is_folded`: they are shown when somebody asks."""

    title: str
    panels: list[Panel] = field(default_factory=list)
    is_folded: bool = False


def _number(title: str, expression: str, unit: str = "short", red: float | None = None, states=None, help: str = "") -> Panel:
    return Panel(title, [Query(expression, "{{instance}}")], "stat", unit, help, 4, 4, red, states)


def _lasting(title: str, queries: list[Query], states: tuple[str, str], help: str = "", width: int = 12) -> Panel:
    return Panel(title, queries, "state-timeline", "short", help, width, 8, None, states)


def _by_port(metric: str, factor: str = "") -> str:
    return rate(metric, "port") + factor


OVERVIEW = Row("Overview", [
    _number("Appliance", f"up{OF}", states=("not answering", "up")),
    _number("Virtual servers down", f"sum by (instance) (fairlead_virtual_server_enabled{OF} - fairlead_virtual_server_up{OF})", red=1,
            help="Without those that are disabled."),
    _number("Alarms", f"fairlead_alarms{OF}", red=1, help="`fairlead alarms` lists them, with what to do about each."),
    _number("Up for", f"fairlead_uptime_seconds{OF}", "s"),
    _number("Switchovers in 24 hours", f"round(sum by (instance) (increase(fairlead_switchovers_total{BY_MONITOR}[1d])))", red=1,
            help="Because of a monitor; `fairlead switchovers` says why."),
    Panel("Version", [Query(f"fairlead_build_info{OF}", "{{version}}")], "stat", "short", "", 4, 4),
    Panel("Frames forwarded", [Query(rate("transmitted_frames"), "{{instance}}")], unit="pps", help="Sent, its own frames among them."),
    Panel("Frames dropped", [Query(rate("dropped_frames"), "{{instance}}")], unit="pps", help="By reason: see below."),
    Panel("Flows", [Query(f"sum by (instance) (fairlead_flows{OF})", "{{instance}}")], help="Entries in the flow tables of all workers."),
])

SERVICE = Row("Virtual servers and members", [
    _lasting("Virtual servers", [Query(f"fairlead_virtual_server_up{OF}", "{{instance}} {{virtual_server}}")], ("down", "up")),
    _lasting("Members up", [Query(f"fairlead_member_up{OF}", "{{instance}} {{pool}} {{member}}")], ("down", "up"),
             "A standby that keeps its SIP ports closed is down until it takes over."),
    _lasting("Active members", [Query(f"fairlead_member_active{OF}", "{{instance}} {{pool}} {{member}}")], ("standby", "active")),
    _lasting("Enabled", [Query(f"fairlead_member_enabled{OF}", "{{instance}} {{pool}} {{member}}")], ("drained or offline", "enabled")),
    Panel("Flows by member", [
        Query(f"fairlead_member_flows{OF}", "{{instance}} {{member}}"),
        Query(f"fairlead_member_direct_flows{OF}", "{{instance}} {{member}}, to its own address"),
    ]),
    Panel("Time a probe takes", [Query(f"fairlead_probe_round_trip_seconds{OF}", "{{instance}} {{member}} {{monitor}}")], unit="s"),
    Panel("Probes", [
        Query(rate("probe_failure", "member,monitor"), "{{instance}} {{member}} {{monitor}}, failed"),
        Query(rate("probe_success", "member,monitor"), "{{instance}} {{member}} {{monitor}}, succeeded"),
    ], unit="ops"),
    Panel("Connections and limits", [
        Query(f"fairlead_virtual_server_connections{OF}", "{{instance}} {{virtual_server}}"),
        Query(f"fairlead_virtual_server_connection_limit{OF}", "{{instance}} {{virtual_server}}, limit"),
        Query(f"fairlead_member_connections{OF}", "{{instance}} {{member}}"),
        Query(f"fairlead_member_connection_limit{OF}", "{{instance}} {{member}}, limit"),
    ], help="Of those that have a limit."),
    Panel("Silent for", [Query(f"fairlead_member_udp_idle_seconds{OF}", "{{instance}} {{member}}")], unit="s",
          help="Since the last datagram of a service port from a member or to it; 0 while it is active. What a drained one still has."),
    Panel("Packets by virtual server", [Query(rate("virtual_server_packets", "virtual_server,direction"), "{{instance}} {{virtual_server}} {{direction}}")],
          unit="pps", help="With `[limits] traffic_counters`. In: towards members, out: from them."),
    Panel("Bits by virtual server", [Query(f'{rate("virtual_server_bytes", "virtual_server,direction")} * 8', "{{instance}} {{virtual_server}} {{direction}}")],
          unit="bps", help="Likewise, from the IP header on."),
    Panel("New connections by virtual server", [Query(rate("virtual_server_new_connections", "virtual_server"), "{{instance}} {{virtual_server}}")], unit="ops"),
])

FILTERS = Row("Filters and limits", [
    Panel("Refused by a filter", [Query(rate("dropped_frames", "reason", 'reason=~"virtual_server_denied|direct_access_denied"'), "{{instance}} {{reason}}")],
          unit="pps", help="`allow` of virtual servers, `[direct_access]`. `fairlead capture --verdict drop` shows whose."),
    Panel("New connections refused", [Query(
        rate("dropped_frames", "reason", 'reason=~"connection_limit|connection_rate_limit|half_open_limit|client_limit"'), "{{instance}} {{reason}}",
    )], unit="pps", help="By a limit of a member, a virtual server, a client or of all together. `fairlead alarms` names the one that is met."),
    Panel("Gave way", [Query(
        rate("events", "event", 'event=~"half_open_gave_way|flow_gave_way|client_uncounted"'), "{{instance}} {{event}}",
    )], unit="ops", help="Half-open connections at a limit, flows in a full table; clients that found no place to be counted in."),
])

CAPACITY = Row("Capacity", [
    Panel("Flow tables", [Query(f"fairlead_flows{OF} / fairlead_flows_max{OF}", "{{instance}} worker {{worker}}")], unit="percentunit", red=0.8,
          help="Of `flows_per_worker`. `fairlead flows --top 10` shows who has most."),
    Panel("Fragments that wait", [Query(f"fairlead_fragments{OF} / fairlead_fragments_max{OF}", "{{instance}} worker {{worker}}")], unit="percentunit",
          red=0.8, help="Of `fragments_per_worker`; when it is full, the oldest are dropped (`reassembly_full`)."),
    Panel("ARP table", [Query(f"fairlead_neighbours{OF} / fairlead_neighbours_max{OF}", "{{instance}}")], unit="percentunit", red=0.8,
          help="`fairlead neighbours` lists it."),
])

SWITCHOVERS = Row("Switchovers", [
    Panel("Switchovers", [Query(f"sum by (instance,cause) (increase(fairlead_switchovers_total{OF}[$__rate_interval]))", "{{instance}} {{cause}}")],
          help="By cause; in the time that one point stands for."),
    Panel("Duration of the latest", [Query(f"fairlead_last_switchover_duration_seconds{OF}", "{{instance}} {{pool}}")], unit="s",
          help="From the last good answer, or else the decision, to the last worker."),
    Panel("Time since the latest", [Query(f"time() - fairlead_last_switchover_timestamp_seconds{OF}", "{{instance}} {{pool}}")], unit="s"),
    Panel("Workers take up a change within", [
        Query(f"fairlead_snapshot_install_seconds{OF}", "{{instance}}, latest"),
        Query(f"fairlead_snapshot_install_max_seconds{OF}", "{{instance}}, longest"),
    ], unit="s"),
    Panel("Requests delivered again", [
        Query(rate("redelivery_delivered"), "{{instance}} delivered"),
        Query(rate("redelivery_discarded"), "{{instance}} discarded"),
        Query(rate("redelivery_expired"), "{{instance}} expired"),
        Query(rate("redelivery_full"), "{{instance}} no room"),
    ], unit="ops", help="SIP requests that a lost member had not answered, to the member that took over."),
    Panel("Hints", [Query(rate("hints"), "{{instance}}")], unit="ops",
          help="Signs in passing traffic that a member's state may have changed; each triggers a probe at once."),
])

TRAFFIC = Row("Traffic by port", [
    Panel("Frames received", [Query(_by_port("port_received_frames"), "{{instance}} {{port}}")], unit="pps", width=6),
    Panel("Frames sent", [Query(_by_port("port_transmitted_frames"), "{{instance}} {{port}}")], unit="pps", width=6),
    Panel("Bits received", [Query(_by_port("port_received_bytes", " * 8"), "{{instance}} {{port}}")], unit="bps", width=6),
    Panel("Bits sent", [Query(_by_port("port_transmitted_bytes", " * 8"), "{{instance}} {{port}}")], unit="bps", width=6),
    _lasting("Links", [Query(f"fairlead_port_up{OF}", "{{instance}} {{port}}")], ("down", "up"), width=6),
    Panel("Missed by the NIC", [Query(_by_port("port_missed_frames"), "{{instance}} {{port}}")], unit="pps", width=6,
          help="No worker took them in time."),
    Panel("Errors", [
        Query(_by_port("port_receive_errors"), "{{instance}} {{port}}, received"),
        Query(_by_port("port_transmit_errors"), "{{instance}} {{port}}, sent"),
    ], unit="pps", width=6),
    Panel("Link changes, resets, removals", [
        Query(f"fairlead_port_link_changes_total{OF}", "{{instance}} {{port}}, link changes"),
        Query(f"fairlead_port_device_resets_total{OF}", "{{instance}} {{port}}, resets"),
        Query(f"fairlead_port_device_removals_total{OF}", "{{instance}} {{port}}, removals"),
    ], width=6),
])

LATENCY = Row("Latency", [
    Panel("Forwarding latency", [Query(f"sum by (le) (increase(fairlead_forwarding_latency_seconds_bucket{OF}[$__rate_interval]))", "{{le}}")],
          "heatmap", "s", "Each frame sent, without its time in the NICs' rings.", 12),
    Panel("Loop iterations", [Query(f"sum by (le) (increase(fairlead_loop_duration_seconds_bucket{OF}[$__rate_interval]))", "{{le}}")],
          "heatmap", "s", "Those that did something.", 12),
    Panel("Forwarding latency, quantiles", [
        Query(quantile(share, "forwarding_latency"), f"{{{{instance}}}} {name}")
        for share, name in ((0.5, "half"), (0.99, "99 %"), (0.999, "99.9 %"))
    ], unit="s"),
    Panel("Longest loop iteration", [Query(f"fairlead_loop_duration_max_seconds{OF}", "{{instance}} worker {{worker}}")], unit="s",
          help="Since the start, or since `fairlead latency --reset`."),
    Panel("Stalls", [Query(rate("stalls", "worker"), "{{instance}} worker {{worker}}")], unit="ops",
          help="Loop iterations longer than the stall threshold."),
])

DROPS = Row("Drops by reason", [
    Panel("Dropped", [Query(f'{rate("dropped_frames", "reason")} > 0', "{{instance}} {{reason}}")], unit="pps", width=12, height=10, stacked=True,
          help="`fairlead counters --drops` explains each reason, `fairlead capture --verdict drop` shows the frames."),
    Panel("Dropped in the range shown", [
        Query(f"topk(20, sum by (instance,reason) (increase(fairlead_dropped_frames_total{OF}[$__range])) > 0)", "{{instance}} {{reason}}"),
    ], "bargauge", "short", "", 12, 10),
    Panel("Ignored", [Query(rate("ignored_frames", "reason"), "{{instance}} {{reason}}")], unit="pps", stacked=True,
          help="Background traffic of the links, which is no loss."),
    Panel("Passed to management", [Query(rate("punted_frames", "reason"), "{{instance}} {{reason}}")], unit="pps", stacked=True),
    Panel("Notable in traffic", [Query(rate("events", "event", 'event!=""'), "{{instance}} {{event}}")], unit="ops", stacked=True),
])

WORKERS = Row("Workers", [
    Panel("Busy", [Query(f"fairlead_worker_busy_ratio{OF}", "{{instance}} worker {{worker}}")], unit="percentunit", red=0.8),
    Panel("Frames received by worker", [Query(rate("received_frames", "worker"), "{{instance}} worker {{worker}}")], unit="pps", stacked=True),
    Panel("Bits received by worker", [Query(f'{rate("received_bytes", "worker")} * 8', "{{instance}} worker {{worker}}")], unit="bps", stacked=True),
    Panel("Flows by worker", [Query(f"fairlead_flows{OF}", "{{instance}} worker {{worker}}")], stacked=True),
    Panel("Waiting frames", [Query(f"fairlead_queued_frames{OF}", "{{instance}} worker {{worker}}")],
          help="For a next hop's MAC, for reassembly, for another member."),
    Panel("Handed off", [
        Query(rate("handed_off_frames", "worker"), "{{instance}} worker {{worker}}"),
        Query(rate("port_handed_off_frames", "port"), "{{instance}} port {{port}}"),
    ], unit="pps", help="Received by a worker that does not own them."),
])

SNAT = Row("SNAT ports", [
    Panel("Share in use", [Query(
        f"fairlead_snat_ports_used{OF} / (fairlead_snat_ports_used{OF} + fairlead_snat_ports_free{OF})", "{{instance}} {{address}} {{protocol}}",
    )], unit="percentunit", red=0.8),
    Panel("In use, and the most ever", [
        Query(f"fairlead_snat_ports_used{OF}", "{{instance}} {{address}} {{protocol}}"),
        Query(f"fairlead_snat_ports_peak{OF}", "{{instance}} {{address}} {{protocol}}, most"),
    ]),
    Panel("None left in", [Query(f"fairlead_snat_ports_exhausted_in_seconds{OF}", "{{instance}} {{address}} {{protocol}}")], unit="s",
          help="At the rate of the last minutes; nothing is shown if it will not come to that."),
    Panel("Refused for lack of a port", [Query(rate("snat_port_allocation_failures", "address,protocol"), "{{instance}} {{address}} {{protocol}}")],
          unit="ops"),
])

SIP = Row("SIP, where [sip] sample is set", [
    Panel("Requests", [Query(rate("sip_requests", "virtual_server,method"), "{{instance}} {{virtual_server}} {{method}}")], unit="ops",
          help="Multiply by the sample for what has passed."),
    Panel("Responses", [Query(rate("sip_responses", "virtual_server,class"), "{{instance}} {{virtual_server}} {{class}}")], unit="ops"),
    Panel("First response within", [
        Query(quantile(share, "sip_first_response", "instance,virtual_server"), f"{{{{instance}}}} {{{{virtual_server}}}} {name}")
        for share, name in ((0.5, "half"), (0.95, "95 %"))
    ], unit="s"),
    Panel("Unanswered, sent again", [
        Query(rate("sip_unanswered_requests", "virtual_server"), "{{instance}} {{virtual_server}} unanswered"),
        Query(rate("sip_retransmissions", "virtual_server,of"), "{{instance}} {{virtual_server}} {{of}} sent again"),
    ], unit="ops"),
    Panel("Read and not counted", [Query(rate("sip_not_counted_messages"), "{{instance}}")], unit="ops"),
    Panel("Sample", [Query(f"fairlead_sip_sample{OF}", "{{instance}}")], help="One of so many transactions is counted; 0: none."),
], is_folded=True)

ROUTING = Row("Routes and neighbours", [
    _lasting("Next hops", [
        Query(f"fairlead_next_hop_up{OF}", "{{instance}} {{route}} via {{via}}"),
        Query(f"fairlead_kernel_next_hop_up{OF}", "{{instance}} {{interface}} via {{via}}, learned"),
    ], ("silent", "answers")),
    _lasting("Advertised", [Query(f"fairlead_virtual_server_advertised{OF}", "{{instance}} {{virtual_server}}")], ("no", "yes")),
    Panel("Learned routes", [Query(f"fairlead_kernel_routes{OF}", "{{instance}} {{protocol}}, stale: {{stale}}")]),
    Panel("Neighbours", [Query(f"fairlead_neighbours{OF}", "{{instance}}")], help="Entries in the ARP table."),
    Panel("Neighbours without room", [Query(rate("neighbours_refused"), "{{instance}}")], unit="ops"),
], is_folded=True)

PAIR = Row("Pair", [
    _lasting("Active appliance", [Query(f"fairlead_pair_active{OF}", "{{pair}} {{instance}}")], ("standby", "active")),
    _lasting("The other one is heard", [Query(f"fairlead_pair_peer_connected{OF}", "{{pair}} {{instance}}")], ("no", "yes")),
    _lasting("In sync", [Query(f"fairlead_pair_in_sync{OF}", "{{pair}} {{instance}}")], ("no", "yes")),
    _lasting("Both active", [Query(f"1 - fairlead_pair_split{OF}", "{{pair}} {{instance}}")], ("split", "well")),
    Panel("Take-overs", [Query(f"increase(fairlead_pair_takeovers_total{OF}[$__rate_interval])", "{{pair}} {{instance}}")]),
    Panel("Latest take-over, settling", [
        Query(f"fairlead_pair_takeover_seconds{OF}", "{{pair}} {{instance}}, until every worker had it"),
        Query(f"fairlead_pair_settling{OF}", "{{pair}} {{instance}}, settling"),
    ], unit="s"),
    Panel("Behind", [
        Query(f"fairlead_pair_lag_seconds{OF}", "{{pair}} {{instance}}"),
    ], unit="s", help="How old the oldest change is that the other one does not have."),
    Panel("Changes on their way", [Query(f"fairlead_pair_lag_flows{OF}", "{{pair}} {{instance}}")]),
    _lasting("Connected to the other one", [Query(f"fairlead_pair_link_connected{OF}", "{{pair}} {{instance}}")], ("no", "yes"), width=8),
    Panel("Records of flows exchanged", [Query(rate("pair_sync_records", "pair,direction"), "{{pair}} {{instance}} {{direction}}")], unit="ops"),
    Panel("Full copies, and why", [
        Query(f"increase(fairlead_pair_sync_copies_total{OF}[$__rate_interval])", "{{pair}} {{instance}}, whole copies"),
        Query(f"increase(fairlead_pair_sync_breaks_total{OF}[$__rate_interval])", "{{pair}} {{instance}}, more changed than could be told"),
        Query(f"increase(fairlead_pair_sync_flows_left_out_total{OF}[$__rate_interval])", "{{pair}} {{instance}}, flows left out"),
    ], help="In the time that one point stands for."),
], is_folded=True)

HOST = Row("Host devices", [
    _lasting("As they are to be", [Query(f"fairlead_host_up{OF}", "{{instance}} {{device}}")], ("no", "yes")),
    _lasting("Carrier", [Query(f"fairlead_host_carrier{OF}", "{{instance}} {{device}}")], ("no", "yes")),
    Panel("Frames to and from the kernel", [
        Query(rate("host_to_kernel_frames", "device"), "{{instance}} {{device}}, to the kernel"),
        Query(rate("host_from_kernel_frames", "device"), "{{instance}} {{device}}, from the kernel"),
    ], unit="pps"),
    Panel("Bits to and from the kernel", [
        Query(f'{rate("host_to_kernel_bytes", "device")} * 8', "{{instance}} {{device}}, to the kernel"),
        Query(f'{rate("host_from_kernel_bytes", "device")} * 8', "{{instance}} {{device}}, from the kernel"),
    ], unit="bps"),
    Panel("Lost on the way to or from the kernel", [
        Query(rate("host_refused_frames", "device"), "{{instance}} {{device}}, the kernel did not take"),
        Query(rate("host_lost_frames", "device"), "{{instance}} {{device}}, no worker took"),
        Query(rate("host_frames_unclaimed"), "{{instance}}, for a device just taken away"),
    ], unit="pps"),
], is_folded=True)

MANAGEMENT = Row("Management", [
    Panel("Log lines lost", [Query(rate("log_lines_lost"), "{{instance}}")], unit="ops"),
    Panel("Own frames dropped", [Query(rate("management_frames_dropped"), "{{instance}}")], unit="pps",
          help="ARP and probes that no worker could take."),
    Panel("Probes that decided nothing", [Query(rate("probes_inconclusive"), "{{instance}}")], unit="ops"),
    Panel("Program of [notify]", [
        Query(rate("notify_run"), "{{instance}} run"),
        Query(rate("notify_failed"), "{{instance}} failed"),
        Query(rate("notify_dropped"), "{{instance}} not run"),
    ], unit="ops"),
    Panel("Own frames", [Query(rate("originated_frames"), "{{instance}}")], unit="pps", help="Probes, ARP, resets, ICMP errors."),
    Panel("Snapshots", [Query(rate("snapshots_installed"), "{{instance}}")], unit="ops", help="Changes that every worker has installed."),
], is_folded=True)

ROWS = [OVERVIEW, SERVICE, FILTERS, SWITCHOVERS, TRAFFIC, LATENCY, DROPS, CAPACITY, WORKERS, SNAT, SIP, ROUTING, PAIR, HOST, MANAGEMENT]
