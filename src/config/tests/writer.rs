//! A configuration as a file that means it, every key written.

use crate::config::{Configuration, Settings, codes_text, duration_text, listen_text};
use crate::policy::intent::*;
use std::fmt::Display;

/// The file that means `configuration`.
pub(super) fn written(configuration: &Configuration) -> String {
    let Configuration { settings, intent, .. } = configuration;
    let mut file = Lines(String::new());
    appliance(&mut file, settings);
    ports(&mut file, intent);
    interfaces(&mut file, intent);
    routes(&mut file, intent);
    neighbours(&mut file, intent);
    intent.monitors.iter().for_each(|entry| monitor(&mut file, entry));
    intent.pools.iter().for_each(|entry| pool(&mut file, intent, entry));
    intent.virtual_servers.iter().for_each(|entry| server(&mut file, intent, entry));
    intent.snats.iter().for_each(|entry| snat(&mut file, intent, entry));
    direct_access(&mut file, intent);
    limits(&mut file, intent);
    intent.pair.iter().for_each(|entry| pair(&mut file, entry));
    file.0
}

struct Lines(String);

impl Lines {
    fn header(&mut self, header: &str) {
        self.0 += &format!("{header}\n");
    }

    fn bare(&mut self, key: &str, value: impl Display) {
        self.0 += &format!("{key} = {value}\n");
    }

    fn text(&mut self, key: &str, value: impl Display) {
        self.bare(key, quoted(value));
    }

    fn texts<T: Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.bare(key, format!("[{}]", values.into_iter().map(quoted).collect::<Vec<_>>().join(", ")));
    }

    fn optional(&mut self, key: &str, value: Option<impl Display>) {
        value.into_iter().for_each(|value| self.bare(key, value));
    }
}

fn quoted(value: impl Display) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", value.to_string().chars().map(escape).collect::<String>())
}

fn appliance(file: &mut Lines, settings: &Settings) {
    file.header("[appliance]");
    file.text("name", &settings.name);
    file.bare("recorder_mib", settings.recorder_mib);
    file.text("admin_socket", settings.admin_socket.display());
    file.optional("admin_group", settings.admin_group.as_ref().map(quoted));
    file.optional("admin_socket_ro", settings.admin_socket_ro.as_ref().map(|path| quoted(path.display())));
    file.optional("admin_group_ro", settings.admin_group_ro.as_ref().map(quoted));
    file.optional("state", settings.state.as_ref().map(|path| quoted(path.display())));
    file.optional("handover", settings.handover.as_ref().map(|path| quoted(path.display())));
    file.optional("metrics", settings.metrics.map(quoted));
    file.text("log", settings.log);
    file.text("log_format", settings.log_format);
    file.header("[notify]");
    file.texts("command", &settings.notify.command);
    file.texts("events", &settings.notify.events);
    file.text("timeout", duration_text(settings.notify.timeout));
    file.header("[routes]");
    file.text("device", &settings.routes.device);
    file.text("stop_delay", duration_text(settings.routes.stop_delay));
    file.bare("from_kernel", settings.routes.from_kernel);
    file.bare("table", settings.routes.table);
    file.texts("protocols", &settings.routes.protocols);
    file.bare("limit", settings.routes.limit);
    file.text("stale_time", duration_text(settings.routes.stale_time));
    file.header("[cores]");
    file.bare("management", settings.cores.management);
    file.bare("workers", format!("{:?}", settings.cores.workers));
    file.text("idle", settings.cores.idle);
    file.text("stall_threshold", duration_text(settings.cores.stall_threshold));
    file.header("[dpdk]");
    file.bare("hugepages", settings.dpdk.hugepages);
    file.texts("eal", &settings.dpdk.eal);
    file.bare("mbufs", settings.dpdk.mbufs);
    file.bare("memory_mib", settings.dpdk.memory_mib);
}

fn ports(file: &mut Lines, intent: &Intent) {
    for port in &intent.ports {
        file.header("[[port]]");
        file.text("name", &port.name);
        file.text("device", &port.device);
        file.bare("mtu", port.mtu);
        file.optional("queues", port.queues);
    }
}

fn interfaces(file: &mut Lines, intent: &Intent) {
    for interface in intent.interfaces.iter() {
        file.header("[[interface]]");
        file.text("name", &interface.name);
        file.text("port", &intent.ports[usize::from(interface.port.0)].name);
        file.optional("vlan", interface.vlan);
        file.texts("addresses", &interface.addresses);
        file.bare("mtu", interface.mtu);
        file.optional("mss", interface.mss);
        file.optional("host", interface.host.as_ref().map(quoted));
        file.texts("floating", &interface.floating);
        file.optional("vrid", interface.vrid);
    }
}

fn pair(file: &mut Lines, pair: &Pair) {
    file.header("[pair]");
    file.optional("keepalived", pair.keepalived.as_ref().map(quoted));
    file.bare("keepalived_config", quoted(&pair.keepalived_config));
    file.optional("instance", pair.instance.as_ref().map(quoted));
    file.text("role", pair.role);
    file.bare("priority", pair.priority);
    file.bare("virtual_mac", pair.virtual_mac);
    file.text("settle", duration_text(pair.settle));
    file.optional("peer", pair.peer.map(quoted));
    file.optional("listen", pair.listen.map(quoted));
    let Pair { certificate, key, peer_certificate, .. } = pair;
    for (name, pem) in [("certificate", certificate), ("key", key), ("peer_certificate", peer_certificate)] {
        file.optional(name, pem.as_ref().map(|pem| quoted(&pem.path)));
    }
}

fn routes(file: &mut Lines, intent: &Intent) {
    for route in &intent.routes {
        file.header("[[route]]");
        file.text("to", if route.to.prefix_len() == 0 { "default".into() } else { route.to.to_string() });
        file.text("via", route.via);
    }
}

fn neighbours(file: &mut Lines, intent: &Intent) {
    for entry in &intent.neighbours {
        file.header("[[neighbour]]");
        file.text("address", entry.address);
        file.optional("mac", entry.mac.map(quoted));
        file.bare("trusted", entry.trusted);
    }
}

fn monitor(file: &mut Lines, monitor: &Monitor) {
    file.header("[[monitor]]");
    file.text("name", &monitor.name);
    file.optional("address", monitor.address.map(quoted));
    file.optional("source", monitor.source.map(quoted));
    file.text("interval", duration_text(monitor.interval));
    file.text("timeout", duration_text(monitor.timeout));
    file.bare("rise", monitor.rise);
    file.bare("fall", monitor.fall);
    file.text("patience", duration_text(monitor.patience));
    let (kind, port) = match &monitor.kind {
        MonitorKind::Icmp => ("icmp", None),
        MonitorKind::Tcp { port } => ("tcp", Some(*port)),
        MonitorKind::TcpHalfOpen { port } => ("tcp-half-open", Some(*port)),
        MonitorKind::Udp { port, send, receive } => {
            for (key, bytes) in [("send", send), ("receive", receive)] {
                let text = String::from_utf8_lossy(bytes);
                file.optional(key, Some(quoted(&text)).filter(|_| !text.is_empty()));
            }
            ("udp", Some(*port))
        }
        MonitorKind::Sip(probe) => {
            sip(file, probe);
            ("sip", Some(probe.port))
        }
        MonitorKind::External(probe) => {
            file.text("command", &probe.command);
            file.texts("arguments", &probe.arguments);
            file.text("up_when", probe.up_when);
            ("external", probe.port)
        }
        MonitorKind::Http(probe) => {
            http(file, probe);
            (if probe.tls.is_some() { "https" } else { "http" }, Some(probe.port))
        }
    };
    file.text("kind", kind);
    file.optional("port", port);
}

fn sip(file: &mut Lines, probe: &SipProbe) {
    file.text("transport", probe.transport);
    file.optional("host", probe.host.as_ref().map(quoted));
    file.optional("user", probe.user.as_ref().map(quoted));
    file.optional("to", probe.to.as_ref().map(quoted));
    file.optional("from", probe.from.as_ref().map(quoted));
    file.optional("user_agent", probe.user_agent.as_ref().map(quoted));
    file.texts("up_codes", probe.up_codes.iter().map(|range| codes_text(*range)));
    file.texts("down_codes", probe.down_codes.iter().map(|range| codes_text(*range)));
    let Roles { standby_codes, active_header, standby_header } = &*probe.roles;
    file.texts("standby_codes", standby_codes.iter().map(|range| codes_text(*range)));
    file.optional("active_header", active_header.as_ref().map(quoted));
    file.optional("standby_header", standby_header.as_ref().map(quoted));
    tls(file, &probe.tls);
    file.optional("handshake", Some(quoted(probe.tls.handshake)).filter(|_| probe.transport == SipTransport::Tls));
}

fn tls(file: &mut Lines, probe: &TlsProbe) {
    let TlsProbe { certificate, key, verify, ca, server_name, .. } = probe;
    for (name, pem) in [("certificate", certificate), ("key", key), ("ca", ca)] {
        file.optional(name, pem.as_ref().map(|pem| quoted(&pem.path)));
    }
    file.optional("verify", Some(verify).filter(|verify| **verify));
    file.optional("server_name", server_name.as_ref().map(quoted));
}

fn http(file: &mut Lines, probe: &HttpProbe) {
    file.text("method", &probe.method);
    file.text("path", &probe.path);
    file.optional("host", probe.host.as_ref().map(quoted));
    file.texts("up_codes", probe.up_codes.iter().map(|range| codes_text(*range)));
    file.texts("down_codes", probe.down_codes.iter().map(|range| codes_text(*range)));
    let receive = String::from_utf8_lossy(&probe.receive);
    file.optional("receive", Some(quoted(&receive)).filter(|_| !receive.is_empty()));
    if let Some(probe) = &probe.tls {
        tls(file, probe);
        file.text("handshake", probe.handshake);
    }
}

fn pool(file: &mut Lines, intent: &Intent, pool: &Pool) {
    let members = pool.members.iter().map(|id| &intent.members[id.index()]);
    let members = members.map(|member| {
        let Member { name, address, weight, priority, connection_limit, connection_rate_limit, admin_state, .. } =
            member;
        format!(
            "{{ name = \"{name}\", address = \"{address}\", weight = {weight}, priority = {priority}, \
             connection_limit = {connection_limit}, connection_rate_limit = {connection_rate_limit}, \
             admin_state = \"{admin_state}\" }}"
        )
    });
    // A key that another leaves without effect would be warned about.
    let (fails_back, damps) = (pool.fail_back != FailBack::Never, pool.flap_count > 0);
    file.header("[[pool]]");
    file.text("name", &pool.name);
    file.text("mode", pool.mode);
    file.text("persistence", pool.persistence);
    file.bare("min_active", pool.min_active);
    file.text("slow_start", duration_text(pool.slow_start));
    file.bare("members", format!("[{}]", members.collect::<Vec<_>>().join(", ")));
    file.texts("monitors", pool.monitors.iter().map(|id| &intent.monitors[id.index()].name));
    file.bare("require", pool.require);
    file.text("fail_back", pool.fail_back);
    file.optional("fail_back_after", fails_back.then(|| quoted(duration_text(pool.fail_back_after))));
    file.optional("fail_back_window", pool.fail_back_window.map(|window| quoted(window.to_string())));
    file.bare("on_down", format!("{{ udp = \"{}\", tcp = \"{}\" }}", pool.on_down_udp, pool.on_down_tcp));
    file.text("no_member", pool.no_member);
    file.text("gap", duration_text(pool.gap));
    file.bare("flap_count", pool.flap_count);
    file.optional("flap_window", damps.then(|| quoted(duration_text(pool.flap_window))));
    file.optional("flap_quiet", damps.then(|| quoted(duration_text(pool.flap_quiet))));
    file.bare("manual_resume", pool.manual_resume);
}

fn server(file: &mut Lines, intent: &Intent, server: &VirtualServer) {
    file.header("[[virtual_server]]");
    file.text("name", &server.name);
    file.text("address", server.address);
    file.text("pool", &intent.pools[server.pool.index()].name);
    file.texts("listen", server.listen.iter().map(|listen| listen_text(*listen)));
    file.texts("allow", &server.allow);
    file.bare("enabled", server.enabled);
    file.text("icmp_echo", server.icmp_echo);
    file.text("unmatched", server.unmatched);
    file.text("unreachable", server.unreachable);
    file.text("redeliver", duration_text(server.redeliver));
    file.optional("dscp", server.dscp.map(quoted));
    file.bare("connection_limit", server.connection_limit);
    file.bare("connection_rate_limit", server.connection_rate_limit);
    file.bare("half_open_limit", server.half_open_limit);
    file.bare("client_connection_limit", server.client_connection_limit);
    file.bare("client_connection_rate_limit", server.client_connection_rate_limit);
    file.bare("client_half_open_limit", server.client_half_open_limit);
    file.text("advertise", server.advertise);
    let waits = server.advertise == Advertise::WhenActive;
    file.optional("withdraw_delay", waits.then(|| quoted(duration_text(server.withdraw_delay))));
}

fn snat(file: &mut Lines, intent: &Intent, snat: &Snat) {
    file.header("[[snat]]");
    file.text("pool", &intent.pools[snat.pool.index()].name);
    file.text("address", snat.address);
    file.texts("exclude", &snat.exclude);
    file.bare("no_snat_udp_ports", format!("{:?}", snat.no_snat_udp_ports));
    file.optional("dscp", snat.dscp.map(quoted));
}

fn direct_access(file: &mut Lines, intent: &Intent) {
    let Some(allow) = &intent.direct_access.allow else { return };
    file.header("[direct_access]");
    file.texts("allow", allow);
    for rule in &intent.direct_access.rules {
        let name = |target: &AccessTarget| match target {
            AccessTarget::Pool(id) => &intent.pools[id.index()].name,
            AccessTarget::Member(id) => &intent.members[id.index()].name,
        };
        file.header("[[direct_access.rules]]");
        file.texts("from", &rule.from);
        file.texts("to", rule.to.iter().map(name));
        file.texts("ports", rule.ports.iter().map(|listen| listen_text(*listen)));
    }
}

fn limits(file: &mut Lines, intent: &Intent) {
    let Timeouts { udp, tcp_established, tcp_opening, tcp_closing, icmp, reassembly } = intent.timeouts;
    let times = [udp, tcp_established, tcp_opening, tcp_closing, icmp, reassembly];
    let keys = ["udp", "tcp_established", "tcp_opening", "tcp_closing", "icmp", "reassembly"];
    file.header("[timeouts]");
    for (key, span) in keys.iter().zip(times) {
        file.text(key, duration_text(span));
    }
    let Limits {
        flows_per_worker,
        rejects_per_second,
        icmp_errors_per_second,
        host_packets_per_second,
        fragments_per_worker,
        connection_limit,
        connection_rate_limit,
        half_open_limit,
        traffic_counters,
        flow_counters,
    } = intent.limits;
    file.header("[limits]");
    file.bare("flows_per_worker", flows_per_worker);
    file.bare("rejects_per_second", rejects_per_second);
    file.bare("icmp_errors_per_second", icmp_errors_per_second);
    file.bare("host_packets_per_second", host_packets_per_second);
    file.bare("fragments_per_worker", fragments_per_worker);
    file.bare("connection_limit", connection_limit);
    file.bare("connection_rate_limit", connection_rate_limit);
    file.bare("half_open_limit", half_open_limit);
    file.bare("traffic_counters", traffic_counters);
    file.bare("flow_counters", flow_counters);
    file.header("[sip]");
    file.bare("sample", intent.sip.sample);
}
