//! One refresh: what is sent, whether it is sent again, and what is written down of the answer.

use super::*;
use crate::model::TokenKind;

/// A session that can be renewed, beside a token that is to be and lives, or none.
fn session(has_living: bool) -> Record {
    let record = if has_living { holding(token("at", 10)) } else { Record::default() };
    Record { refresh_token: Some(Secret::new("rt")), ..record }
}

/// All that comes before the refresh token is sent: beside a token that lives, the others are told of it.
fn begun(kept: &Record, has_living: bool) -> impl Iterator<Item = Got> + use<> {
    let first = [Got::Record(None), Got::Terminal(true), locked(kept)];
    first.into_iter().chain(has_living.then_some(Got::Done)).chain([Got::Done])
}

/// The record that is saved when this is the answer.
fn saved(place: &Place, ask: &Ask, kept: &Record, has_living: bool, answer: Answer) -> Box<Record> {
    match place.drive(ask.clone(), begun(kept, has_living).chain([Got::Answer(answer)])).1 {
        Effect::Save(saved) => saved,
        other => panic!("{ask:?}: {other:?}"),
    }
}

fn grants(tokens: TokenAnswer) -> Answer {
    Answer::Granted(Box::new(tokens))
}

fn fingerprint(secret: &str) -> Fingerprint {
    Secret::new(secret).fingerprint()
}

/// Only a plain ask, and only beside a token that answers it meanwhile.
#[test]
fn a_renewal_may_be_left_to_another_where_nobody_needs_its_answer() {
    let place = Place::new();
    for (has_living, ask, may) in [
        (true, Ask::default(), true),
        (false, Ask::default(), false),
        (true, Ask { suspected: Some(fingerprint("at")), ..Ask::default() }, false),
        (true, Ask { refused: Some(fingerprint("other")), ..Ask::default() }, false),
    ] {
        let (_, effect) = place.drive(ask.clone(), begun(&session(has_living), has_living));
        let Effect::Send(Call::Refresh { may_hand_over, .. }) = effect else { panic!("{effect:?}") };
        assert_eq!(may_hand_over, may, "{ask:?}");
    }
    // The one it was left to sends it.
    let ask = Ask { want: Want::Renewal, ..Ask::default() };
    let (_, effect) = place.drive(ask, [locked(&session(true)), Got::Done]);
    assert!(matches!(effect, Effect::Send(Call::Refresh { may_hand_over: false, .. })), "{effect:?}");
}

#[test]
fn the_organization_of_the_sign_in_is_named_where_the_session_has_gone_to_another() {
    let place = Place::new();
    for (signed_in, newest, sent) in
        [(Some("a"), Some("b"), Some("a")), (Some("a"), Some("a"), None), (None, Some("b"), None), (None, None, None)]
    {
        let [signed_in_organization, newest] = [signed_in, newest].map(|name: Option<&str>| name.map(str::to_owned));
        let kept = Record { signed_in_organization, organization: newest, ..session(false) };
        let (_, effect) = place.drive(Ask::default(), begun(&kept, false));
        let Effect::Send(Call::Refresh { organization, .. }) = effect else { panic!("{effect:?}") };
        assert_eq!(organization.as_deref(), sent);
    }
}

/// Once more at once, and no third time: what was not sent, and what a provider with a replay window answers the same twice. Beside
/// a token that lives nobody presses.
#[test]
fn a_refresh_is_sent_once_more_where_that_costs_nothing() {
    let [plain, windowed] = [Place::new(), Place::of("provider = \"workos\"\nhosts = [\"b.dev\"]\n")];
    let unreachable = |is_lasting, is_unsent| {
        Answer::Unreachable(Unreachable { why: "no route".to_owned(), mend: "look".into(), is_lasting, is_unsent })
    };
    let unsent = || unreachable(false, true);
    for (place, has_living, answer, is_again) in [
        (&plain, false, unsent(), true),
        (&plain, true, unsent(), false),
        // There the second connection has been tried already.
        (&windowed, false, unsent(), false),
        (&windowed, true, unsent(), false),
        (&plain, false, unreachable(true, true), false),
        (&plain, false, unreachable(false, false), false),
        (&windowed, false, not_yet(), true),
        (&windowed, true, not_yet(), false),
        (&plain, false, not_yet(), false),
        (&plain, true, not_yet(), false),
    ] {
        let kept = session(has_living);
        let told = || begun(&kept, has_living).chain([Got::Answer(answer.clone())]);
        let (_, mut effect) = place.drive(Ask::default(), told());
        if is_again {
            let sent =
                matches!(&effect, Effect::Send(Call::Refresh { refresh_token, .. }) if refresh_token.expose() == "rt");
            assert!(sent, "{answer:?}: {effect:?}");
            effect = place.drive(Ask::default(), told().chain([Got::Answer(answer.clone())])).1;
        }
        let Effect::Save(saved) = effect else { panic!("{answer:?}: {effect:?}") };
        assert!(saved.failure.is_some() && saved.refresh_token.is_some(), "{answer:?}");
    }
}

/// A resource that the session was not granted is not asked for again, and the others are; where none was named, that word is a
/// mistake somewhere.
#[test]
fn what_is_not_granted_is_noted_by_the_resource_that_was_named() {
    let place = Place::with(
        "hosts = [\"b.dev\"]\nresource = \"https://one.dev\"\n[profile.a.at.\"b.dev\"]\nresource = \"https://two.dev\"\n",
    );
    let answer = || Answer::Error(server_error(400, "invalid_target", false));
    let slot = Slot { resource: Some("https://one.dev".to_owned()), ..Slot::default() };
    let ask = Ask { slot, ..Ask::default() };
    let noted = saved(&place, &ask, &session(false), false, answer());
    assert_eq!((noted.resources, noted.failure), (Some(vec!["https://two.dev".to_owned()]), None));
    let noted = saved(&place, &Ask::default(), &session(false), false, answer());
    assert_eq!((noted.resources, noted.failure.map(|failure| failure.kind)), (None, Some(Kind::Refused)));
}

#[test]
fn a_wish_to_be_left_alone_is_honoured_for_an_hour_at_most() {
    let place = Place::new();
    for (seconds, until) in [(3_600, Some(NOW + 3_600)), (3_601, None)] {
        let answer = Answer::Transient { why: "busy".to_owned(), retry_after: Some(seconds) };
        let noted = saved(&place, &Ask::default(), &session(false), false, answer);
        let text = noted.failure.map(|failure| failure.text).unwrap_or_default();
        assert_eq!((noted.retry_at, text.contains("asks to be left alone")), (until, until.is_some()), "{text}");
    }
}

/// An answer without an ID token says something of the provider only where one was wanted.
#[test]
fn whether_a_refresh_brings_id_tokens_is_learned_from_it() {
    let place = Place::new();
    for (kind, id_token, before, after) in [
        (TokenKind::Access, None, true, true),
        (TokenKind::Access, None, false, false),
        (TokenKind::Access, Some("id"), true, false),
        (TokenKind::Id, None, false, true),
        (TokenKind::Id, Some("id"), false, false),
    ] {
        let kept = Record { refresh_lacks_id: before, ..session(false) };
        let answer = grants(TokenAnswer { id_token: id_token.map(Secret::new), ..granted(None) });
        let noted = saved(&place, &Ask { kind, ..Ask::default() }, &kept, false, answer);
        assert_eq!(noted.refresh_lacks_id, after, "{kind:?} {id_token:?} {before}");
    }
}

/// What takes the place of a token that was refused, or may well have been, is not replaced as well a moment later.
#[test]
fn the_successor_of_a_refused_or_suspected_token_is_marked() {
    let place = Place::new();
    let suspected = Ask { suspected: Some(fingerprint("at")), ..Ask::default() };
    for (refused, ask, is_marked) in [
        (true, Ask::default(), true),
        (false, suspected.clone(), true),
        (true, suspected.clone(), true),
        (false, Ask { is_doubtful: true, ..suspected }, false),
        (false, Ask::default(), false),
    ] {
        let mut kept = session(true);
        kept.tokens.get_mut(&Slot::default()).expect("it is held").refused = refused;
        let noted = saved(&place, &ask, &kept, !refused, grants(granted(None)));
        assert_eq!(noted.tokens[&Slot::default()].after_refusal, is_marked, "{refused} {ask:?}");
    }
}

/// A sign-in brings an ID token where its scope is asked for; where it is not, and where the token is the very one that was refused,
/// another sign-in would bring no more.
#[test]
fn what_a_refresh_did_not_bring_is_signed_in_for_where_that_helps() {
    let [openid, plain] =
        ["openid", "read"].map(|scope| Place::with(&format!("scopes = [\"{scope}\"]\nhosts = [\"b.dev\"]\n")));
    let id = Ask { kind: TokenKind::Id, ..Ask::default() };
    let refused = Ask { refused: Some(fingerprint("at")), ..Ask::default() };
    for (place, ask, said) in [
        (&openid, &id, None),
        (&plain, &id, Some("a.dev grants no ID token")),
        (&openid, &refused, Some("a.dev grants the very token that was refused")),
    ] {
        let told = begun(&session(false), false).chain([Got::Answer(grants(granted(None))), Got::Done]);
        let (_, effect) = place.drive(ask.clone(), told);
        match said {
            None => assert_eq!(effect, Effect::TryLock, "it is decided anew"),
            Some(line) => assert_eq!(failed(&effect).text(), line),
        }
    }
}

#[test]
fn a_renewed_token_that_cannot_be_kept_serves_once_and_that_is_said() {
    let place = Place::new();
    let told = |saved| begun(&session(false), false).chain([Got::Answer(grants(granted(None))), saved]);
    for (saved, line) in [
        (Got::Done, None),
        (Got::Failed(Error::new(Kind::Broken, "no room")), Some("no room; signed in for this once")),
    ] {
        let (asides, effect) = place.drive(Ask::default(), told(saved));
        assert!(matches!(effect, Effect::End(Outcome::Token(_))), "{effect:?}");
        assert_eq!(asides, line.map(|line| Aside::Say(line.to_owned())).into_iter().collect::<Vec<_>>());
    }
}
