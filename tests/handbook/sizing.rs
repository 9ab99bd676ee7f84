//! The handbook's page on sizing: what it quotes stands in `benches/README.md`, and what it works out of that is right.

use std::fs;

/// Calls of so many seconds, and how long a connection that is over stays: `tcp_closing`.
const STANDS: (u64, u64) = (180, 240);
/// Packets a second that a worker is planned with.
const PLANNED: u64 = 500_000;
/// Of a flow, with its port of a SNAT address.
const BYTES: u64 = 160;

fn text(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path)
}

/// The part of a page below a heading, up to the next one, on one line.
fn section(page: &str, heading: &str) -> String {
    let is_heading = |line: &&str| line.starts_with("## ") || line.starts_with("### ");
    let mut lines = page.lines().skip_while(|line| !is_heading(line) || line.trim_start_matches('#').trim() != heading);
    assert!(lines.next().is_some(), "there is no heading {heading:?}");
    lines.take_while(|line| !is_heading(line)).collect::<Vec<_>>().join("\n")
}

/// The rows of the first table of a section, without its head.
fn table(section: &str) -> Vec<Vec<String>> {
    let rows =
        section.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let row = row.replace("\\|", "\0");
        row.trim_matches('|').split('|').map(|cell| cell.trim().replace('\0', "|")).collect()
    };
    rows.map(cells).collect()
}

/// Whether a figure stands there, and not as a part of a longer one.
fn stands(within: &str, figure: &str) -> bool {
    let within = within.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_part = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    within.match_indices(figure).any(|(at, _)| {
        let before = within[..at].chars().next_back();
        let mut after = within[at + figure.len()..].chars();
        let next = after.next();
        let runs_on = matches!(next, Some('.' | ',')) && is_part(after.next());
        !is_part(before) && !matches!(before, Some('.' | ',')) && !is_part(next) && !runs_on
    })
}

#[test]
fn what_the_page_of_sizing_quotes_stands_in_the_benches() {
    let (page, benches) = (text("docs/src/sizing.md"), text("benches/README.md"));
    let quoted = table(&section(&page, "What was measured"));
    assert!(quoted.len() > 15, "{}", quoted.len());
    for row in quoted {
        let [figure, of, under] = &row[..] else { panic!("{row:?}") };
        assert!(stands(&section(&benches, under), figure), "{figure} ({of}) does not stand under {under:?}");
    }
}

#[test]
fn a_figure_is_found_whole_and_under_its_heading_only() {
    let page = "## One\n\n| 10.73 (9 to 11) | 0.984 |\nsome 6.8\ns of it\n\n## Two\n152 (`table`), 1,000\n";
    for (heading, figure, is_there) in [
        ("One", "10.73 (9 to 11)", true),
        ("One", "6.8 s", true),
        ("One", "0.98", false),
        ("One", "152", false),
        ("Two", "152", true),
        ("Two", "000", false),
        ("Two", "1", false),
    ] {
        assert_eq!(stands(&section(page, heading), figure), is_there, "{heading}: {figure}");
    }
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut result = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            result.push(',');
        }
        result.push(digit);
    }
    result
}

#[test]
fn the_table_of_calls_a_second_is_what_its_formulae_say() {
    let rows = table(&section(&text("docs/src/sizing.md"), "N calls a second"));
    let mut expected = Vec::new();
    for calls in [100_u64, 1_000, 10_000] {
        for (over, each, flows) in [("UDP", 15, 0), ("TCP", 30, calls * (STANDS.0 + STANDS.1))] {
            let packets = calls * each;
            let tenths = packets * 1_000 / PLANNED;
            let load = format!("{}.{}", tenths / 10, tenths % 10);
            let workers = if tenths > 500 { 2 } else { 1 };
            let table = (2 * flows / workers).max(1_000_000);
            expected.push(vec![
                grouped(calls),
                over.to_owned(),
                grouped(packets),
                format!("{} %", load.trim_end_matches(".0")),
                workers.to_string(),
                grouped(flows),
                grouped(table),
                format!("{} MB", grouped(table * BYTES * workers / 1_000_000)),
            ]);
        }
    }
    let shown: Vec<Vec<_>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.replace(" (the default)", "")).collect()).collect();
    assert_eq!(shown, expected);
}

/// Sizes that the page has of the source.
#[test]
fn buffers_and_rings_are_as_large_as_the_page_says() {
    let (pool, port, flows) = (text("src/io/buffers.rs"), text("src/dpdk/port.rs"), text("src/flow/table/tests.rs"));
    for (source, constant) in [
        (&pool, "const LEAST_ROOM: u32 = 2048;"),
        (&pool, "const OVERHEAD: u32 = 320;"),
        (&pool, "const OTHER_MIB: u32 = 192;"),
        (&port, "const RING: u16 = 1024;"),
        (&flows, "size_of::<u64>()).div_ceil(1000), 160)"),
    ] {
        assert!(source.contains(constant), "{constant}: the page of sizing has to follow");
    }
}
