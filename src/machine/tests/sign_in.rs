//! Beginning a sign-in, and what comes of its approval.

use super::*;
use crate::model::TokenKind;

const RESOURCES: &str =
    "hosts = [\"b.dev\"]\nresource = \"https://one.dev\"\n[profile.a.at.\"b.dev\"]\nresource = \"https://two.dev\"\n";

fn begun() -> impl Iterator<Item = Got> {
    turn(&Record::default(), Presence::Here)
}

#[test]
fn where_one_resource_is_not_known_the_place_s_own_alone_is_named_and_no_refusal_else_is_asked_about_again() {
    let (two, one) = (Place::with(RESOURCES), Place::with("hosts = [\"b.dev\"]\nresource = \"https://one.dev\"\n"));
    let slot = Slot { resource: Some("https://one.dev".to_owned()), ..Slot::default() };
    let ask = Ask { slot: slot.clone(), ..Ask::default() };
    for (place, code, is_asked_again) in [
        (&two, "invalid_target", true),
        (&two, "invalid_client", false),
        (&one, "invalid_target", false),
        (&one, "invalid_client", false),
    ] {
        let (_, effect) = place.drive(ask.clone(), begun());
        let Effect::Send(Call::Start { resources, .. }) = effect else { panic!("{effect:?}") };
        assert_eq!(resources.len(), if std::ptr::eq(place, &raw const two) { 2 } else { 1 });
        let (_, effect) = place.drive(ask.clone(), begun().chain([Got::Code(Err(refusal(400, code, false)))]));
        let own = Call::Start { slot: slot.clone(), resources: vec!["https://one.dev".to_owned()] };
        let expected = if is_asked_again { Effect::Send(own) } else { Effect::TryLock };
        assert_eq!(effect, expected, "{code}");
    }
}

/// A provider that lets nobody choose the organization at the sign-in, and gave none to renew with: another sign-in would
/// bring no more than this one did.
#[test]
fn what_an_approval_for_this_very_place_did_not_bring_is_not_asked_for_again() {
    let place = Place::of("provider = \"workos\"\nhosts = [\"git.a.dev\"]\n");
    let of = |organization: Option<&str>, kind| Ask {
        slot: Slot { organization: organization.map(str::to_owned), ..Slot::default() },
        kind,
        ..Ask::default()
    };
    for (ask, is_served) in [
        (of(None, TokenKind::Access), true),
        (of(None, TokenKind::Id), false),
        (of(Some("org"), TokenKind::Access), false),
    ] {
        let due = waiting(&pending("dc", 0, 100));
        let answer = Answer::Granted(Box::new(granted(None)));
        let told = polled(&due, answer).chain([locked(&due), Got::Done]);
        let (_, effect) = place.drive(ask.clone(), told);
        match effect {
            Effect::End(Outcome::Token(_)) => assert!(is_served, "{ask:?}"),
            effect => {
                assert!(!is_served, "{ask:?}: {effect:?}");
                assert!(failed(&effect).text().starts_with("api.workos.com grant"), "{}", failed(&effect).text());
            }
        }
    }
}

#[test]
fn a_code_that_waits_already_takes_on_the_wish_to_choose_another_account() {
    let place = Place::new();
    for (was, wished) in [(false, true), (true, false), (true, true), (false, false)] {
        let kept = waiting(&Pending { selects_account: was, ..pending("dc", 0, 100) });
        let ask = Ask { want: Want::Code, selects_account: wished, ..Ask::default() };
        let (_, effect) = place.drive(ask, [Got::Done, locked(&kept), Got::Done]);
        let Effect::Save(saved) = effect else { panic!("{effect:?}") };
        let saved = saved.pending.expect("it is kept");
        assert!(saved.in_advance);
        assert_eq!(saved.selects_account, was || wished);
        // Whoever waits for its approval says so with the next poll.
        let ask = Ask { want: Want::SignIn, selects_account: wished, ..Ask::default() };
        let begun = [Got::Record(None), Got::Terminal(true), locked(&kept), Got::Done, Got::Presence(Presence::Here)];
        let (_, effect) = place.drive(ask, begun.into_iter().chain([Got::Done, locked(&kept)]));
        let Effect::Save(saved) = effect else { panic!("{effect:?}") };
        assert_eq!(saved.pending.map(|saved| saved.selects_account), Some(was || wished));
    }
}

/// Somebody may have approved it at the last moment. What another asks for is not this caller's to ask about.
#[test]
fn a_code_whose_time_is_over_is_asked_for_once_more_by_whoever_has_shown_it_or_polled() {
    let place = Place::new();
    let wait = || Got::Waited(Duration::ZERO);
    let over = |code, wait| locked(&waiting(&pending(code, wait, 0)));
    let live = waiting(&pending("dc", 3, 100));
    let shown = || turn(&live, Presence::Here).chain([wait()]);
    let after = |told: &mut dyn Iterator<Item = Got>| place.drive(Ask::default(), told).1;
    // Not before the poll is due.
    assert_eq!(after(&mut shown().chain([over("dc", 3)])), Effect::Sleep { seconds: 2, expires_at: NOW });
    let due = waiting(&pending("dc", 0, 100));
    let (asides, effect) = place.drive(Ask::default(), turn(&due, Presence::Here).chain([Got::Done]));
    let Effect::Send(Call::Poll(sent)) = effect else { panic!("{effect:?}") };
    assert_eq!(asides, [Aside::Unlock, Aside::Show(sent, Role::TakingOver)], "it is shown before it is polled for");
    let polled = || polled(&due, not_yet()).chain([locked(&due), Got::Done, wait()]);
    for (told, is_asked_for) in [
        (after(&mut shown().chain([over("dc", 0)])), true),
        (after(&mut shown().chain([over("other", 0)])), false),
        (after(&mut polled().chain([over("other", 0)])), true),
    ] {
        let Effect::Save(saved) = told else { panic!("{told:?}") };
        assert_eq!((saved.pending.is_some(), saved.failure.is_none()), (is_asked_for, is_asked_for));
    }
    assert!(matches!(after(&mut shown().chain([over("dc", 0), Got::Done])), Effect::Send(Call::Poll(_))));
}

/// Nobody waits for a lock beside a token that lives.
#[test]
fn a_token_that_another_renews_serves_at_the_first_look() {
    let place = Place::new();
    for (since, is_served) in [(Some(NOW), true), (None, false)] {
        let record =
            Record { refresh_token: Some(Secret::new("rt")), renewing_since: since, ..holding(token("at", 10)) };
        let (_, effect) = place.drive(Ask::default(), [super::record(&record)]);
        assert_eq!(matches!(effect, Effect::End(Outcome::Token(_))), is_served, "{effect:?}");
    }
}

/// Behind an agent nobody is waited for: what was begun is told at once, and its approval is the next caller's.
#[test]
fn what_an_agent_begins_is_told_and_left() {
    let place = Place::new();
    let code = pending("dc", 5, 100);
    let parent = Some(ParentId::new(7, "1"));
    let ask = Ask { parent: parent.clone(), repeats: true, ..Ask::default() };
    let empty = Record::default();
    let told = || turn(&empty, Presence::Relayed).chain([Got::Code(Ok(Box::new(code.clone()))), locked(&empty)]);
    let (_, effect) = place.drive(ask.clone(), told());
    let Effect::Save(saved) = effect else { panic!("{effect:?}") };
    let kept = saved.pending.clone().expect("it is kept");
    assert!(kept.in_advance && kept.told_to == parent);
    let (asides, effect) = place.drive(ask.clone(), told().chain([Got::Done]));
    assert_eq!(failed(&effect).kind, Kind::HumanNeeded);
    assert_eq!(
        failed(&effect).line(),
        "the sign-in to a waits for approval of U-dc at https://a.dev; show this to the person, and run it again when they have approved\n"
    );
    assert!(matches!(&asides[..], [Aside::Unlock, Aside::Show(_, Role::Starting)]), "{asides:?}");
    // What cannot be kept is shown to nobody.
    let full = Got::Failed(Error::new(Kind::Broken, "the disk is full"));
    let (asides, effect) = place.drive(ask.clone(), told().chain([full]));
    assert_eq!((failed(&effect).kind, &asides[..]), (Kind::Broken, &[Aside::Unlock][..]));

    // The same process, which only repeats itself, waits for nothing; another one looks whether it was approved.
    let (asides, effect) = place.drive(ask.clone(), turn(&saved, Presence::Relayed));
    assert!(failed(&effect).is_repeated() && asides == [Aside::Unlock], "{asides:?}");
    for (age, is_repeated) in [(9, true), (10, false)] {
        let earlier = waiting(&Pending { started_at: NOW - age, ..kept.clone() });
        let (_, effect) = place.drive(ask.clone(), turn(&earlier, Presence::Relayed));
        assert_eq!(matches!(effect, Effect::End(_)), is_repeated, "after {age} s: {effect:?}");
    }
    for other in [Ask { repeats: false, ..ask.clone() }, Ask { parent: Some(ParentId::new(8, "1")), ..ask }] {
        let (asides, effect) = place.drive(other, turn(&saved, Presence::Relayed));
        assert!(matches!(effect, Effect::Sleep { seconds: 5, .. }), "{effect:?}");
        assert!(matches!(&asides[..], [Aside::Unlock, Aside::Show(..)]), "{asides:?}");
    }
}

/// Another has the login lock: its code is the one that is told, and one that is about to come is waited for.
#[test]
fn an_agent_tells_of_the_code_that_another_begins() {
    let place = Place::new();
    let empty = Record::default();
    let begun = [Got::Record(None), Got::Terminal(false), locked(&empty), Got::Presence(Presence::Relayed), Got::Busy];
    let (_, effect) = place.drive(Ask::default(), begun.clone().into_iter().chain([record(&empty)]));
    assert_eq!(effect, Effect::Pause);
    let theirs = waiting(&pending("dc", 3, 20));
    let (asides, effect) = place.drive(Ask::default(), begun.into_iter().chain([record(&theirs)]));
    assert_eq!(failed(&effect).kind, Kind::HumanNeeded);
    assert!(matches!(&asides[..], [Aside::Show(_, Role::Waiting)]), "{asides:?}");
}
