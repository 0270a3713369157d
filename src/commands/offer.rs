//! What may stand where the cursor is: subcommands and options by clap's own lines, and where a value is wanted the profiles, providers,
//! hosts and clusters that there are. Nothing is asked of anybody.

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::config::Config;
use crate::escape::defuse;
use crate::model::provider;

/// Something that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) value: String,
    /// What it is; may be empty.
    pub(super) help: String,
}

impl Offer {
    fn new(value: &str, help: &str) -> Self {
        // A line each: what comes from a file may be anything.
        Self { value: defuse(value), help: defuse(help) }
    }
}

/// What may take the place of `word` behind those `words`.
pub(super) fn offers(words: &[String], word: &str) -> Vec<Offer> {
    let mut root = Cli::command();
    root.build();
    let mut place = Place::of(&root, words);
    let (before, typed) = place.divide(word);
    if !before.is_empty() {
        place.option = place.option_of(before);
    }
    let mut found = place.offers(typed);
    found.retain(|offer| offer.value.starts_with(typed) && !offer.value.is_empty());
    for offer in &mut found {
        offer.value.insert_str(0, before);
    }
    found
}

/// Where the cursor is.
struct Place<'c> {
    command: &'c Command,
    /// The option whose value is next.
    option: Option<&'c Arg>,
    /// How many values without an option there are before.
    position: usize,
    /// Behind `--`.
    is_over: bool,
}

impl<'c> Place<'c> {
    fn of(root: &'c Command, words: &[String]) -> Self {
        let mut place = Self { command: root, option: None, position: 0, is_over: false };
        for word in words {
            if place.option.take().is_some() {
                continue;
            }
            match word.as_str() {
                "--" => place.is_over = true,
                word if word.starts_with('-') && !place.is_over => {
                    place.option = place.option_of(word).filter(|_| !word.contains('='));
                }
                word => match place.command.find_subcommand(word).filter(|_| !place.is_over && place.position == 0) {
                    Some(command) => place.command = command,
                    // As words: `keyfob help login`.
                    None if word == "help" && std::ptr::eq(place.command, root) => {}
                    None => place.position += 1,
                },
            }
        }
        place
    }

    /// The option of that name that takes a value.
    fn option_of(&self, word: &str) -> Option<&'c Arg> {
        let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
        self.command.get_arguments().find(|arg| arg.get_long() == Some(name) && arg.get_action().takes_values())
    }

    /// What stands before what is completed, and that: of `--profile=ac` the `ac`.
    fn divide<'w>(&self, word: &'w str) -> (&'w str, &'w str) {
        match word.find('=') {
            Some(at) if word.starts_with("--") && !self.is_over => word.split_at(at + 1),
            _ => ("", word),
        }
    }

    fn offers(&self, typed: &str) -> Vec<Offer> {
        if let Some(option) = self.option {
            return values(option, self.command);
        }
        let positional = self.command.get_positionals().nth(self.position);
        // The last of them may come again and again.
        let positional = positional.or_else(|| self.command.get_positionals().last().filter(|arg| is_repeated(arg)));
        let mut found = positional.map(|arg| values(arg, self.command)).unwrap_or_default();
        if self.position == 0 && !self.is_over {
            let below = self.command.get_subcommands().filter(|command| !command.is_hide_set());
            found.extend(below.map(|command| {
                Offer::new(command.get_name(), &command.get_about().map(ToString::to_string).unwrap_or_default())
            }));
        }
        if !self.is_over && (typed.starts_with('-') || found.is_empty()) {
            let options = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
            found.extend(options.filter_map(|arg| {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                Some(Offer::new(&format!("--{}", arg.get_long()?), &help))
            }));
        }
        found
    }
}

fn is_repeated(arg: &Arg) -> bool {
    matches!(arg.get_action(), clap::ArgAction::Append)
}

/// The values that an argument may have, as far as they are known here.
fn values(arg: &Arg, command: &Command) -> Vec<Offer> {
    let possible = arg.get_possible_values();
    if !possible.is_empty() {
        return possible.iter().map(|value| Offer::new(value.get_name(), "")).collect();
    }
    let name = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    match (arg.get_id().as_str(), name) {
        ("provider", _) => providers(),
        ("name", _) if command.get_name() == "providers" => providers(),
        (_, "PROFILE|URL") => {
            let config = Config::load().unwrap_or_default();
            // A token is for a host; what is examined may be a cluster.
            [profiles(&config), places(&config, command.get_name() == "doctor")].concat()
        }
        ("profile", _) => profiles(&Config::load().unwrap_or_default()),
        (_, "HOST" | "REGISTRY") if arg.is_positional() => places(&Config::load().unwrap_or_default(), false),
        _ => Vec::new(),
    }
}

fn providers() -> Vec<Offer> {
    provider::PRESETS.iter().map(|preset| Offer::new(preset.name, preset.title)).collect()
}

fn profiles(config: &Config) -> Vec<Offer> {
    let named = config.profiles.iter().filter_map(|profile| Some((profile, profile.name.as_ref()?)));
    named.map(|(profile, name)| Offer::new(name, profile.preset.title)).collect()
}

/// The hosts of profiles, and with `clusters` those as well, as a command takes them. A wildcard is no place.
fn places(config: &Config, clusters: bool) -> Vec<Offer> {
    let mut found = Vec::new();
    for profile in &config.profiles {
        let of = |(pattern, _): &(crate::model::HostPattern, _)| {
            let location = &pattern.location;
            let place = if location.path.is_empty() { location.authority() } else { location.to_string() };
            (!pattern.wildcard).then(|| Offer::new(&place, profile.title()))
        };
        found.extend(profile.hosts.iter().filter_map(of));
        if clusters {
            let of = |(pattern, _): &(crate::model::HostPattern, _)| {
                (!pattern.wildcard).then(|| Offer::new(&pattern.location.to_string(), profile.title()))
            };
            found.extend(profile.clusters.iter().filter_map(of));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> Vec<String> {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let word = words.pop().unwrap_or_default();
        offers(&words, &word).into_iter().map(|offer| offer.value).collect()
    }

    #[test]
    fn by_the_lines_there_are() {
        assert_eq!(offered("log"), ["login", "logout"]);
        assert_eq!(offered("help log"), ["login", "logout"]);
        assert_eq!(offered("completions z"), ["zsh"]);
        assert_eq!(offered("providers work"), ["workos", "workos-connect"]);
        assert_eq!(offered("login --provider goo"), ["google"]);
        assert_eq!(offered("login --provider=goo"), ["--provider=google"]);
        assert_eq!(offered("setup profile acme --provider okt"), ["okta"]);
        assert_eq!(offered("logout --al"), ["--all"]);
        assert!(offered("setup git --dr").contains(&"--dry-run".to_owned()), "what stands above counts below");
        assert_eq!(offered("helper b"), ["bazel"]);
        assert!(offered("login --client-id ").is_empty(), "nobody knows");
        assert!(offered("nonsense and more ").iter().all(|word| word.starts_with("--")));
    }
}
