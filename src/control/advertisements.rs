//! Virtual addresses towards routing daemons: who is up, what the kernel has done, and that the end begins with it.
//!
//! Owns how the parts meet for that. When an address is advertised is decided by [`super::advertising`].

use super::advertising::Serving;
use super::controller::Controller;
use super::stopping::Stopping;
use crate::admin::rows::Wall;
use crate::policy::health::State;
use crate::policy::intent::{VirtualServer, VirtualServerId};
use crate::time::Instant;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

impl Controller {
    /// What is due of it.
    pub(super) fn poll_advertising(&mut self, now: Instant) {
        let (intent, pools, monitors) = (&self.intent, &self.pools, self.probing.monitors());
        let is_active = self.is_active();
        let serving = |id: VirtualServerId| {
            let Some(server) = intent.virtual_servers.get(id) else { return Serving::Down };
            let members = &intent.pools[server.pool].members;
            let state = |member| monitors.verdict(member).state;
            let serves = |member| pools.takes_new(member) && state(member) != State::Down;
            match server.enabled && is_active {
                false => Serving::Down,
                true if members.iter().any(|member| serves(*member)) => Serving::Up,
                true if members.iter().any(|member| state(*member) == State::Unknown) => Serving::Unknown,
                true => Serving::Down,
            }
        };
        self.advertising.poll(is_active, serving, &mut self.outputs, now);
    }

    /// The kernel has done what was ordered, or not.
    pub(super) fn on_advertised(&mut self, outcome: (u64, Result<BTreeSet<Ipv4Addr>, String>), now: Instant) {
        let routes = &self.file.settings.routes;
        let (about, delay) = ((&self.intent, routes.device.as_str()), routes.stop_delay);
        self.advertising.on_outcome(outcome, about, delay, &mut self.outputs, now);
    }

    /// Since when the address of a virtual server is advertised, be it for another one.
    pub(super) fn advertised_since(&self, server: &VirtualServer) -> Option<Wall> {
        self.advertising.since(server.address).map(|since| self.wall(since))
    }

    /// The appliance is told to end: routers first, since what they send is forwarded until then. Says whether they have to be waited for.
    pub(super) fn begin_withdrawal(&mut self, now: Instant) -> bool {
        self.advertising.begin_end(self.file.settings.routes.stop_delay, &mut self.outputs, now)
    }

    /// What comes after routers know: flows are given away, or forwarding stops. Says whether it stops now.
    pub(super) fn poll_ending(&mut self, now: Instant) -> bool {
        if self.advertising.take_ended(now) && !self.begin_handing_over(now) {
            self.stopping = Some(Stopping::begin(self.machine.workers(), &mut self.outputs, now));
            return true;
        }
        self.poll_handing_over(now)
    }
}
