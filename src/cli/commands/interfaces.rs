//! `fairlead interfaces`: what each is, and what passes between it and the kernel.

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let rows: Vec<InterfaceRow> = from_value(data)?;
    let links = grid(&rows, |row| {
        [
            left("INTERFACE", &row.name),
            left("PORT", &row.port),
            left("VLAN", row.vlan.map_or("untagged".into(), |tag| tag.to_string())),
            right("MTU", row.mtu),
            left("HOST", or_dash(row.host.as_ref().map(|host| &host.name))),
            prose("ADDRESSES", row.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ]
    });
    let hosts: Vec<&HostRow> = rows.iter().filter_map(|row| row.host.as_ref()).collect();
    if hosts.is_empty() {
        return Ok(links);
    }
    Ok(format!("{links}\n{}", grid(&hosts, |host| device(host))))
}

fn device(row: &HostRow) -> [Cell; 8] {
    let state = match (&row.trouble, row.carrier) {
        (Some(trouble), _) => trouble.as_str(),
        (None, false) => "no carrier: the link of the port is down",
        (None, true) => "up",
    };
    [
        left("HOST", &row.name),
        right("TO KERNEL", count(row.to_kernel_frames)),
        right("BYTES", bytes(row.to_kernel_bytes)),
        right("FROM KERNEL", count(row.from_kernel_frames)),
        right("BYTES", bytes(row.from_kernel_bytes)),
        right("REFUSED", count(row.refused_frames)),
        right("LOST", count(row.lost_frames)),
        prose("STATE", state),
    ]
}
