//! What a hit costs through each protocol, beside empty programs and what people use today.

use std::path::Path;

use crate::home::Home;
use crate::measure::{Call, compare, milliseconds};
use crate::peers::{self, Peer};

/// How many records a store holds.
const RECORDS: &[usize] = &[1, 100, 10_000];

pub fn print() {
    let homes: Vec<Home> = RECORDS.iter().map(|records| Home::with(*records)).collect();
    let one = &homes[0];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let reference = peers::git_store(folder.path(), 1);
    let mut rows = vec![
        ("**keyfob**, git".to_owned(), one.git()),
        ("**keyfob**, docker".to_owned(), one.docker()),
        ("**keyfob**, kubectl".to_owned(), one.kubectl()),
        ("git-credential-store".to_owned(), reference.clone()),
    ];
    let mut left_out = Vec::new();
    let mut keepers = Vec::new();
    for Peer { name, ready } in peers::all(folder.path()) {
        match ready {
            Ok(ready) => {
                rows.push((name.to_owned(), ready.call));
                keepers.push(ready.keeper);
            }
            Err(why) => left_out.push(format!("{name} ({why})")),
        }
    }
    println!("| a hit | wall, ms | CPU, ms | peak, MiB | instructions, M | wall / store | CPU / store |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (name, call) in &rows {
        print_row(name, call, &reference);
    }
    if !left_out.is_empty() {
        println!("\nLeft out: {}.", left_out.join("; "));
    }

    println!(
        "\n| records | keyfob, wall / one record | instructions / one record | git-credential-store, wall / one entry |"
    );
    println!("| --- | --- | --- | --- |");
    let counted = one.git().instructions();
    for (records, home) in RECORDS.iter().zip(&homes) {
        let wall = compare(&home.git(), &one.git()).wall_ratio;
        let count = counted.zip(home.git().instructions()).map(|(one, many)| many as f64 / one as f64);
        let store = compare(&peers::git_store(folder.path(), *records), &reference).wall_ratio;
        println!("| {records} | {wall:.2} | {} | {store:.2} |", or_dash(count.map(|count| format!("{count:.3}"))));
    }
    println!();
}

fn print_row(name: &str, call: &Call, reference: &Call) {
    let compared = compare(call, reference);
    let peak = call.peak().map(|kib| format!("{:.1}", kib as f64 / 1_024.0));
    let instructions = is_native(&call.program)
        .then(|| call.instructions())
        .flatten()
        .map(|count| format!("{:.3}", count as f64 / 1e6));
    println!(
        "| {name} | {:.2} | {:.2} | {} | {} | {:.2} | {:.2} |",
        milliseconds(compared.cost.wall),
        milliseconds(compared.cost.cpu),
        or_dash(peak),
        or_dash(instructions),
        compared.wall_ratio,
        compared.cpu_ratio,
    );
}

/// Not what is written in Go, which brings a scheduler of its own that valgrind does not run as the system would.
fn is_native(program: &Path) -> bool {
    let bytes = std::fs::read(program).unwrap_or_default();
    !bytes.windows(14).any(|window| window == b"Go build ID: \"" || window == b"runtime.main.f")
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}
