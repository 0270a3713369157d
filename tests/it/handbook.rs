//! CONTRIBUTING.md, ARCHITECTURE.md and SECURITY.md: what they name is there, and their lists are whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::house::ROOMS;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|_| panic!("{path} is missing"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the table rows of a text, without its head.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The part of a page below a heading.
fn below<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n## ").next().unwrap()
}

#[test]
fn what_the_handbook_names_is_there() {
    let mut seen = 0;
    for page in ["CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = read(page);
        for name in quoted(&text).filter(|name| name.contains('/') && !name.contains(' ')) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "{page}: {name}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn each_word_of_the_glossary_is_a_thing_of_that_name() {
    let page = read("CONTRIBUTING.md");
    let words = rows(below(&page, "Words"));
    assert!(words.len() > 10, "the glossary is here");
    for row in words {
        let (word, file) = (row[0], row[2].trim_matches('`'));
        let text = read(file);
        let is_there = match word {
            // Modules, not types.
            "Decision" | "Desk" => text.starts_with("//!"),
            _ => {
                text.contains(&format!("struct {word} "))
                    || text.contains(&format!("enum {word} "))
                    || text.contains(&format!("struct {word}<"))
            }
        };
        assert!(is_there, "{file} has no {word}");
    }
}

#[test]
fn the_rooms_are_those_of_the_house_in_its_order() {
    let page = read("ARCHITECTURE.md");
    let listed: Vec<String> =
        rows(below(&page, "The rooms")).iter().map(|row| row[0].trim_matches('`').into()).collect();
    assert_eq!(listed, ROOMS);
}

/// The fields of a struct of the configuration, as a person writes them.
fn fields(text: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = text.split_once(&format!("struct {name} {{\n")).unwrap();
    let body = rest.split("\n}").next().unwrap();
    let lines = body.lines().filter_map(|line| line.trim().strip_prefix("pub(super) "));
    lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

#[test]
fn every_key_of_the_configuration_has_its_row() {
    let source = read("src/config/written.rs");
    let page = read("integrations/providers/README.md");
    let section = below(&page, "Every key of a profile");
    let rows = rows(section.split("\n\n`[profile.NAME.at").next().unwrap());
    let documented: BTreeSet<String> = rows.iter().flat_map(|row| quoted(row[0])).map(str::to_owned).collect();
    let mut keys = fields(&source, "RawProfile");
    assert!(keys.remove("at"), "the table of overrides has a paragraph of its own");
    assert_eq!(documented, keys);
    let (_, rest) = section.split_once("\n\n`[profile.NAME.at.\"HOST\"]` sets ").unwrap();
    let own: BTreeSet<String> = quoted(rest.split(" for one entry").next().unwrap()).map(str::to_owned).collect();
    assert_eq!(own, fields(&source, "RawDestination"));
}

/// A row, and nowhere else: what follows from the table names no provider but the one that people begin with.
#[test]
fn a_provider_is_named_in_its_row_alone() {
    let table = read("src/model/provider/table.rs");
    let names: Vec<&str> = table
        .split(" name: \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    // What takes over another program's configuration knows which provider that program was for.
    let elsewhere = ["src/model/provider/", "src/commands/setup/convert.rs"];
    for (path, text) in crate::house::sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy().into_owned();
        if elsewhere.iter().any(|known| path.starts_with(known))
            || path == "src/fuzz.rs"
            || path.starts_with("src/lab/")
        {
            continue;
        }
        let named: Vec<&&str> = names.iter().filter(|name| text.contains(&format!("\"{name}\""))).collect();
        assert!(named.is_empty(), "{path} names the provider {named:?}");
    }
}

/// Whether a page names a test that is run, by its path `attacks::words::NAME`; what begins with `integrations` is in that folder.
fn is_test(name: &str) -> bool {
    let Some((modules, function)) = name.rsplit_once("::") else { return false };
    let modules = modules.replace("::", "/");
    let file = if modules.starts_with("integrations/") { modules } else { format!("tests/it/{modules}") };
    let texts = [format!("{file}.rs"), format!("{file}/mod.rs")];
    let text = texts.iter().find_map(|file| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).ok());
    let before =
        text.as_deref().and_then(|text| text.split_once(&format!("fn {function}() {{\n"))).map(|(before, _)| before);
    let attributes = before.and_then(|before| before.rsplit("\n}\n").next()).unwrap_or_default();
    attributes.contains("#[test]") && !attributes.contains("#[ignore")
}

#[test]
fn every_claim_of_security_names_the_tests_that_hold_it() {
    let page = read("SECURITY.md");
    let mut seen = 0;
    for heading in ["What is protected, from whom", "Revoking", "When disk or folder fails"] {
        let claims = rows(below(&page, heading));
        assert!(claims.len() > 3, "{heading}");
        for claim in claims {
            let held_by: Vec<&str> = quoted(claim.last().unwrap()).collect();
            assert!(!held_by.is_empty(), "{}: no test holds it", claim[0]);
            for name in held_by {
                assert!(is_test(name), "{}: {name} is no test", claim[0]);
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
    assert!(!is_test("adversity::mode"), "a helper is no test");
}
