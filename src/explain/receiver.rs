//! Which service the packet is for, and which member gets it, and why that one.

use super::names::{Names, listed};
use super::steps::Steps;
use super::trial::Trial;
use crate::config::{listen_text, network_text};
use crate::engine::{DropReason, Path, Verdict};
use crate::flow::PathKind;
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Mode, NoMember, Persistence, PoolId, Unmatched};
use crate::policy::snapshot::{AddressClass, PoolView, ServiceView, Visit};
use crate::wire::Kind;
use crate::wire::sip::CallId;

/// Whom it is for, by name.
#[derive(Default)]
pub(super) struct Receiver {
    pub(super) virtual_server: Option<String>,
    pub(super) pool: Option<String>,
    pub(super) member: Option<String>,
    pub(super) one_of: Vec<String>,
}

pub(super) fn tell(trial: &Trial, names: Names, steps: &mut Steps) -> Receiver {
    let tuple = &trial.case.tuple;
    match trial.classified.path {
        Path::ServiceIn(_) | Path::Inward(_) | Path::Hairpin { .. } => {
            match trial.snapshot().service_at(tuple.protocol, tuple.dst) {
                Some(service) => to_service(trial, names, service, steps),
                None => to_address(trial, names, steps),
            }
        }
        Path::Direct(member) => to_member(trial, names, member, steps),
        Path::Outward(_) | Path::ServiceOut(_) | Path::Local(Some(_)) | Path::Peer(..) => of_sender(trial, names),
        _ => Receiver::default(),
    }
}

fn of_sender(trial: &Trial, names: Names) -> Receiver {
    let Some(sender) = trial.sender() else { return Receiver::default() };
    let pool = trial.snapshot().member(sender).pool;
    Receiver { member: Some(names.member(sender)), pool: Some(names.pool(pool)), ..Receiver::default() }
}

fn to_service(trial: &Trial, names: Names, service: &ServiceView, steps: &mut Steps) -> Receiver {
    let (server, pool) = (names.server(service.virtual_server), names.pool(service.pool));
    let mode = names.intent.pools.get(service.pool).map_or(String::new(), |pool| pool.mode.to_string());
    let disabled = if service.enabled { "" } else { ", disabled in the file" };
    let limits = if service.is_limited { ", with connection limits" } else { "" };
    let text =
        format!("virtual server {server}, {}: pool {pool} ({mode}){disabled}{limits}", listen_text(service.listen));
    steps.add("service", text);
    if let Some(words) = allowed(trial, names, service) {
        steps.add("allow", words);
    }
    let member = trial.receiver();
    let turns = if member.is_some() { turns(trial, service.pool) } else { Vec::new() };
    match member {
        Some(member) => {
            steps.add("member", format!("{}: {}", names.member(member), why(trial, names, service, member)))
        }
        None => steps.add("member", nobody(trial, names, service)),
    }
    let one_of = one_of(trial, names, service.pool, &turns);
    if !one_of.is_empty() {
        let by = if turns.is_empty() { "by what it says" } else { "others may come in between" };
        steps.add("one of", format!("{}: {by}", one_of.join(", ")));
    }
    Receiver { virtual_server: Some(server), pool: Some(pool), member: member.map(|id| names.member(id)), one_of }
}

/// Which entry of the virtual server's `allow` lets its sender in, if not everybody may.
fn allowed(trial: &Trial, names: Names, service: &ServiceView) -> Option<String> {
    let (src, server) = (trial.case.tuple.src.addr, names.intent.virtual_servers.get(service.virtual_server)?);
    if service.allow.is_none() || trial.sender().is_some() {
        return None;
    }
    let entry = server.allow.iter().filter(|net| net.contains(&src)).max_by_key(|net| net.prefix_len());
    Some(match (entry, trial.verdict) {
        (Some(net), _) => format!("allowed by {} of virtual server {}", network_text(*net), server.name),
        (None, Verdict::Drop(DropReason::VirtualServerDenied)) => {
            format!("denied: no entry of allow of virtual server {} holds {src}", server.name)
        }
        (None, _) => format!("no entry of allow holds {src}, but a member has opened this connection"),
    })
}

/// Those of whom any may get such a packet: whose turn it may be, and who may by what it says, if that is not known.
fn one_of(trial: &Trial, names: Names, pool: PoolId, turns: &[MemberId]) -> Vec<String> {
    let by_content = trial.dependence.as_ref().map_or(&[][..], |it| it.members());
    let gets_it = trial.receiver().filter(|_| trial.dependence.is_some());
    let may = |member: &MemberId| {
        turns.contains(member) || by_content.contains(member) || gets_it.is_some_and(|it| it == *member)
    };
    let all = names.intent.pools.get(pool).map_or(&[][..], |pool| &pool.members[..]);
    all.iter().filter(|member| may(member)).map(|member| names.member(*member)).collect()
}

/// Those of whom any may get what begins, as whose turn it is changes with what comes in between.
fn turns(trial: &Trial, pool: PoolId) -> Vec<MemberId> {
    let view = trial.snapshot().pool(pool);
    let Some(sharing) = view.sharing.as_ref().filter(|_| begins(trial)) else { return Vec::new() };
    let by_address = view.persistence == Persistence::Source;
    let by_turns = match (sharing.mode(), trial.call()) {
        (Mode::LeastConnections, Some((_, call))) => !trial.setting.excerpt.knows_call(pool, call),
        (_, Some(_)) => false,
        (Mode::RoundRobin, None) => !by_address,
        (Mode::LeastConnections, None) => !(by_address && trial.setting.excerpt.persists(pool, trial.source())),
        (Mode::SourceHash | Mode::ActiveStandby, None) => false,
    };
    match by_turns && sharing.targets().len() > 1 {
        true => sharing.targets().iter().map(|target| target.member).collect(),
        false => Vec::new(),
    }
}

/// Nothing that is known says whose it is.
fn begins(trial: &Trial) -> bool {
    let is_kept = |met: &super::trial::Met| match &trial.then {
        Some(then) => then.flow.member == met.flow.member && !trial.engine.has_lost_its_member(&met.flow),
        None => true,
    };
    // A call stays with its member whoever keeps the endpoint that it comes from.
    let has_keeper = trial.met.as_ref().is_some_and(is_kept) && trial.call().is_none();
    !has_keeper && trial.elsewhere.is_none() && !trial.answers_who_asked()
}

fn why(trial: &Trial, names: Names, service: &ServiceView, member: MemberId) -> String {
    let (snapshot, pool) = (trial.snapshot(), trial.snapshot().pool(service.pool));
    let choice = (trial.setting.choice)(service.pool).map_or_else(String::new, |words| format!(", {words}"));
    let is_kept =
        trial.met.as_ref().is_some_and(|met| met.flow.path != PathKind::Routed && met.flow.member == member.0);
    match () {
        () if trial.answers_who_asked() => "it has asked what this answers, by the topmost Via or its branch".into(),
        () if let Some((id, call)) = trial.call() => by_call(trial, names, (id, call), pool, member),
        () if is_kept && !begins(trial) => "its flow keeps it there".into(),
        () if trial.elsewhere.is_some_and(|met| met.flow.member == member.0) => {
            "it keeps this sender at another virtual address of the pool".into()
        }
        () if pool.is_shared => shared(trial, names, service.pool, pool, member) + &choice,
        () if pool.active != Some(member) => {
            "it has asked this remote endpoint something, or claims it, while another member is active (reply affinity)"
                .into()
        }
        () if snapshot.member(member).state == State::Down => {
            format!(
                "it is lost, and stays the target until another one is up (no_member = \"{}\"){choice}",
                pool.no_member
            )
        }
        () => format!("the active member{choice}"),
    }
}

fn shared(trial: &Trial, names: Names, id: PoolId, pool: &PoolView, member: MemberId) -> String {
    let Some(sharing) = &pool.sharing else { return "it takes what is new".into() };
    let targets = listed(sharing.targets().iter().map(|target| names.member(target.member)));
    let source = trial.source();
    let by_address = pool.persistence == Persistence::Source && sharing.mode() != Mode::SourceHash;
    match sharing.mode() {
        _ if !sharing.holds(member) => "it takes no new work, and keeps what it has".into(),
        _ if by_address && trial.setting.excerpt.persists(id, source) => {
            format!("persistence: what {source} begins stays with it")
        }
        Mode::LeastConnections => format!("it has fewest flows for its weight, of {targets}"),
        _ if by_address => format!("a hash of {source}, which begins its first one, of {targets}"),
        Mode::SourceHash => format!("a hash of {source} says so, of {targets}"),
        Mode::RoundRobin | Mode::ActiveStandby => format!("it is its turn, of {targets}"),
    }
}

/// Why the member gets a message of a call.
fn by_call(trial: &Trial, names: Names, (id, call): (PoolId, CallId), pool: &PoolView, member: MemberId) -> String {
    let Some(sharing) = &pool.sharing else { return "it takes what is new".into() };
    let targets = || listed(sharing.targets().iter().map(|target| names.member(target.member)));
    match sharing.mode() {
        _ if trial.setting.excerpt.knows_call(id, call) => "it has this call, by its Call-ID".into(),
        Mode::LeastConnections => {
            format!("it has fewest flows for its weight, of {}, or another worker has seen the call with it", targets())
        }
        _ if sharing.by_number(call.0.get()) == Some(member) => {
            format!(
                "a number of the Call-ID says so, of {}, whichever worker and end of the call it comes from",
                targets()
            )
        }
        _ => "another worker has seen the call with it, or it has this remote endpoint".into(),
    }
}

fn nobody(trial: &Trial, names: Names, service: &ServiceView) -> String {
    let pool = trial.snapshot().pool(service.pool);
    let name = names.pool(service.pool);
    match () {
        () if matches!(trial.verdict, Verdict::Drop(DropReason::VirtualServerDenied)) => "nobody is asked".into(),
        () if !service.enabled => "nobody is asked".into(),
        () if pool.takes_new() => "nobody gets it".into(),
        () if pool.undecided => {
            format!("nobody yet: not every member of pool {name} has been heard of since the start")
        }
        () => {
            let policy = pool.no_member;
            let then = match policy {
                NoMember::Drop => "what comes is dropped in silence",
                NoMember::Reject => "what comes is refused",
                NoMember::KeepLast => "as there is no last one to keep, what comes is refused",
            };
            format!("nobody: no member of pool {name} is active, and {then} (no_member = \"{policy}\")")
        }
    }
}

/// To a port of a virtual address where no virtual server listens.
fn to_address(trial: &Trial, names: Names, steps: &mut Steps) -> Receiver {
    let (snapshot, dst) = (trial.snapshot(), trial.case.tuple.dst);
    let AddressClass::Virtual(at) = snapshot.class(dst.addr) else { return Receiver::default() };
    let server = snapshot.server(at);
    if matches!(trial.case.packet.kind, Kind::Echo { request: true }) {
        let answer = match trial.verdict {
            Verdict::Answer(_) => "answered by the appliance",
            _ => "not answered now",
        };
        steps.add("service", format!("an echo request, {answer}: icmp_echo = \"{}\"", server.echo));
        return Receiver::default();
    }
    let listens = names.listens_at(dst.addr);
    let text = match trial.verdict {
        _ if trial.met.is_some() || trial.became.is_some() => {
            format!("none listens there ({listens}): it answers what a member sends outward")
        }
        Verdict::Drop(DropReason::NoFlow) => format!(
            "none listens there ({listens}): it would be of a connection that a member has opened, and no flow says so; what opens \
             nothing is dropped in silence, whatever unmatched = \"{}\" says",
            server.unmatched
        ),
        _ => format!(
            "none listens there, only {listens}; what matches nothing: {} (unmatched = \"{}\")",
            unmatched(trial, server.unmatched),
            server.unmatched
        ),
    };
    steps.add("service", text);
    let member = trial.receiver();
    if let Some(member) = member {
        let flow = if trial.met.is_some() {
            "the flow is its own"
        } else {
            "the member has talked to this remote address from that port (RFC 4787 REQ-8)"
        };
        steps.add("member", format!("{}: {flow}", names.member(member)));
    }
    let pool = member.map(|member| names.pool(snapshot.member(member).pool));
    Receiver { pool, member: member.map(|member| names.member(member)), ..Receiver::default() }
}

/// What is done with a packet that nothing takes.
fn unmatched(trial: &Trial, policy: Unmatched) -> &'static str {
    match trial.verdict {
        Verdict::Reject { .. } => "its sender is refused",
        Verdict::Defer => "its sender is refused in six seconds, unless a member opens the same connection by then",
        Verdict::Drop(DropReason::RateLimited) => {
            "its sender is refused, but not this time, as so many were refused already (rejects_per_second)"
        }
        Verdict::Drop(_) if policy == Unmatched::Drop => "dropped in silence",
        Verdict::Drop(_) if trial.sender().is_some() => "dropped in silence, as a member gets no refusal",
        _ => "dropped in silence, as there is no answer to it",
    }
}

fn to_member(trial: &Trial, names: Names, member: MemberId, steps: &mut Steps) -> Receiver {
    let (snapshot, src) = (trial.snapshot(), trial.case.tuple.src.addr);
    let pool = snapshot.member(member).pool;
    let (access, visit) = (&names.intent.direct_access, Visit::of(&trial.case.tuple));
    let entry = access.allow.iter().flatten().find(|net| net.contains(&src));
    let is_denied = matches!(trial.verdict, Verdict::Drop(DropReason::DirectAccessDenied));
    let text = match (entry, names.exclusion(pool, src), names.access_rule(member, src, visit)) {
        _ if is_denied => {
            let rules = if access.rules.is_empty() { "" } else { ", no rule lets it do this there" };
            format!("denied: no entry of [direct_access] allow holds {src}{rules}, nor does the exclusion group")
        }
        _ if access.allow.is_none() => "allowed: the file has no [direct_access], so everybody may".into(),
        (Some(net), ..) => format!("allowed by {net} of [direct_access] allow"),
        (None, Some(net), _) => format!("allowed by {net} of the exclusion group"),
        (None, None, Some(number)) => format!("allowed by rule {number} of [direct_access]"),
        (None, None, None) => "allowed".into(),
    };
    steps.add("direct access", text);
    Receiver { pool: Some(names.pool(pool)), member: Some(names.member(member)), ..Receiver::default() }
}

impl Trial<'_> {
    /// As whom its sender is known to the pool it calls.
    fn source(&self) -> std::net::Ipv4Addr {
        let own = self.case.tuple.src.addr;
        self.sender().map_or(own, |sender| self.snapshot().member(sender).public)
    }
}
