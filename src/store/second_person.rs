//! Who may be the second of two people. One who asked, whichever of their accounts they come with, is never the other one.

use rusqlite::params;

use super::{Reader, Result, StoreError};
use crate::domain::account::shared_officer;
use crate::domain::event::Actor;
use crate::domain::rights::{Action, People};
use crate::domain::why::{Thing, Why};

/// Only people who can be told apart may release what was put there for a reason: users of this box by their uid, or whoever
/// signed in by their account. A program is nobody, and neither is whoever reaches a station without accounts.
pub(super) fn a_person(actor: &Actor) -> Result<String> {
    if matches!(actor.kind.as_str(), "os" | "user") {
        return Ok(format!("{}:{}", actor.kind, actor.id));
    }
    Err(StoreError::Conflict(Why::TwoPeople {}))
}

impl Reader<'_> {
    /// A second person is one who did not ask, under no account. A user of the box and an account may be one and the same
    /// person, so both are of the same kind. What one may do alone (the table of rights says so) needs no other one.
    pub(super) fn another_person(
        &self,
        action: Action,
        actor: &Actor,
        asked_by: Option<&str>,
        thing: Thing,
    ) -> Result<String> {
        let person = a_person(actor)?;
        if action.people() == People::One {
            return Ok(person);
        }
        let Some(asked) = asked_by else { return Err(StoreError::Conflict(Why::NobodyAsked { thing })) };
        if asked == person {
            return Err(StoreError::Conflict(Why::AskedYourself { thing }));
        }
        let (kind, id) = asked.split_once(':').unwrap_or((asked, ""));
        if kind != actor.kind {
            let place = match kind {
                "user" => Thing::OnThePage,
                "os" => Thing::OnTheCommandLine,
                _ => return Err(StoreError::Conflict(Why::AskedByProgram { thing })),
            };
            return Err(StoreError::Conflict(Why::AskedElsewhere { thing, place }));
        }
        if kind == "user"
            && let (Ok(one), Ok(other)) = (id.parse(), actor.id.parse())
            && let Some(officer) = self.officer_of_both(one, other)?
        {
            return Err(StoreError::Conflict(Why::OnePerson { thing, officer }));
        }
        Ok(person)
    }

    /// Who both of two accounts are as officers.
    fn officer_of_both(&self, one: i64, other: i64) -> Result<Option<String>> {
        let mut statement =
            self.conn.prepare_cached("SELECT officer FROM account_officer WHERE account_id = ?1 ORDER BY officer")?;
        let mut of = |account: i64| -> Result<Vec<String>> {
            let officers = statement.query_map(params![account], |r| r.get(0))?;
            Ok(officers.collect::<std::result::Result<_, _>>()?)
        };
        Ok(shared_officer(&of(one)?, &of(other)?).map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Draft, EventKind};
    use crate::domain::rights::{Role, Roles};
    use crate::store::NewAccount;
    use crate::store::tests::{Fixture, fixture};

    fn account(f: &Fixture, login: &str, officers: &[&str]) -> i64 {
        let new = NewAccount {
            login: login.into(),
            label: String::new(),
            roles: Roles::new([Role::DepartmentHead]).unwrap(),
            unit: None,
            officers: officers.iter().map(|o| (*o).to_owned()).collect(),
            until_ms: None,
            password: "$argon2id$".into(),
        };
        let asked = Draft::by(EventKind::AccountMade, Actor::os(0), "cli");
        f.store.write_blocking(move |tx| tx.add_account(&new, asked)).unwrap()
    }

    fn confirms(f: &Fixture, action: Action, actor: &Actor, asked: &str) -> Result<String> {
        f.store.read_blocking(|r| Ok(r.another_person(action, actor, Some(asked), Thing::Disposal))).unwrap()
    }

    #[test]
    fn the_table_says_what_takes_two_people() {
        let f = fixture();
        for action in Action::ALL {
            let confirmed = confirms(&f, *action, &Actor::user(3), "user:3");
            assert_eq!(confirmed.is_err(), action.needs_second_person(true), "{action:?}");
            assert!(confirms(&f, *action, &Actor::token(3), "user:4").is_err(), "{action:?}: a program");
        }
    }

    #[test]
    fn two_accounts_of_one_officer_are_one_person() {
        let f = fixture();
        let li = account(&f, "li", &["李四", "110203"]);
        let li_again = account(&f, "li-archive", &["１１０２０３"]);
        let wang = account(&f, "wang", &["王五"]);
        let [nobody, none] = ["nobody", "none"].map(|login| account(&f, login, &[]));
        let asked = |id: i64| format!("user:{id}");
        let action = Action::DisposeClip;
        match confirms(&f, action, &Actor::user(li_again), &asked(li)) {
            Err(StoreError::Conflict(Why::OnePerson { thing: Thing::Disposal, officer })) => {
                assert_eq!(officer, "110203");
            }
            other => panic!("{other:?}"),
        }
        assert!(confirms(&f, action, &Actor::user(li), &asked(li_again)).is_err());
        assert_eq!(confirms(&f, action, &Actor::user(wang), &asked(li)).unwrap(), asked(wang));
        // Whoever is no officer is told apart by their account.
        assert!(confirms(&f, action, &Actor::user(nobody), &asked(none)).is_ok());
        assert!(confirms(&f, action, &Actor::os(0), "os:1000").is_ok());
        // What takes one person takes one.
        assert!(confirms(&f, Action::IsolateClip, &Actor::user(li_again), &asked(li)).is_ok());
    }
}
