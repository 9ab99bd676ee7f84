//! `fairlead ports`: what each NIC is, what went through it, and how it spreads over the workers.

use super::kit::*;

pub(super) fn show(data: Value, _: Wall) -> Shown {
    let rows: Vec<PortRow> = from_value(data)?;
    Ok(format!("{}\n{}\n{}", devices(&rows), counts(&rows), spreading(&rows)))
}

fn devices(rows: &[PortRow]) -> String {
    grid(rows, |row| {
        [
            left("PORT", &row.name),
            left("LINK", row.link),
            right("SPEED", speed(row.speed_mbps)),
            right("MTU", row.mtu),
            right("QUEUES", format!("{}/{}", row.rx_queues, row.tx_queues)),
            left("MAC", &row.mac),
            left("DRIVER", &row.driver),
            prose("DEVICE", &row.device),
        ]
    })
}

fn counts(rows: &[PortRow]) -> String {
    grid(rows, |row| {
        [
            left("PORT", &row.name),
            right("RX FRAMES", count(row.rx_frames)),
            right("RX BYTES", bytes(row.rx_bytes)),
            right("RX MISSED", count(row.rx_missed)),
            right("RX ERRORS", count(row.rx_errors)),
            right("TX FRAMES", count(row.tx_frames)),
            right("TX BYTES", bytes(row.tx_bytes)),
            right("TX ERRORS", count(row.tx_errors)),
        ]
    })
}

fn spreading(rows: &[PortRow]) -> String {
    grid(rows, |row| {
        [left("PORT", &row.name), left("RSS", &row.rss), prose("ARRIVALS", or_dash(row.judgement.as_ref()))]
    })
}
