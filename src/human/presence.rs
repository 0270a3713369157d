//! Is a human here to be asked, and by which way? One table, as a pure function of what is seen (`signs.rs` looks), read when a
//! sign-in is needed and not before.
//!
//! A container, a desktop without a terminal and a session over SSH are told by what they have or lack: where there is a terminal
//! somebody is asked on it, wherever they sit, and a desktop alone has no place for a code that is to be compared.

use crate::config::environment::Interactive;

/// What asks: each client has ways of its own to say that nobody is watching.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// A person typed it for its own sake (`keyfob login`), and wants what follows.
    pub(crate) is_wanted: bool,
    /// Why it may never ask a person, if so.
    pub(crate) never: Option<&'static str>,
    /// The variable that says that nobody is to be asked, if one does.
    pub(crate) is_off: fn() -> Option<&'static str>,
    /// The same for a setting that costs more to look up.
    pub(crate) is_off_by_setting: fn() -> Option<&'static str>,
    /// What its stderr is for.
    pub(crate) stderr: Stderr,
    /// The program behind it that wants the credential, where that is another and can be told.
    pub(crate) behind: fn() -> Option<String>,
}

impl Asker {
    /// One that says nothing about it.
    pub(crate) const PLAIN: Self = Self {
        is_wanted: false,
        never: None,
        is_off: || None,
        is_off_by_setting: || None,
        stderr: Stderr::Free,
        behind: || None,
    };
    /// A command a person typed for its own sake.
    pub(crate) const WANTED: Self = Self { is_wanted: true, ..Self::PLAIN };
}

/// What a client does with our stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stderr {
    /// It passes all of it on: what is said to a person goes there as well, when somebody captures it.
    Free,
    /// It shows it when we have failed, or never: why we failed is all that goes there.
    OnFailure,
}

/// Where a stream of ours goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Terminal,
    /// Another program reads it, or a file keeps it.
    Captured,
    /// It is thrown away.
    Nowhere,
}

/// Everything that is seen of who is here.
#[expect(clippy::struct_excessive_bools, reason = "each is a sign of its own, not a state")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signs {
    pub(crate) is_wanted: bool,
    pub(crate) never: Option<&'static str>,
    /// What the asker's own variables say.
    pub(crate) off: Option<&'static str>,
    pub(crate) interactive: Interactive,
    /// There is a terminal that we may write to.
    pub(crate) terminal: bool,
    pub(crate) stderr: Stream,
    /// An agent is marked. It owns the terminal it runs in, and shows its person what commands say on stderr.
    pub(crate) agent: bool,
    pub(crate) ci: bool,
}

/// Who is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Presence {
    /// Somebody who sees what we say.
    Here,
    /// Somebody behind an agent, which shows them what we said when we have ended.
    Relayed,
    /// Nobody, or nobody who wants to be asked.
    /// Why, as it fits into "nobody to ask here (why)".
    Away(&'static str),
}

/// What is done about a sign-in that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is begun, or the one that waits is gone on with; the person is shown the code and waited for.
    Prompt,
    /// It is begun, its address and code are told, and the caller is refused at once: the next one redeems the approval.
    Begin,
    /// One waits for approval: it is looked once whether that has come. The person is not waited for.
    Wait,
    Refuse,
}

impl Presence {
    /// The last column of the table. `is_pending`: a sign-in waits for approval.
    pub(crate) fn manner(self, is_pending: bool) -> Manner {
        match (self, is_pending) {
            (Self::Here, _) => Manner::Prompt,
            (Self::Relayed, false) => Manner::Begin,
            (Self::Relayed | Self::Away(_), true) => Manner::Wait,
            (Self::Away(_), false) => Manner::Refuse,
        }
    }
}

/// The table, first line that fits. `off_by_setting` may cost a child process and is asked last.
pub(crate) fn presence(signs: Signs, off_by_setting: impl FnOnce() -> Option<&'static str>) -> Presence {
    use Presence::{Away, Here, Relayed};
    let Signs { is_wanted, never, off, interactive, terminal, stderr, agent, ci } = signs;
    let is_relayed = agent && stderr == Stream::Captured && !ci;
    if let Some(why) = never {
        return Away(why);
    }
    match interactive {
        Interactive::Never => return Away("KEYFOB_INTERACTIVE=never"),
        Interactive::Always => return Here,
        Interactive::Auto => {}
    }
    if is_wanted {
        // Whoever types it wants it: the prompt goes to stderr where there is no terminal. An agent sees that at the end alone.
        return if is_relayed { Relayed } else { Here };
    }
    if let Some(name) = off {
        return Away(name);
    }
    if ci {
        return Away("CI");
    }
    if !is_relayed && !terminal {
        return Away("no terminal");
    }
    match off_by_setting() {
        Some(name) => Away(name),
        None if is_relayed => Relayed,
        None => Here,
    }
}

#[cfg(test)]
mod tests {
    use super::Manner::{Begin, Prompt, Refuse, Wait};
    use super::Presence::{Away, Here, Relayed};
    use super::*;

    /// A person at a terminal.
    const SEEN: Signs = Signs {
        is_wanted: false,
        never: None,
        off: None,
        interactive: Interactive::Auto,
        terminal: true,
        stderr: Stream::Terminal,
        agent: false,
        ci: false,
    };
    /// A program captures all there is: an editor, a GUI on a desktop, a container without a terminal, a service.
    const CAPTURED: Signs = Signs { terminal: false, stderr: Stream::Captured, ..SEEN };
    /// An agent whose terminal is not ours.
    const AGENT: Signs = Signs { agent: true, ..CAPTURED };

    #[test]
    fn the_table() {
        let nowhere = Signs { terminal: false, ci: true, off: Some("OFF"), stderr: Stream::Captured, ..SEEN };
        let never = Signs { never: Some("it asks nobody"), ..SEEN };
        let (off, is_never, always) = (Some("OFF"), Interactive::Never, Interactive::Always);
        for (what, signs, setting, answer) in [
            ("a person at a terminal, also over SSH or in a container", SEEN, None, Here),
            ("whose stderr goes to a file", Signs { stderr: Stream::Captured, ..SEEN }, None, Here),
            ("whose stderr is thrown away", Signs { stderr: Stream::Nowhere, ..SEEN }, None, Here),
            ("who has set the client so", SEEN, Some("a setting"), Away("a setting")),
            ("the client's variable", Signs { off, ..SEEN }, None, Away("OFF")),
            ("CI with a terminal", Signs { ci: true, ..SEEN }, None, Away("CI")),
            ("never", Signs { interactive: is_never, ..SEEN }, None, Away("KEYFOB_INTERACTIVE=never")),
            ("a desktop, a container or a service without a terminal", CAPTURED, None, Away("no terminal")),
            ("the same, and nobody reads", Signs { stderr: Stream::Nowhere, ..CAPTURED }, None, Away("no terminal")),
            ("the same with the client's variable", Signs { off, ..CAPTURED }, None, Away("OFF")),
            ("the same with always", Signs { interactive: always, ..CAPTURED }, Some("a setting"), Here),
            ("always goes before CI and variables", Signs { interactive: always, ..nowhere }, None, Here),
            (
                "a client that asks nobody, before always",
                Signs { interactive: always, ..never },
                None,
                Away("it asks nobody"),
            ),
            ("login, wherever", Signs { is_wanted: true, ..nowhere }, Some("a setting"), Here),
            (
                "login, never",
                Signs { is_wanted: true, interactive: is_never, ..SEEN },
                None,
                Away("KEYFOB_INTERACTIVE=never"),
            ),
            ("CI without anything", Signs { off: None, ..nowhere }, None, Away("CI")),
            ("CI, and a client's variable", nowhere, None, Away("OFF")),
            ("an agent that captures", AGENT, None, Relayed),
            ("an agent that shows a terminal", Signs { agent: true, ..SEEN }, None, Here),
            ("an agent that throws stderr away", Signs { stderr: Stream::Nowhere, ..AGENT }, None, Away("no terminal")),
            ("an agent in CI", Signs { ci: true, ..AGENT }, None, Away("CI")),
            ("an agent, never", Signs { interactive: is_never, ..AGENT }, None, Away("KEYFOB_INTERACTIVE=never")),
            ("an agent, always", Signs { interactive: always, ..AGENT }, None, Here),
            ("an agent, and the client's variable", Signs { off, ..AGENT }, None, Away("OFF")),
            ("an agent, and the client's setting", AGENT, Some("a setting"), Away("a setting")),
            ("an agent that runs login", Signs { is_wanted: true, ..AGENT }, None, Relayed),
            ("the same in CI", Signs { is_wanted: true, ci: true, ..AGENT }, None, Here),
            ("an agent, and a client that asks nobody", Signs { agent: true, ..never }, None, Away("it asks nobody")),
        ] {
            assert_eq!(presence(signs, || setting), answer, "{what}");
        }
    }

    #[test]
    fn a_sign_in_that_waits_makes_the_manner() {
        for (presence, none, pending) in [
            (Here, Prompt, Prompt),
            (Relayed, Begin, Wait),
            (Away("CI"), Refuse, Wait),
            (Away("no terminal"), Refuse, Wait),
        ] {
            assert_eq!((presence.manner(false), presence.manner(true)), (none, pending), "{presence:?}");
        }
    }
}
