//! What is made from the program and kept beside it: help, the manual, and the page of each provider. `SNAPSHOTS=overwrite`
//! writes them anew.

use std::path::{Path, PathBuf};

use snapbox::{Data, assert_data_eq};

use crate::support::sandbox::Sandbox;

/// A terminal as small as they are still made.
const SCREEN: (usize, usize) = (80, 24);

fn kept(path: &str) -> Data {
    Data::read_from(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path), None).raw()
}

/// What a command prints, on a home with nothing in it.
fn printed(words: &[&str]) -> String {
    let done = Sandbox::new().run(words, "");
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{words:?}");
    done.stdout
}

/// Every command, with those below it.
fn commands() -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(words) = waiting.pop() {
        let mut call: Vec<&str> = words.iter().map(String::as_str).collect();
        call.push("--help");
        let help = printed(&call);
        let listed = help.split_once("Commands:\n").map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
        for line in listed.unwrap_or_default().lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        {
            let name = line.split_whitespace().next().expect("a name").to_owned();
            waiting.push([words.clone(), vec![name]].concat());
        }
        found.push(words);
    }
    found.sort();
    found
}

#[test]
fn help_fits_a_screen_and_shows_an_example() {
    let mut all = String::new();
    for words in commands() {
        let mut call: Vec<&str> = words.iter().map(String::as_str).collect();
        call.push("--help");
        let help = printed(&call);
        let title = format!("keyfob {}", call.join(" "));
        let width = help.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(width <= SCREEN.0 && help.lines().count() <= SCREEN.1, "{title} fits no screen:\n{help}");
        assert!(help.contains("Example"), "{title} has no example:\n{help}");
        all.push_str(&format!("$ {title}\n{help}\n"));
    }
    assert_data_eq!(all, kept("tests/it/help.txt"));
}

#[test]
fn the_manual_page() {
    let version = concat!("keyfob ", env!("CARGO_PKG_VERSION"));
    let page = printed(&["man"]).replace(version, "keyfob VERSION");
    assert_data_eq!(page, kept("tests/it/keyfob.1"));
}

/// The names in the list of providers, in its order.
fn providers() -> Vec<String> {
    let table = printed(&["providers"]);
    let lines = table.lines().skip(1).filter(|line| !line.starts_with("what to register"));
    lines.map(|line| line.split_whitespace().next().expect("a name").to_owned()).collect()
}

/// The list, and what each needs.
#[test]
fn the_providers() {
    assert_data_eq!(printed(&["providers"]), kept("tests/it/providers.txt"));
    let each = providers().into_iter().map(|name| {
        let sheet = printed(&["providers", &name]);
        format!("$ keyfob providers {name}\n{sheet}\n")
    });
    assert_data_eq!(each.collect::<String>(), kept("tests/it/providers_each.txt"));
}

/// A page for each provider, from what `keyfob providers NAME` says, and a line for each in the page of them all.
#[test]
fn the_pages_of_the_providers() {
    let mut pages: Vec<PathBuf> = Vec::new();
    let (mut works, mut does_not) = (String::new(), String::new());
    let list = printed(&["providers"]);
    for (name, line) in providers().into_iter().zip(list.lines().skip(1)) {
        let path = format!("integrations/providers/{name}.md");
        let sheet = printed(&["providers", &name]);
        assert_data_eq!(page(&name, &sheet), kept(&path));
        match sheet.split_once("\ninstead: ") {
            Some((why, instead)) => {
                does_not.push_str(&format!("| [{name}]({name}.md) | {why} | {} |\n", instead.trim()))
            }
            None => {
                let place: String = line.chars().skip(36).collect();
                let know = sheet.lines().find_map(|line| line.strip_prefix("know        ")).unwrap_or_default();
                works.push_str(&format!("| [{name}]({name}.md) | {place} | {know} |\n"));
            }
        }
        pages.push(path.into());
    }
    let made = format!(
        "| `provider` | where it is | what to know |\n| --- | --- | --- |\n{works}\n\
         | cannot work | why | instead |\n| --- | --- | --- |\n{does_not}"
    );
    let path = Path::new("integrations/providers/README.md");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a page");
    let (before, rest) = text.split_once("<!-- made from `keyfob providers` -->\n").expect("a beginning");
    let (_, after) = rest.split_once("<!-- end -->").expect("an end");
    let whole = format!("{before}<!-- made from `keyfob providers` -->\n{made}<!-- end -->{after}");
    assert_data_eq!(whole, kept("integrations/providers/README.md"));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations/providers");
    for file in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = PathBuf::from("integrations/providers").join(file.file_name());
        assert!(pages.contains(&path) || path.ends_with("README.md"), "{} is nobody's page", path.display());
    }
}

fn page(name: &str, sheet: &str) -> String {
    let note = format!("(made from `keyfob providers {name}`)\n");
    let Some((facts, profile)) = sheet.split_once("\n[profile.") else {
        let (title, rest) = sheet.split_once(" cannot work: ").expect("why not");
        let (why, instead) = rest.split_once("\ninstead: ").expect("what instead");
        return format!("# {title}\n\n{note}\nIt cannot work: {why}.\n\nInstead: {}.\n", instead.trim_end());
    };
    let mut lines = facts.lines();
    let mut text = format!("# {}\n\n{note}\n| | |\n| --- | --- |\n", lines.next().unwrap_or_default());
    for line in lines.filter(|line| !line.is_empty()) {
        let (what, words) = line.split_once("  ").expect("two columns");
        text.push_str(&format!("| {what} | {} |\n", words.trim()));
    }
    text.push_str(&format!("\n```toml\n[profile.{}\n```\n", profile.trim_end()));
    text
}

/// Relative links of the documents, with the headings they name.
#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = [
        "README.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CHANGELOG.md",
        ".ci/README.md",
        "benches/README.md",
    ];
    let mut pages: Vec<PathBuf> = top.map(|name| root.join(name)).into();
    for folder in std::fs::read_dir(root.join("integrations")).expect("a folder").flatten() {
        let files = std::fs::read_dir(folder.path()).into_iter().flatten().flatten().map(|file| file.path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut followed = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            let there = || headings(&std::fs::read_to_string(&target).expect("a page"));
            assert!(heading.is_empty() || there().iter().any(|known| known == heading), "{}: {link}", page.display());
            followed += 1;
        }
    }
    assert!(followed > 40, "{followed}");
}

/// The headings of a page as links name them: small letters, hyphens between words, nothing else.
fn headings(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let name = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
    };
    lines.map(name).collect()
}
