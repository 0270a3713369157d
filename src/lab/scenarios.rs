//! Where walks begin: who asks for what, and what is kept.

use super::records::{signed_in, signed_in_for_once, with_pending};
use super::world::{Role, WORKERS};
use super::{BEGUN, Scenario};
use crate::store::Record;

/// A provider that rotates refresh tokens and leaves access tokens alone.
pub(super) const PLAIN: &str = "provider = \"oauth\"\nclient_id = \"c\"\ndevice_authorization_endpoint = \"https://a.dev/device\"\n\
                     token_endpoint = \"https://a.dev/token\"\nhosts = [\"git.a.dev\", \"x.a.dev\"]\n";
/// One that answers a spent refresh token with the same successor for half a minute.
pub(super) const REPLAYING: &str = "provider = \"okta\"\nissuer = \"https://a.dev\"\nscopes = []\nclient_id = \"c\"\n\
                     hosts = [\"git.a.dev\", \"x.a.dev\"]\n";
/// One whose refresh ends the access token before it.
pub(super) const KILLING: &str = "provider = \"gitlab\"\nclient_id = \"c\"\nhosts = [\"git.a.dev\", \"x.a.dev\"]\n";
/// The second host has a slot of its own.
pub(super) const OTHER: &str = "[profile.a.at.\"x.a.dev\"]\norganization = \"x\"\n";

/// Whatever a scenario's provider does with a refresh token that comes back, something must be seen of it.
pub(super) const REUSED: &[&str] =
    &["a crash between the grant and the save", "a family revoked for reuse", "a refusal received"];
pub(super) const REPLAYED: &[&str] =
    &["a crash between the grant and the save", "a replay answered with the same successor"];

/// What begins with a session; and whether a replay window makes a difference.
pub(super) fn of_renewals() -> Vec<(Scenario, bool)> {
    let get = [Role::Get; WORKERS];
    let expired = || Some(signed_in(400));
    let living = || Some(signed_in(100));
    vec![
        (
            Scenario::new("an expired session", get, expired()).reaching(&[
                "a hit",
                "a refresh token sent once more",
                "a failure written down",
                "told of another's failure",
            ]),
            true,
        ),
        (
            Scenario::new(
                "an expired session, one caller with a slot of its own, one without a terminal",
                [Role::Get, Role::Other, Role::Headless],
                expired(),
            )
            .reaching(&["a refresh token sent once more", "told of another's failure"]),
            true,
        ),
        (
            Scenario::new("a token in its margin", [Role::Get, Role::Get, Role::Headless], Some(signed_in(250)))
                .reaching(&["a hit", "a refresh failed for now"]),
            true,
        ),
        (
            Scenario {
                profile: KILLING.to_owned(),
                ..Scenario::new(
                    "a refresh that ends the token before it",
                    [Role::Get, Role::Other, Role::Get],
                    Some(signed_in(250)),
                )
            },
            true,
        ),
        (
            Scenario {
                is_over: true,
                ..Scenario::new(
                    "a session that has ended, and a sign-in that somebody began",
                    [Role::Get, Role::Get, Role::Headless],
                    Some(with_pending(signed_in(400), BEGUN, false)),
                )
            }
            .reaching(&["a refusal received", "a sign-in approved"]),
            false,
        ),
        (
            Scenario {
                is_over: true,
                ..Scenario::new(
                    "a session that has ended, and an agent",
                    [Role::Agent, Role::Agent, Role::Headless],
                    Some(signed_in(400)),
                )
            }
            .reaching(&[
                "a refusal received",
                "a sign-in approved",
                "a person behind an agent told of a code",
            ]),
            false,
        ),
        (
            Scenario::new("a refused token", [Role::Heal, Role::Suspect, Role::Get], living())
                .reaching(&["a hit", "a refresh failed for now"]),
            true,
        ),
        (
            Scenario::new("a refusal and a sign-out", [Role::Refusal, Role::SignOut, Role::Get], living())
                .reaching(&["a hit", "nothing to do, or done"]),
            false,
        ),
    ]
}

/// What a person has to do with.
pub(super) fn of_sign_ins() -> Vec<(Scenario, bool)> {
    let get = [Role::Get; WORKERS];
    let living = || Some(signed_in(100));
    let pending = |in_advance| Some(with_pending(Record::default(), BEGUN, in_advance));
    vec![
        (
            Scenario::new("an empty store", get, None).reaching(&[
                "a sign-in approved",
                "a sign-in denied",
                "a code expired",
                "another's code shown",
                "served while waiting for another's sign-in",
                "a crash between the grant and the save",
                "slowed down",
                "no sign-in could be started",
                "a save refused",
                "a lock file removed",
                "the clock jumped",
                "a process stopped",
            ]),
            false,
        ),
        (
            Scenario {
                profile: format!("{PLAIN}keep_refresh_token = false\n"),
                ..Scenario::new(
                    "a refresh token that is not kept",
                    [Role::Get, Role::Other, Role::Headless],
                    Some(signed_in_for_once(400)),
                )
            }
            .reaching(&["a sign-in approved"]),
            false,
        ),
        (
            Scenario {
                profile: format!("{PLAIN}keep_refresh_token = false\n"),
                ..Scenario::new(
                    "a refresh token that was kept and is not to be any more",
                    [Role::Get, Role::Headless, Role::Heal],
                    Some(signed_in(250)),
                )
            },
            false,
        ),
        (
            Scenario::new("a login whose poller died", [Role::Get, Role::Away, Role::Headless], pending(false))
                .reaching(&["a sign-in approved", "a sign-in denied", "a code expired"]),
            false,
        ),
        (
            Scenario::new("a login beside a living session", [Role::Login, Role::Login, Role::Get], living())
                .reaching(&["a hit", "a sign-in approved", "a sign-in denied", "another's code shown"]),
            false,
        ),
        (
            Scenario::new(
                "a code in advance beside a living session",
                [Role::Get, Role::Headless, Role::Start],
                Some(with_pending(signed_in(100), BEGUN, true)),
            )
            .reaching(&["a sign-in approved", "a code left for whoever comes next"]),
            false,
        ),
        (
            Scenario::new("agents that begin and leave, beside a person", [Role::Agent, Role::Agent, Role::Get], None)
                .reaching(&["a sign-in approved", "a code expired", "a person behind an agent told of a code"]),
            false,
        ),
        (
            Scenario::new("a code in advance and a login", [Role::Get, Role::Login, Role::Start], None)
                .reaching(&["a sign-in approved", "a code left for whoever comes next"]),
            false,
        ),
    ]
}
