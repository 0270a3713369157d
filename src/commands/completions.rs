//! `keyfob completions`: what a shell needs to complete our words. Each script hands the words to `keyfob complete`, which offers what
//! fits by the command line there is and the profiles there are (offer.rs), so that no script knows a command.
//!
//! Why not `clap_complete` (4.6.11, measured in November 2026): its scripts know commands and no profiles, and its engine, which could
//! offer those, is unstable and brings two crates more. Either adds 80 kB to an empty program of clap's; this in its place made ours
//! 49 kB smaller.

use std::process::ExitCode;

use super::offer::{self, Offer};
use crate::cli::{Complete, Completions, Shell};
use crate::error::Result;
use crate::output::print;

/// bash breaks words at colons as well, and completes what stands behind the last: it gets the line, and the offers without what
/// stands before that.
const BASH: &str = r#"_keyfob() {
    local IFS=$'\n'
    COMPREPLY=($(keyfob complete bash -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
}
complete -o bashdefault -o default -F _keyfob keyfob
"#;

const ZSH: &str = r#"#compdef keyfob
_keyfob() {
    local -a offers
    offers=("${(@f)$(keyfob complete zsh -- "${(@)words[2,CURRENT-1]}" "=${words[CURRENT]}" 2>/dev/null)}")
    if [[ -n "$offers[1]" ]]; then
        _describe keyfob offers
    else
        _default
    fi
}
if [[ "$funcstack[1]" = _keyfob ]]; then
    _keyfob "$@"
else
    compdef _keyfob keyfob
fi
"#;

const FISH: &str = r#"function __keyfob_offers
    set -l words (commandline -opc)
    keyfob complete fish -- $words[2..] "="(commandline -ct) 2>/dev/null
end
complete -c keyfob -f -a '(__keyfob_offers)'
"#;

const ELVISH: &str = r#"use str
set edit:completion:arg-completer[keyfob] = {|@words|
    keyfob complete elvish -- (all $words[1..-1]) '='$words[-1] 2>/dev/null | from-lines | each {|line|
        var value help = (str:split &max=2 "\t" $line)
        edit:complex-candidate $value &display=$value' '$help
    }
}
"#;

const POWERSHELL: &str = r#"Register-ArgumentCompleter -Native -CommandName keyfob -ScriptBlock {
    param($word, $command, $cursor)
    $words = @($command.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor } | Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
    keyfob complete powershell -- @words "=$word" 2>$null | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $(if ($help) { $help } else { $value }))
    }
}
"#;

#[inline(never)]
pub(super) fn run(command: &Completions) -> Result<ExitCode> {
    let script = match command.shell {
        Shell::Bash => BASH,
        Shell::Elvish => ELVISH,
        Shell::Fish => FISH,
        Shell::Powershell => POWERSHELL,
        Shell::Zsh => ZSH,
    };
    print(script.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// `keyfob complete`: what a script asks. Whatever goes wrong, nothing is offered: a person is typing.
#[inline(never)]
pub(super) fn offer(command: &Complete) -> Result<ExitCode> {
    let (words, word) = match command.shell {
        Shell::Bash => split(command.words.first().map_or("", String::as_str)),
        _ => match command.words.split_last() {
            Some((word, words)) => (words.to_vec(), word.strip_prefix('=').unwrap_or(word).to_owned()),
            None => (Vec::new(), String::new()),
        },
    };
    let offers = offer::offers(&words, &word);
    print(written(command.shell, &word, &offers).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A line up to the cursor: its words but the first, and the one the cursor is in.
fn split(line: &str) -> (Vec<String>, String) {
    let mut words: Vec<String> = line.split_whitespace().skip(1).map(str::to_owned).collect();
    let word = if line.ends_with(char::is_whitespace) { String::new() } else { words.pop().unwrap_or_default() };
    (words, word)
}

/// Offers as a shell takes them, a line each.
fn written(shell: Shell, word: &str, offers: &[Offer]) -> String {
    let behind = word.rfind([':', '=']).map_or(0, |at| at + 1);
    let line = |Offer { value, help }: &Offer| match shell {
        Shell::Bash => value.get(behind..).unwrap_or_default().to_owned(),
        Shell::Zsh => format!("{}:{help}", value.replace('\\', "\\\\").replace(':', "\\:")),
        Shell::Elvish | Shell::Fish | Shell::Powershell => format!("{value}\t{help}"),
    };
    offers.iter().map(|offer| line(offer) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_answered_as_it_takes_it() {
        let offers = [Offer { value: "https://a.dev:5000".to_owned(), help: "acme".to_owned() }];
        for (shell, word, text) in [
            (Shell::Bash, "", "https://a.dev:5000\n"),
            (Shell::Bash, "https:", "//a.dev:5000\n"),
            (Shell::Bash, "https://a.dev:5", "5000\n"),
            (Shell::Zsh, "https:", "https\\://a.dev\\:5000:acme\n"),
            (Shell::Fish, "h", "https://a.dev:5000\tacme\n"),
        ] {
            assert_eq!(written(shell, word, &offers), text, "{shell:?} {word}");
        }
        assert_eq!(split("keyfob login a"), (vec!["login".to_owned()], "a".to_owned()));
        assert_eq!(split("keyfob login "), (vec!["login".to_owned()], String::new()));
        assert_eq!(split("keyfob"), (Vec::new(), String::new()));
    }
}
