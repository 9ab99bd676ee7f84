//! Files of keepalived and IPVS, and what each becomes; which file is whose.

use super::{Origin, Source, import};

fn shown(origin: Origin, text: &str) -> String {
    let source = Source { name: "theirs".into(), text: text.into() };
    let imported = import(origin, &[source], "fairlead.toml").unwrap_or_else(|error| panic!("{error}"));
    let findings: String = imported.findings.iter().map(|finding| format!("{finding}\n")).collect();
    let refusal = imported.refusal.as_ref().map_or(String::new(), |why| format!("\n-- refused\n{why}"));
    format!("{}\n-- findings\n{findings}{refusal}", imported.text)
}

const KEEPALIVED: &str = "! Two proxies { behind one address
global_defs {
    router_id lb_1
}
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        203.0.113.10/32
        10.80.0.1/24 dev eth1 label eth1:gw
        203.0.113.2/24
    }
}
virtual_server_group front {
    203.0.113.10 5060
    203.0.113.11-13 5060
    fwmark 7
}
virtual_server group front
{
    delay_loop 2
    lb_algo rr
    lb_kind NAT
    real_server 10.80.0.11 5060
    {
        weight 1
        UDP_CHECK {
            retry 2
        }
    }
    real_server 10.80.0.12 5060 {
        weight 0
    }
}
virtual_server 203.0.113.10 5061 {
    lb_kind DR
    protocol TCP
    persistence_timeout 60
    sorry_server 10.80.0.99 5061
    real_server 10.80.0.11 5061 {
        TCP_CHECK {
            connect_port 5062
        }
    }
    real_server 10.80.0.12 5061 {
        TCP_CHECK {
            connect_port 5062
        }
    }
}
virtual_server 2001:db8::10 5060 {
    real_server 2001:db8::11 5060 {
    }
}
include /etc/keepalived/more.conf
";

const IPVS: &str = "-A -u 203.0.113.10:5060 -s rr --ops
-a -u 203.0.113.10:5060 -r 10.80.0.11:5060 -m -w 1
-a -u 203.0.113.10:5060 -r 10.80.0.12:5070 -m -w 0
-A -t 203.0.113.10:5060 -s wlc -p 300
-a -t 203.0.113.10:5060 -r 10.80.0.11:5060 -g -w 1
-a -t 203.0.113.10:5060 -r 10.80.0.12:5060 -g -w 1
-A -f 7 -s rr
-A -t [2001:db8::10]:5060 -s rr
";

#[test]
fn keepalived_with_groups_checkers_and_what_it_takes_for_granted() {
    insta::assert_snapshot!(shown(Origin::Keepalived, KEEPALIVED));
}

#[test]
fn a_dump_of_ipvs() {
    insta::assert_snapshot!(shown(Origin::Ipvs, IPVS));
}

#[test]
fn a_server_of_weight_0_gets_nothing_new() {
    let everywhere = IPVS.replace("10.80.0.12:5060 -g -w 1", "10.80.0.12:5060 -g -w 0");
    let text = shown(Origin::Ipvs, &everywhere);
    assert!(text.contains("address = \"10.80.0.12\", admin_state = \"draining\" }"), "{text}");
    assert_eq!(text.matches("admin_state = \"draining\" }").count(), 1, "{text}");
    assert!(
        text.contains("10.80.0.12 has weight 0, and gets nothing new here") && !text.contains("another weight"),
        "{text}"
    );
}

#[test]
fn a_file_shows_whose_it_is() {
    for (text, origin) in [
        (KEEPALIVED, Origin::Keepalived),
        (IPVS, Origin::Ipvs),
        ("\nltm pool p {\n}\n", Origin::BigIp),
        ("", Origin::BigIp),
    ] {
        assert_eq!(Origin::of(text), origin);
    }
}

#[test]
fn a_line_that_is_no_rule_of_a_dump_is_refused() {
    for text in ["-A -s rr\n", "-E -t 10.1.1.1:80\n", "hello\n"] {
        let source = Source { name: "dump".into(), text: format!("\n{text}") };
        let error = import(Origin::Ipvs, &[source], "x").err().map(|error| (error.line, error.file));
        assert_eq!(error, Some((2, "dump".to_owned())), "{text}");
    }
}

#[test]
fn monitors_that_ask_otherwise_are_others_and_the_same_one_stands_once() {
    let service = |last: u8, code: u16| {
        format!(
            "virtual_server 10.0.9.{last} 5060 {{\nprotocol UDP\nreal_server 10.0.1.{last} 5060 {{\nHTTP_GET {{\nconnect_port 8080\n\
             url {{\npath /health\nstatus_code {code}\n}}\ndelay_loop 6\n}}\n}}\n}}\n"
        )
    };
    let file = [service(1, 200), service(2, 204), service(3, 204)].concat();
    let text = shown(Origin::Keepalived, &file);
    assert_eq!((text.matches("[[monitor]]").count(), text.matches("\"204\"").count()), (2, 1), "{text}");
    let asked_by: Vec<&str> = text.lines().filter(|line| line.starts_with("monitors = ")).collect();
    assert!(asked_by.len() == 3 && asked_by[0] != asked_by[1] && asked_by[1] == asked_by[2], "{text}");
}
