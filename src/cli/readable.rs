//! Numbers as people read them: spans, counts, bytes.
//!
//! Owns rounding for the screen. Exact values are what `--json` is for.

use crate::time::Duration;

/// A span in two units at most, such as `412µs`, `1.24ms`, `3.2s`, `12m05s`, `3h12m`, `5d04h`.
pub fn span(span: Duration) -> String {
    let (micros, seconds) = (span.as_micros(), span.as_secs());
    match seconds {
        0 if micros < 1000 => format!("{micros}µs"),
        0 if micros < 10_000 => format!("{:.2}ms", micros as f64 / 1e3),
        0 => format!("{}ms", micros / 1000),
        1..60 => format!("{:.1}s", (span.as_millis() / 100) as f64 / 10.0),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A span in microseconds, if there is one.
pub fn micros(span_us: Option<u64>) -> String {
    span_us.map_or_else(|| "-".to_owned(), |us| span(Duration::from_micros(us)))
}

/// A span in nanoseconds, as [`span`] but finer below ten microseconds, such as `412ns`, `4.12µs`.
pub fn nanos(span_ns: u64) -> String {
    match span_ns {
        0..1_000 => format!("{span_ns}ns"),
        1_000..10_000 => format!("{}.{:02}µs", span_ns / 1_000, span_ns % 1_000 / 10),
        _ => span(Duration::from_nanos(span_ns)),
    }
}

/// A link's speed, if it is known.
pub fn speed(mbps: Option<u32>) -> String {
    match mbps {
        None => "-".to_owned(),
        Some(mbps) if mbps >= 1000 && mbps.is_multiple_of(1000) => format!("{}G", mbps / 1000),
        Some(mbps) if mbps >= 1000 => format!("{:.1}G", f64::from(mbps) / 1000.0),
        Some(mbps) => format!("{mbps}M"),
    }
}

/// A count in full, its thousands parted: `1,234,567`.
pub fn exact(count: u64) -> String {
    let digits = count.to_string();
    let mut parted = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            parted.push(',');
        }
        parted.push(digit);
    }
    parted
}

/// A count in at most seven characters: in full below a million, else three digits and a unit, such as `1.23M`.
pub fn count(count: u64) -> String {
    if count < 1_000_000 { exact(count) } else { scaled(count, "") }
}

/// Something in a second: in tenths below ten, such as `0.3`, else as [`count`].
pub fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        ..0.05 => "<0.1".to_owned(),
        ..9.95 => format!("{per_second:.1}"),
        _ => count(per_second.round() as u64),
    }
}

/// A number in at most five characters: in full below a thousand, else three digits and a unit, such as `1.23M`.
pub fn short(number: u64) -> String {
    if number < 1000 { number.to_string() } else { scaled(number, "") }
}

/// Bytes in at most seven characters, by powers of ten, such as `1.23GB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes}B") } else { scaled(bytes, "B") }
}

/// Three digits, rounded down: what is shown was reached.
fn scaled(count: u64, suffix: &str) -> String {
    let (mut power, mut unit) = (1000u64, 0);
    while count / power >= 1000 && unit < 5 {
        power *= 1000;
        unit += 1;
    }
    let letter = ['k', 'M', 'G', 'T', 'P', 'E'][unit];
    let whole = count / power;
    let thousandths = count % power / (power / 1000);
    match whole {
        0..10 => format!("{whole}.{:02}{letter}{suffix}", thousandths / 10),
        10..100 => format!("{whole}.{}{letter}{suffix}", thousandths / 100),
        _ => format!("{whole}{letter}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let rows = [
            (0, "0µs"),
            (999, "999µs"),
            (1000, "1.00ms"),
            (9_999, "10.00ms"),
            (412_999, "412ms"),
            (999_999, "999ms"),
            (1_000_000, "1.0s"),
            (59_999_999, "59.9s"),
            (60_000_000, "1m00s"),
            (3_599_999_999, "59m59s"),
            (3_600_000_000, "1h00m"),
            (86_400_000_000, "1d00h"),
            (u64::MAX, "213503982d08h"),
        ];
        for (us, text) in rows {
            assert_eq!(micros(Some(us)), text, "{us}");
        }
        assert_eq!(micros(None), "-");
    }

    #[test]
    fn short_spans() {
        let rows = [(0, "0ns"), (999, "999ns"), (1_000, "1.00µs"), (9_999, "9.99µs"), (10_000, "10µs")];
        for (ns, text) in rows.into_iter().chain([(1_240_000, "1.24ms"), (10_000_000_000, "10.0s")]) {
            assert_eq!(nanos(ns), text, "{ns}");
        }
    }

    #[test]
    fn rates() {
        let rows = [(0.0, "0"), (0.01, "<0.1"), (0.25, "0.2"), (9.94, "9.9"), (9.96, "10"), (12_345.6, "12,346")];
        for (per_second, text) in rows {
            assert_eq!(rate(per_second), text, "{per_second}");
        }
        assert_eq!([0, 999, 1_234, 9_876_543_210].map(short), ["0", "999", "1.23k", "9.87G"]);
    }

    #[test]
    fn counts() {
        let rows = [
            (0, "0", "0", "0B"),
            (999, "999", "999", "999B"),
            (1000, "1,000", "1,000", "1.00kB"),
            (12_345, "12,345", "12,345", "12.3kB"),
            (999_999, "999,999", "999,999", "999kB"),
            (1_000_000, "1,000,000", "1.00M", "1.00MB"),
            (123_456_789, "123,456,789", "123M", "123MB"),
            (u64::MAX, "18,446,744,073,709,551,615", "18.4E", "18.4EB"),
        ];
        for (value, in_full, short, size) in rows {
            assert_eq!((exact(value), count(value), bytes(value)), (in_full.into(), short.into(), size.into()));
        }
    }
}
