//! What makes the file say what the operator has set.
//!
//! Owns what of it the file has keys for, and the lines and edits that follow. Writes no file: the command does (`cli/save.rs`).

use super::controller::Controller;
use crate::admin::answer::{AdminError, Code};
use crate::admin::rows::{SettingKind, SettingRow};
use crate::admin::save::{SavePlan, SavedExclusionsRow, SavedMemberRow};
use crate::policy::intent::{PoolId, Snat};
use crate::time::Instant;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

impl Controller {
    /// What to write into the file so that it says the same, a line each.
    pub(super) fn setting_lines(&self) -> Vec<String> {
        let state = self.operator_state();
        let pools: HashMap<&str, PoolId> =
            self.intent.pools.entries().map(|(id, pool)| (pool.name.as_str(), id)).collect();
        let groups: HashMap<PoolId, &Snat> = self.intent.snats.iter().map(|snat| (snat.pool, snat)).collect();
        let mut lines = Vec::new();
        for pool in state.pools.iter().filter(|pool| !pool.added.is_empty() || !pool.removed.is_empty()) {
            let snat = pools.get(pool.name.as_str()).and_then(|id| groups.get(id));
            let group = snat.into_iter().flat_map(|snat| &snat.exclude);
            let group: Vec<String> = group.map(|prefix| format!("\"{prefix}\"")).collect();
            lines.push(format!("# in the [[snat]] of pool {}:", pool.name));
            lines.push(format!("exclude = [{}]", group.join(", ")));
        }
        for SavedMemberRow { pool, member, admin } in self.members_to_save() {
            lines.push(format!("# at member {member} of pool {pool}:"));
            lines.push(format!("admin_state = \"{admin}\""));
        }
        let others = self.settings_without_key();
        if !others.is_empty() {
            let kept = match &self.saves.place {
                Some(place) => format!("they are kept over restarts in {place}"),
                None => "they are lost by a restart".into(),
            };
            lines.push(format!("# The file has no key for these; {kept}:"));
            lines.extend(others.iter().map(|row| format!("# pool {}: {} {}", row.pool, row.what, row.setting)));
        }
        lines
    }

    /// Members whose admin state the file can be made to say.
    fn members_to_save(&self) -> Vec<SavedMemberRow> {
        let set = self.intent.members.entries().filter_map(|(id, member)| {
            let status = self.pools.member(id);
            let has_key = status.is_set() && status.drain.until.is_none();
            has_key.then(|| (self.pool_name(member.pool), member.name.clone(), status.admin))
        });
        set.map(|(pool, member, admin)| SavedMemberRow { pool, member, admin }).collect()
    }

    /// What it has no key for: forced choices, and drains that end at a time.
    fn settings_without_key(&self) -> Vec<SettingRow> {
        let can_be_said: BTreeSet<String> = self.members_to_save().into_iter().map(|row| row.member).collect();
        let has_key = |row: &SettingRow| match row.kind {
            SettingKind::Exclusion => true,
            SettingKind::Choice => false,
            SettingKind::Member => can_be_said.contains(&row.what),
        };
        self.setting_rows().into_iter().filter(|row| !has_key(row)).collect()
    }

    /// What makes the file say the same, as far as it has keys for it.
    pub(super) fn save_plan(&self, now: Instant) -> Result<SavePlan, AdminError> {
        let refused = |why: String| Err(AdminError::new(Code::Refused, why));
        if let Some(why) = self.in_the_way(now) {
            return refused(why);
        }
        let number = self.configurations.last().number;
        if self.configurations.differ_from_file() {
            return refused(format!(
                "the file is not what is in force, configuration {number}: `fairlead diff` compares them; `fairlead reload` \
                 applies the file, and then it can be saved to"
            ));
        }
        let pools = self.operator_state().pools.into_iter();
        let changed = pools.filter(|pool| !pool.added.is_empty() || !pool.removed.is_empty());
        let exclusions = changed.map(|pool| SavedExclusionsRow {
            pool: pool.name,
            added: pool.added.into_keys().collect(),
            removed: pool.removed.into_keys().collect(),
        });
        Ok(SavePlan {
            file: self.path.clone(),
            text: Arc::clone(&self.configurations.last().text),
            exclusions: exclusions.collect(),
            members: self.members_to_save(),
            settings: self.settings_without_key(),
            kept_in: self.saves.place.clone(),
            log_level: Some(self.outputs.level()).filter(|level| *level != self.file.settings.log),
        })
    }
}
