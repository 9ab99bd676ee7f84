//! Whom a monitor asks, from where, and what it says of itself.

use super::edited;
use crate::config::parse_for;
use crate::policy::intent::{CodeRange, HeaderRule, Monitor, MonitorKind, Roles, UpWhen};
use std::net::Ipv4Addr;

fn file(keys: &str) -> String {
    edited(&[("kind = \"sip\"", &format!("kind = \"sip\"\n{keys}"))])
}

fn monitor(keys: &str) -> Monitor {
    let read = parse_for(64, "fairlead.toml", &file(keys)).unwrap_or_else(|errors| panic!("{errors}"));
    read.intent.monitors[0].clone()
}

fn refused(keys: &str) -> String {
    let errors = parse_for(64, "fairlead.toml", &file(keys)).err().unwrap_or_else(|| panic!("{keys}: accepted"));
    assert!(errors.errors.iter().all(|finding| !finding.remedy.is_empty()), "{keys}: {errors}");
    errors.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_about_who_asks_whom_mean_what_they_say() {
    let plain = monitor("");
    assert_eq!((plain.address, plain.source), (None, None));
    let keys = "address = \"172.16.9.9\"\nsource = \"10.20.0.1\"\nto = \"sip:ping@sip.example\"\nfrom = \"sips:us@x\"\n\
                user_agent = \"probe of lead-1\"";
    let asked = monitor(keys);
    assert_eq!(asked.address, Some(Ipv4Addr::new(172, 16, 9, 9)));
    assert_eq!(asked.source, Some(Ipv4Addr::new(10, 20, 0, 1)));
    let MonitorKind::Sip(sip) = asked.kind else { panic!("not SIP") };
    let texts = [sip.to, sip.from, sip.user_agent].map(Option::unwrap_or_default);
    assert_eq!(texts, ["sip:ping@sip.example", "sips:us@x", "probe of lead-1"]);
}

#[test]
fn keys_about_roles_mean_what_they_say() {
    let MonitorKind::Sip(plain) = monitor("").kind else { panic!("not SIP") };
    assert_eq!(*plain.roles, Roles::default());
    let keys = "standby_codes = [\"503\"]\nactive_header = \"X-Role: primary\"\nstandby_header = \"Server:backup\"\n\
                down_codes = [\"1xx\", \"2xx\", \"3xx\", \"401\", \"405\", \"407\"]";
    let MonitorKind::Sip(asked) = monitor(keys).kind else { panic!("not SIP") };
    let rule = |name: &str, contains: &str| Some(HeaderRule { name: name.into(), contains: contains.into() });
    let expected = Roles {
        standby_codes: vec![CodeRange { first: 503, last: 503 }],
        active_header: rule("X-Role", "primary"),
        standby_header: rule("Server", "backup"),
    };
    assert_eq!(*asked.roles, expected);
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_remedy() {
    let rows = [
        ("address = \"10.20.0.1\"", "is a self-IP of"),
        ("address = \"10.20.0.255\"", "is the network or broadcast address of"),
        ("source = \"10.20.0.9\"", "source = \"10.20.0.9\" is not a self-IP"),
        ("to = \"ping@sip.example\"", "is not a SIP URI"),
        ("from = \"sip:a b\"", "is not a SIP URI"),
        ("to = \"sip:a>;tag=x\"", "is not a SIP URI"),
        ("active_header = \"primary\"", "does not name a header"),
        ("standby_header = \"X Role: backup\"", "does not name a header"),
        ("user_agent = \"a\\r\\nSubject: b\"", "does not fit into one line"),
    ];
    for (keys, expected) in rows {
        let shown = refused(keys);
        assert!(shown.contains(expected), "{keys}: {shown}");
    }
    let lost = file("address = \"172.16.9.9\"").replace("to = \"default\"", "to = \"198.51.100.0/24\"");
    let errors = parse_for(64, "fairlead.toml", &lost).err().unwrap_or_else(|| panic!("{lost}: accepted"));
    assert!(errors.to_string().contains("address = \"172.16.9.9\" is in no interface's network"), "{errors}");
}

/// The good file with a monitor of another kind beside the one it has.
fn beside(keys: &str) -> String {
    edited(&[
        ("[[pool]]", &format!("[[monitor]]\nname = \"other\"\n{keys}\n\n[[pool]]")),
        ("monitors = [\"sip-options\"]", "monitors = [\"sip-options\", \"other\"]"),
    ])
}

fn other(keys: &str) -> MonitorKind {
    let read = parse_for(64, "fairlead.toml", &beside(keys)).unwrap_or_else(|errors| panic!("{errors}"));
    read.intent.monitors[1].kind.clone()
}

#[test]
fn keys_about_http_mean_what_they_say() {
    let MonitorKind::Http(plain) = other("kind = \"http\"") else { panic!("not HTTP") };
    assert_eq!((plain.port, plain.tls, plain.method.as_str(), plain.path.as_str()), (80, None, "GET", "/"));
    let MonitorKind::Http(secure) = other("kind = \"https\"") else { panic!("not HTTP") };
    assert_eq!((secure.port, secure.tls), (443, Some(Box::default())));
    let keys = "kind = \"https\"\nport = 8443\nmethod = \"HEAD\"\npath = \"/health?deep=1\"\nhost = \"pbx.example\"\n\
                up_codes = [\"204\"]\nreceive = \"well\"\nuser_agent = \"us\"\nserver_name = \"pbx\"";
    let MonitorKind::Http(asked) = other(keys) else { panic!("not HTTP") };
    let texts = [asked.method, asked.path, asked.host.unwrap(), asked.user_agent.unwrap()];
    assert_eq!(texts, ["HEAD", "/health?deep=1", "pbx.example", "us"]);
    assert_eq!((asked.port, asked.receive.as_slice()), (8443, &b"well"[..]));
    assert_eq!(asked.up_codes, [CodeRange { first: 204, last: 204 }]);
    assert_eq!(asked.tls.unwrap().server_name.as_deref(), Some("pbx"));
}

#[test]
fn keys_about_programs_mean_what_they_say() {
    let keys = "kind = \"external\"\ncommand = \"/bin/ask\"\narguments = [\"-v\"]\nport = 5060\nup_when = \"output\"";
    let MonitorKind::External(asked) = other(keys) else { panic!("not external") };
    assert_eq!((asked.command.as_str(), asked.arguments, asked.port), ("/bin/ask", vec!["-v".to_owned()], Some(5060)));
    assert_eq!(asked.up_when, UpWhen::Output);
    let rows = [
        ("kind = \"external\"", "kind = \"external\" without command"),
        ("kind = \"external\"\ncommand = \"ask -v\"", "command = \"ask -v\" is not a whole path"),
        ("kind = \"tcp\"\ncommand = \"/bin/ask\"", "the key command does not apply to a monitor of kind \"tcp\""),
        (
            "kind = \"external\"\ncommand = \"/bin/ask\"\nsource = \"10.20.0.1\"",
            "the key source does not apply to a monitor of kind \"external\"",
        ),
        ("kind = \"http\"\npath = \"health\"", "path = \"health\" is not the target of a request"),
        ("kind = \"http\"\nserver_name = \"x\"", "the key server_name does not apply to a monitor of kind \"http\""),
    ];
    for (keys, expected) in rows {
        let errors = parse_for(64, "fairlead.toml", &beside(keys)).err().unwrap_or_else(|| panic!("{keys}: accepted"));
        let shown = errors.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(expected), "{keys}: {shown}");
        assert!(errors.errors.iter().all(|finding| !finding.remedy.is_empty()), "{keys}: {shown}");
    }
}

/// It is run in the kernel's network: what it asks is on no link of ours, and no host that we look for.
#[test]
fn whom_a_program_asks_may_be_anywhere_but_at_an_address_of_ours() {
    let lost = |keys: &str| beside(keys).replace("to = \"default\"", "to = \"198.51.100.0/24\"");
    let program = "kind = \"external\"\ncommand = \"/bin/ask\"";
    let read = |text: &str| parse_for(64, "fairlead.toml", text);
    let shown = |text: &str| {
        let errors = read(text).err().unwrap_or_else(|| panic!("{text}: accepted"));
        errors.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let far = "address = \"172.16.9.9\"";
    let intent = read(&lost(&format!("{program}\n{far}"))).unwrap_or_else(|errors| panic!("{errors}")).intent;
    assert_eq!(intent.probed_hops().get(&Ipv4Addr::new(172, 16, 9, 9)), None);
    assert!(shown(&lost(&format!("kind = \"icmp\"\n{far}"))).contains("is in no interface's network"));
    let near =
        read(&beside(&format!("{program}\naddress = \"10.20.0.13\""))).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(near.intent.probed_hops().is_empty(), "nobody asks ARP for it");
    let packets =
        read(&beside("kind = \"icmp\"\naddress = \"10.20.0.13\"")).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(packets.intent.probed_hops().len(), 1);
    assert!(shown(&beside(&format!("{program}\naddress = \"10.20.0.1\""))).contains("is a self-IP"));
}
