//! Is a human here to be asked? One table, read when a sign-in is needed and not before.

use crate::config::environment::{self, Interactive};
use crate::error::{Error, Kind, Result};
use crate::process;
use crate::trace::{trace, yes};

/// What asks: each client has ways of its own to say that nobody is watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Git,
    Kubectl,
    Docker,
    /// A command a person typed for its own sake: `keyfob login`.
    Login,
    /// Any other command of ours: `keyfob token` in a script.
    Command,
}

/// Whether to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Presence {
    /// Somebody is here.
    Here,
    /// Nobody is, or wants to be asked; why, as it fits into "nobody to ask here (why)".
    Away(&'static str),
}

/// Everything that says something about it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a signal of its own, not a state")]
struct Signals {
    client: Client,
    interactive: Interactive,
    terminal: bool,
    ci: bool,
    /// `GIT_TERMINAL_PROMPT` says no.
    git_prompts_off: bool,
    /// `GCM_INTERACTIVE` says no.
    gcm_off: bool,
    /// An editor fetches in the background.
    silent_fetch: bool,
}

/// The table, first line that fits. `credential_interactive` looks up git's setting, which costs a child process and is
/// asked last.
fn decide(signals: Signals, credential_interactive: impl FnOnce() -> Option<String>) -> Presence {
    use Presence::{Away, Here};
    let Signals { client, interactive, terminal, ci, git_prompts_off, gcm_off, silent_fetch } = signals;
    match interactive {
        Interactive::Never => return Away("KEYFOB_INTERACTIVE=never"),
        Interactive::Always => return Here,
        Interactive::Auto => {}
    }
    match client {
        // Whoever types it wants it: the prompt goes to stderr where there is no terminal.
        Client::Login => return Here,
        Client::Git if git_prompts_off => return Away("GIT_TERMINAL_PROMPT=0"),
        Client::Git if silent_fetch => return Away("VSCODE_GIT_FETCH_SILENT"),
        Client::Git if gcm_off => return Away("GCM_INTERACTIVE"),
        Client::Git | Client::Kubectl | Client::Docker | Client::Command => {}
    }
    if ci {
        return Away("CI");
    }
    if !terminal {
        return Away("no terminal");
    }
    if client == Client::Git && credential_interactive().is_some_and(|value| is_off(&value)) {
        return Away("credential.interactive");
    }
    Here
}

/// `credential.interactive` is a boolean, `auto`, `always` or `never` (git-config).
fn is_off(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "never" | "false" | "no" | "off" | "0")
}

/// Reads the signals and decides.
pub(crate) fn presence(client: Client, terminal: bool) -> Result<Presence> {
    let interactive = environment::interactive().map_err(|word| {
        Error::new(Kind::Usage, format!("KEYFOB_INTERACTIVE is \"{}\"", word.escape_debug()))
            .hint("set it to auto, never or always")
    })?;
    let signals = Signals {
        client,
        interactive,
        terminal,
        ci: environment::ci(),
        git_prompts_off: environment::git_prompts_off(),
        gcm_off: environment::gcm_interactive_off(),
        silent_fetch: environment::vscode_fetches_silently(),
    };
    let presence = decide(signals, || process::git_config("credential.interactive"));
    match &presence {
        Presence::Here => trace!("presence: somebody is here (terminal: {})", yes(terminal)),
        Presence::Away(why) => trace!("presence: nobody is here to be asked ({why})"),
    }
    Ok(presence)
}

#[cfg(test)]
mod tests {
    use super::Presence::{Away, Here};
    use super::*;

    const SEEN: Signals = Signals {
        client: Client::Git,
        interactive: Interactive::Auto,
        terminal: true,
        ci: false,
        git_prompts_off: false,
        gcm_off: false,
        silent_fetch: false,
    };

    #[test]
    fn the_table() {
        let nowhere = Signals { terminal: false, ci: true, git_prompts_off: true, ..SEEN };
        for (signals, setting, answer) in [
            (SEEN, None, Here),
            (SEEN, Some("true"), Here),
            (SEEN, Some("always"), Here),
            (SEEN, Some("false"), Away("credential.interactive")),
            (SEEN, Some("never"), Away("credential.interactive")),
            (Signals { terminal: false, ..SEEN }, None, Away("no terminal")),
            (Signals { ci: true, ..SEEN }, None, Away("CI")),
            (Signals { git_prompts_off: true, ..SEEN }, None, Away("GIT_TERMINAL_PROMPT=0")),
            (Signals { gcm_off: true, ..SEEN }, None, Away("GCM_INTERACTIVE")),
            (Signals { silent_fetch: true, ..SEEN }, None, Away("VSCODE_GIT_FETCH_SILENT")),
            (Signals { interactive: Interactive::Never, ..SEEN }, None, Away("KEYFOB_INTERACTIVE=never")),
            (Signals { interactive: Interactive::Always, ..nowhere }, Some("never"), Here),
            (Signals { client: Client::Login, ..nowhere }, Some("never"), Here),
            (Signals { client: Client::Kubectl, git_prompts_off: true, ..SEEN }, Some("never"), Here),
            (Signals { client: Client::Docker, terminal: false, ..SEEN }, None, Away("no terminal")),
            (Signals { client: Client::Command, git_prompts_off: true, ..SEEN }, Some("never"), Here),
            (Signals { client: Client::Command, ..nowhere }, None, Away("CI")),
        ] {
            assert_eq!(decide(signals, || setting.map(str::to_owned)), answer, "{signals:?} {setting:?}");
        }
    }
}
