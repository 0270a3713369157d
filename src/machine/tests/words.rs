//! The sentences, and what mends each.

use super::*;
use crate::mend::Mend;
use crate::model::TokenKind;

/// The kind of an error, its line and its mend.
fn told(error: &Error) -> (Kind, String, String) {
    (error.kind, error.text(), error.mend().map(Mend::words).unwrap_or_default())
}

fn assert_told(error: &Error, kind: Kind, line: &str, mend: &str) {
    assert_eq!(told(error), (kind, line.to_owned(), mend.to_owned()));
}

#[test]
fn why_there_is_no_code_is_told_by_who_said_so() {
    let place = Place::with("resource = \"https://one.dev\"\nhosts = [\"git.a.dev\"]\n");
    let docs = place.config.profiles[0].preset.docs;
    let see = |mend: &str| format!("{mend}see {docs}");
    for (code, status, kind, mend) in [
        ("invalid_client", 401, Kind::Refused, see("check client_id in the profile; ")),
        (
            "unauthorized_client",
            400,
            Kind::Refused,
            see("check client_id in the profile, and allow the device flow for this client; "),
        ),
        ("access_denied", 403, Kind::Refused, see("allow the device flow for this client; ")),
        ("device_flow_disabled", 400, Kind::Refused, see("allow the device flow for this client; ")),
        ("unsupported_grant_type", 400, Kind::Refused, see("allow the device flow for this client; ")),
        ("invalid_scope", 400, Kind::Refused, "correct scopes in the profile".to_owned()),
        (
            "invalid_target",
            400,
            Kind::Refused,
            "correct resource in the profile, or have the provider know it: https://one.dev".to_owned(),
        ),
        ("anything", 400, Kind::Refused, see("")),
        // Nothing is there: as if the client were not known.
        ("anything", 404, Kind::Refused, see("check client_id in the profile; ")),
        ("anything", 408, Kind::Transient, "try again".to_owned()),
        ("anything", 429, Kind::Transient, "try again".to_owned()),
        ("anything", 500, Kind::Transient, "try again".to_owned()),
        ("anything", 499, Kind::Refused, see("")),
    ] {
        let error = place.setting().no_code(refusal(status, code, false), Written::InProfile);
        let (told_kind, line, told_mend) = told(&error);
        assert_eq!((told_kind, told_mend), (kind, mend), "{code} {status}");
        assert!(line.starts_with("a.dev starts no sign-in: "), "{line}");
    }
    let error = place.setting().no_code(refusal(400, "invalid_scope", false), Written::OnCommandLine);
    assert_eq!(told(&error).2, "correct --scope");
    let error = place.setting().no_code(refusal(403, "", true), Written::InProfile);
    assert_eq!(error.kind, Kind::Transient);
    assert!(error.text().contains("something between here and a.dev answered in its place (HTTP status 403)"));
    let plain = Place::new();
    let error = plain.setting().no_code(refusal(400, "invalid_target", false), Written::InProfile);
    assert_eq!(told(&error).2, see(""));
    for (is_lasting, kind) in [(true, Kind::Configuration), (false, Kind::Transient)] {
        let unreachable = Unreachable { why: "no route".to_owned(), mend: "look".into(), is_lasting, is_unsent: true };
        let error = place.setting().no_code(NoCode::Unreachable(unreachable), Written::InProfile);
        assert_told(&error, kind, "cannot start a sign-in: no route", "look");
    }
    let own = Error::new(Kind::Broken, "no dice");
    assert_eq!(place.setting().no_code(NoCode::NotAsked(own.clone()), Written::InProfile), own);
}

#[test]
fn what_a_person_is_needed_for_is_told_by_what_there_is() {
    let place = Place::new();
    let setting = place.setting();
    let login = "run: keyfob login a";
    let waits = pending("dc", 0, 60);
    for (ended, pending, line) in [
        (None, None, "nobody is here to sign in to a (CI is set)"),
        (
            Some("invalid_grant"),
            None,
            "the session of a has ended (invalid_grant) and nobody is here to sign in (CI is set)",
        ),
        (None, Some(&waits), "the sign-in to a waits for approval of U-dc at https://a.dev"),
        (Some("invalid_grant"), Some(&waits), "the sign-in to a waits for approval of U-dc at https://a.dev"),
    ] {
        let error = setting.person_needed(ended, "CI is set", pending);
        assert_eq!((error.kind, error.text().as_str()), (Kind::HumanNeeded, line));
        assert!(told(&error).2.contains("keyfob login a"), "{}", told(&error).2);
    }
    assert_told(
        &setting.called_off(),
        Kind::SignInEnded,
        "the sign-in to a was called off",
        &format!("to try again, {login}"),
    );
    for (words, line) in [
        ("", "the code expired before it was approved"),
        ("too late", "the code expired before it was approved: too late"),
    ] {
        assert_told(&setting.expired(words), Kind::SignInEnded, line, &format!("for a new one, {login}"));
    }
    let patience = setting.asked_for_patience(NOW + 90, NOW);
    assert_eq!(patience.kind, Kind::Transient);
    assert_eq!(patience.text(), format!("a.dev asks to be left alone for {}", crate::clock::span(90)));
}

#[test]
fn where_a_sign_in_fills_one_place_the_command_names_it() {
    let keys = "hosts = [\"git.a.dev\"]\n";
    let own = "[profile.a.at.\"git.a.dev\"]\naudience = \"x\"\n";
    for (keeps, has_own, command) in [
        ("true", own, "keyfob login a"),
        ("false", own, "keyfob login https://git.a.dev"),
        ("false", "", "keyfob login a"),
        ("true", "", "keyfob login a"),
    ] {
        let place = Place::with(&format!("keep_refresh_token = {keeps}\n{keys}{has_own}"));
        let destination = &place.config.profiles[0].hosts[0].1;
        let setting = Setting { destination, ..place.setting() };
        assert_eq!(told(&setting.called_off()).2, format!("to try again, run: {command}"));
    }
}

#[test]
fn a_token_that_is_refused_again_is_told_with_its_age_and_the_servers_words() {
    let place = Place::new();
    let session = holding(token("at", 295));
    let kept = &session.tokens[&Slot::default()];
    let of = |challenge| told(&place.setting().refused_again(&session, kept, challenge, NOW + 5));
    let (kind, line, mend) = of(None);
    assert_eq!(kind, Kind::Refused);
    assert_eq!(line, format!("git.a.dev refuses a token that was renewed {} ago", crate::clock::span(10)));
    assert!(mend.starts_with("see which issuer, audience and organization it expects"), "{mend}");
    let (_, line, mend) = of(Some("error=\"insufficient_scope\""));
    assert!(line.ends_with(" ago (error=\"insufficient_scope\")"), "{line}");
    assert!(mend.starts_with("it wants more than the token allows"), "{mend}");
    let (_, line, mend) = of(Some("error=\"invalid_token\""));
    assert!(line.ends_with(" ago (error=\"invalid_token\")"), "{line}");
    assert!(mend.starts_with("see which issuer"), "{mend}");
}

/// By what is left of it, or by what it never had, which no renewal changes.
#[test]
fn a_token_that_is_too_short_is_told_by_what_is_wanted() {
    let place = Place::new();
    let kept = token("at", 200);
    for (wants_left, kind, line) in [
        (600, Kind::Refused, "a.dev grants tokens that live 5 minutes, and 10 minutes are wanted"),
        (240, Kind::HumanNeeded, "the token of a ends in 3 minutes, 4 minutes are wanted, and nothing renews it"),
    ] {
        let error = place.setting().too_short(&kept, &Ask { wants_left, ..Ask::default() }, NOW);
        assert_eq!((error.kind, error.text().as_str()), (kind, line));
    }
}

#[test]
fn a_token_that_was_not_granted_is_told_by_what_was_asked() {
    let place = Place::new();
    let refused = Some(Secret::new("at").fingerprint());
    for (kind, refused, line) in [
        (TokenKind::Id, None, "a.dev grants no ID token"),
        (TokenKind::Id, refused.clone(), "a.dev grants no ID token"),
        (TokenKind::Access, refused, "a.dev grants the very token that was refused"),
        (TokenKind::Access, None, "a.dev granted no token for git.a.dev, and no refresh token to get one with"),
    ] {
        let error = place.setting().no_such_token(&Ask { kind, refused, ..Ask::default() });
        assert_eq!((error.kind, error.text().as_str()), (Kind::Refused, line));
    }
}

#[test]
fn another_person_is_told_by_both_names_and_whoever_is_meant_is_kept() {
    let who = |email: Option<&str>, subject: Option<&str>| Who {
        email: email.map(str::to_owned),
        subject: subject.map(str::to_owned),
        ..Who::default()
    };
    let (ann, bob) = (who(Some("ann@a.dev"), Some("u1")), who(Some("bob@a.dev"), Some("u2")));
    let of = |expect: &str, pinned: Option<&str>, selects_account, who: &Who| {
        let place = Place::with(&format!("hosts = [\"git.a.dev\"]\n{expect}"));
        let record = Record {
            pinned_subject: pinned.map(str::to_owned),
            email: pinned.map(|_| "ann@a.dev".to_owned()),
            ..Record::default()
        };
        let pending = Pending { selects_account, ..pending("dc", 0, 60) };
        place.setting().other_person(&record, &pending, who).map(|error| told(&error))
    };
    for expect in ["ann@a.dev", "ANN@a.dev", "u1"] {
        let expect = format!("expect = \"{expect}\"\n");
        assert_eq!(of(&expect, Some("u2"), false, &ann), None, "{expect}");
        let (kind, line, mend) = of(&expect, Some("u2"), true, &bob).expect("it is another");
        assert_eq!(kind, Kind::SignInEnded);
        assert!(line.starts_with("bob@a.dev signed in to a, which expects ") && line.ends_with(": nothing was kept"));
        assert_eq!(mend, "to sign in as that person, run: keyfob login a");
    }
    assert_eq!(of("expect = \"ann@a.dev\"\n", None, false, &who(None, None)), None, "nothing tells");
    assert_eq!(of("", None, false, &bob), None, "nobody was before");
    assert_eq!(of("", Some("u1"), false, &ann), None);
    assert_eq!(of("", Some("u1"), true, &bob), None, "it was meant");
    assert_eq!(of("", Some("u1"), false, &who(Some("bob@a.dev"), None)), None, "no subject to compare");
    let (kind, line, mend) = of("", Some("u1"), false, &bob).expect("it is another");
    assert_eq!(kind, Kind::SignInEnded);
    assert_eq!(line, "bob@a.dev signed in to a, and before it was ann@a.dev: nothing was kept");
    assert_eq!(mend, "if that is meant, run: keyfob login a --select-account");
}

/// What a sign-in asked for serves the place it was asked for; a broader one that nothing can narrow any more; and one that chose no
/// organization, where the provider lets nobody choose and has chosen just that.
#[test]
fn what_a_sign_in_asked_for_serves_no_more_than_it_is_for() {
    let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
    let narrow = "scopes = [\"a\"]\nhosts = [\"b.dev\"]\n[profile.a.at.\"b.dev\"]\nscopes = [\"b\"]\n";
    let place = Place::with(narrow);
    let of = |names: &[&str]| Slot { scopes: scopes(names), ..Slot::default() };
    for (asked, refresh_token, serves) in [
        (of(&["a"]), None, true),
        (of(&["a"]), Some("rt"), true),
        (of(&["a", "b"]), None, true),
        (of(&["a", "b"]), Some("rt"), false),
        (of(&["b"]), None, false),
    ] {
        assert_eq!(place.setting().serves(&asked, &granted(refresh_token), &of(&["a"])), serves, "{asked:?}");
    }
    let [by_refresh, by_sign_in] = [Place::of("provider = \"workos\"\nhosts = [\"b.dev\"]\n"), Place::new()];
    let wanted = Slot { organization: Some("org_1".to_owned()), ..Slot::default() };
    for (place, chosen, asked, serves) in [
        (&by_refresh, Some("org_1"), Slot::default(), true),
        (&by_refresh, Some("org_2"), Slot::default(), false),
        (&by_refresh, None, Slot::default(), false),
        (&by_sign_in, Some("org_1"), Slot::default(), false),
        (&by_sign_in, Some("org_1"), wanted.clone(), true),
    ] {
        let who = Who { organization: chosen.map(str::to_owned), ..Who::default() };
        let tokens = TokenAnswer { who, ..granted(Some("rt")) };
        assert_eq!(place.setting().serves(&asked, &tokens, &wanted), serves, "{chosen:?} for {asked:?}");
    }
}

/// Nobody wonders what takes so long, nobody is told twice, and a script is told nothing.
#[test]
fn a_person_is_told_once_what_is_waited_for() {
    let place = Place::new();
    let said = |has_terminal, spans: &[u64]| {
        let (mut machine, _) = Machine::begin(Ask::default());
        let mut lines = Vec::new();
        let waits =
            spans.iter().flat_map(|span| [Got::Busy, Got::Waited(Duration::from_secs(*span)), Got::Record(None)]);
        for got in [Got::Record(None), Got::Terminal(has_terminal)].into_iter().chain(waits) {
            let (next, asides, _) = machine.step(got, &place.setting(), NOW);
            machine = next;
            lines.extend(asides);
        }
        lines
    };
    let line = Aside::Say("another keyfob renews the session of a; waiting for it".to_owned());
    assert_eq!(said(true, &[60, 1, 1]), std::slice::from_ref(&line));
    assert_eq!((said(true, &[3]), said(true, &[3, 1])), (Vec::new(), vec![line]));
    assert_eq!(said(true, &[0, 0]), []);
    assert_eq!(said(false, &[60, 1]), []);
}

/// A second is waited for whoever renews a token; then the one that lives serves. Who wants to sign in is served by no token.
#[test]
fn a_token_that_lives_is_not_kept_waiting_long_behind_a_lock() {
    let place = Place::new();
    let session = Record { refresh_token: Some(Secret::new("rt")), ..holding(token("at", 10)) };
    for (waited, want, is_served) in [
        (Duration::from_secs(1), Want::Token, false),
        (Duration::from_millis(1_001), Want::Token, true),
        (Duration::from_mins(1), Want::SignIn, false),
    ] {
        let told = [record(&session), Got::Terminal(true), Got::Busy, Got::Waited(waited), record(&session)];
        let (_, effect) = place.drive(Ask { want, ..Ask::default() }, told);
        assert_eq!(
            matches!(effect, Effect::End(Outcome::Token(_))),
            is_served,
            "{want:?} after {waited:?}: {effect:?}"
        );
    }
}

/// A token that was refused is marked before anything is tried; one that is marked already, another one, and one that has just taken
/// the place of another are left as they are.
#[test]
fn what_was_refused_is_marked_first() {
    let place = Place::new();
    let named = |secret: &str| Some(Secret::new(secret).fingerprint());
    let plain = token("at", 290);
    for (kept, refused, is_marked) in [
        (plain.clone(), named("at"), true),
        (plain.clone(), named("other"), false),
        (plain.clone(), None, false),
        (Token { refused: true, ..plain.clone() }, named("at"), false),
        (Token { after_refusal: true, ..plain.clone() }, named("at"), false),
        (Token { after_refusal: true, ..token("at", 200) }, named("at"), true),
    ] {
        let session = Record { refresh_token: Some(Secret::new("rt")), ..holding(kept.clone()) };
        let ask = Ask { refused, ..Ask::default() };
        let (_, effect) = place.drive(ask, [Got::Record(None), Got::Terminal(true), locked(&session)]);
        let is_saved = matches!(&effect, Effect::Save(saved) if saved.tokens[&Slot::default()].refused);
        assert_eq!(is_saved, is_marked, "{kept:?}: {effect:?}");
    }
}

/// Who wants to be signed in wants that kept: room is made before a person is looked for. A client is served without.
#[test]
fn a_sign_in_makes_room_before_a_person_is_looked_for() {
    let place = Place::new();
    for (want, expected) in [(Want::SignIn, Effect::Reserve), (Want::Token, Effect::FindPerson)] {
        let told = [Got::Record(None), Got::Terminal(true), locked(&Record::default())];
        assert_eq!(place.drive(Ask { want, ..Ask::default() }, told).1, expected);
    }
}

/// Longer than any code lives: whoever still waits then waits for nobody, and is told.
#[test]
fn a_sign_in_that_nobody_carries_on_is_not_waited_for_without_end() {
    let place = Place::new();
    let kept = waiting(&pending("dc", 3, 3_600));
    for (seconds, is_over) in [(2_099, false), (2_100, false), (2_101, true)] {
        let told = [
            Got::Record(None),
            Got::Terminal(true),
            locked(&Record::default()),
            Got::Presence(Presence::Here),
            Got::Busy,
            record(&kept),
            Got::Waited(Duration::from_secs(seconds)),
            Got::Busy,
            record(&kept),
        ];
        let (_, effect) = place.drive(Ask::default(), told);
        if is_over {
            let line = "another keyfob holds the sign-in to a and does nothing with it";
            assert_told(failed(&effect), Kind::Transient, line, "end that process (is it stopped?) and try again");
        } else {
            assert_eq!(effect, Effect::Pause, "{seconds}");
        }
    }
}
