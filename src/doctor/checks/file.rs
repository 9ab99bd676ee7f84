//! The configuration: what `check` says of it; and whether there is an appliance that goes by it.

use crate::config::Warning;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};

pub(super) fn file(facts: &Facts, found: &mut Found) -> Looked {
    let Some(file) = &facts.file else {
        return Err(LeftOut::because("there is no configuration: name one with --config, or start the appliance"));
    };
    if facts.is_running() && !file.in_force {
        let remedy = format!("see what a reload would change: fairlead diff {}", file.name);
        found.info("the configuration that is looked at is not the one in force", file.name.clone(), remedy);
    }
    match &file.read {
        Err(errors) => {
            let evidence = errors.lines().last().unwrap_or_default().to_owned();
            let remedy = format!("see each with its line and remedy: fairlead check {}", file.name);
            found.error("the configuration would be refused", evidence, remedy);
        }
        Ok(configuration) => configuration.warnings.iter().for_each(|warning| add(warning, found)),
    }
    Ok(())
}

fn add(warning: &Warning, found: &mut Found) {
    let place = warning.place.as_ref().map(|place| format!("{}:{}: {}", warning.file, place.line, place.source.trim()));
    found.warning(warning.message.clone(), place.unwrap_or_else(|| warning.file.clone()), warning.remedy.clone());
}

pub(super) fn appliance(facts: &Facts, found: &mut Found) -> Looked {
    let Some(unheard) = &facts.tables.unheard else {
        return match &facts.tables.nobody {
            Some(_) => Err(LeftOut::because("no appliance answers")),
            None => Ok(()),
        };
    };
    let (why, remedy) = (unheard.why.clone(), unheard.remedy.clone());
    match (unheard.is_silent, facts.is_running()) {
        (false, _) => found.warning(
            "whether an appliance runs, and what it would say, is not known: you may not ask it; all else is said as if one did",
            why,
            remedy,
        ),
        (true, false) => found.error("the appliance does not answer", why, remedy),
        (true, true) => found.error("the appliance has stopped answering while it was asked", why, remedy),
    }
    Ok(())
}

pub(super) fn machine(facts: &Facts, found: &mut Found) -> Looked {
    if facts.is_running() {
        // It could not have started without.
        return Ok(());
    }
    facts.configuration()?;
    if let Some(unheard) = &facts.tables.unheard {
        return Err(LeftOut::because(unheard.shown()));
    }
    let lacks = facts.lacks.as_ref().ok_or_else(|| LeftOut::because("it was not compared with this machine"))?;
    // Of huge pages another check tells more.
    for lack in lacks.iter().filter(|lack| !lack.starts_with("[dpdk] hugepages")) {
        // The remedy stands behind the last colon, as `check --here` prints it.
        let (what, remedy) = match lack.rsplit_once(": ") {
            Some((what, remedy)) if !lack.starts_with("[cores]") => (what, remedy),
            _ => (lack.as_str(), "name cores of this machine under [cores], or give it more"),
        };
        found.error(format!("this machine cannot run the configuration: {what}"), "fairlead check --here", remedy);
    }
    Ok(())
}
