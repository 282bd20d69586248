//! Whose a clip is besides its officer's, and who an identity is.

use super::*;
use crate::domain::event::{Actor, EventKind};
use crate::domain::record::{Field, Origin};
use crate::domain::rights::{Action, Decision, Role, Roles, Within, decide};
use crate::store::tests::{Fixture, fixture};
use crate::store::{AccountChange, NewAccount};

fn asked(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::os(0), "cli")
}

fn account(f: &Fixture, login: &str, role: Role, officers: &[&str]) -> i64 {
    let new = NewAccount {
        login: login.into(),
        label: String::new(),
        roles: Roles::new([role]).unwrap(),
        unit: Some("一科".into()),
        officers: officers.iter().map(|o| (*o).to_owned()).collect(),
        until_ms: None,
        password: "$argon2id$".into(),
    };
    f.store.write_blocking(move |tx| tx.add_account(&new, asked(EventKind::AccountMade))).unwrap()
}

fn recorded(f: &Fixture, name: &str, officer: &str, co_officers: &str) -> ClipId {
    let clip = f.clip(name);
    f.seal(clip, vec![]);
    let facts = [
        (Field::Officer, Origin::Roster, officer.to_owned()),
        (Field::CoOfficers, Origin::Roster, co_officers.to_owned()),
    ];
    f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)).unwrap();
    clip
}

#[test]
fn what_somebody_recorded_as_second_officer_is_their_own() {
    let f = fixture();
    let li = account(&f, "li", Role::Officer, &["李四", "110204"]);
    let head = account(&f, "head", Role::DepartmentHead, &[]);
    let mine = recorded(&f, "a", "李四", "王五");
    let second = recorded(&f, "b", "张三", "王五、李四");
    let numbered = recorded(&f, "c", "张三", "王五（110203），赵六（110204）");
    let alike = recorded(&f, "d", "张三", "李四四、1102040");
    let nobody = recorded(&f, "e", "张三", " 、 ");
    let own = |clip| f.store.read_blocking(move |r| r.clip_standing(clip, li, 0)).unwrap().unwrap().subject;
    let all = [mine, second, numbered, alike, nobody];
    assert_eq!(all.map(|clip| own(clip).own), [true, true, true, false, false]);
    let roles = Roles::new([Role::Officer]).unwrap();
    for (action, allowed) in [(Action::ShowClip, true), (Action::AnnotateClip, true), (Action::DownloadClip, false)] {
        let came = matches!(decide(&roles, action, &own(second)), Decision::Allowed { .. });
        assert_eq!(came, allowed, "{action:?}: as second officer they may what they may as the first, and no more");
    }
    // Lists and the decision about one clip say the same.
    let within = Within::of(li, &roles, Action::ListClips);
    let listed = f.store.read_blocking(move |r| r.clips_within(&all, &within, 0)).unwrap();
    assert_eq!(listed, [mine, second, numbered]);
    // A unit's clips are those of its officers: being second makes nothing the unit's.
    let unit = |clip| f.store.read_blocking(move |r| r.clip_standing(clip, head, 0)).unwrap().unwrap().subject.unit;
    assert_eq!([unit(mine), unit(second)], [true, false]);

    // Somebody corrects the record: it is no longer theirs.
    f.store
        .write_blocking(move |tx| {
            let facts = [(Field::CoOfficers, Origin::Person, "王五".to_owned())];
            tx.add_facts(second, &Actor::os(1), "cli", &facts)
        })
        .unwrap();
    assert!(!own(second).own);
}

#[test]
fn an_identity_is_one_account_s_and_only_what_was_bound() {
    let f = fixture();
    let (a, b) = (account(&f, "a", Role::Officer, &[]), account(&f, "b", Role::Officer, &[]));
    let at =
        |issuer: &str, subject: &str| Identity::Oidc { issuer: issuer.into(), subject: Subject::new(subject).unwrap() };
    let card = Identity::Certificate(Fingerprint::of(Sha256([7; 32])));
    let bind = |account: i64, identities: Vec<Identity>| {
        f.store.write_blocking(move |tx| {
            tx.change_account(account, &AccountChange::Identities(identities), None, asked(EventKind::AccountChanged))
        })
    };
    let who = |identity: &Identity| {
        let identity = identity.clone();
        f.store.read_blocking(move |r| r.account_by_identity(&identity)).unwrap().map(|a| a.id)
    };
    bind(a, vec![at("https://id", "1"), card.clone()]).unwrap();
    assert_eq!([who(&at("https://id", "1")), who(&card)], [Some(a), Some(a)]);
    for other in
        [at("https://other", "1"), at("https://id", "2"), Identity::Certificate(Fingerprint::of(Sha256([8; 32])))]
    {
        assert_eq!(who(&other), None);
    }
    let refused = bind(b, vec![at("https://id", "1")]).unwrap_err();
    assert!(refused.to_string().contains("a is bound to it already"), "{refused}");
    assert_eq!(who(&at("https://id", "1")), Some(a), "and nothing of it happened");
    bind(b, vec![at("https://other", "1")]).unwrap();
    bind(a, vec![card.clone()]).unwrap();
    assert_eq!([who(&at("https://id", "1")), who(&at("https://other", "1")), who(&card)], [None, Some(b), Some(a)]);
}
