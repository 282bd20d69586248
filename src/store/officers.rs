//! Officers as their register had them at a time: what a record says of whoever recorded it must not change because
//! somebody gets another certificate later.
//!
//! The number itself is a fact of origin `register`, which the clerk says like any other, so that an event commits to it; here
//! is what that is, and which number counts for a record.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::{Reader, Result, StoreError};
use crate::domain::ids::ClipId;
use crate::domain::record::{Fact, Field, Origin, Registered};
use crate::domain::register::{Entry, Register, name_key};
use crate::domain::time::UtcMs;

/// A version of an entry: what it says, the import that said so, and when.
pub(super) type Version = (Entry, i64, i64);

/// An officer's certificate by their register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// No officer was ever imported: the register says nothing.
    NoRegister,
    /// It has nobody of that name or number, or several of that name.
    Unknown,
    /// They hold none that it knows, as auxiliary staff do.
    None,
    /// Its number.
    Number(String),
}

impl Reader<'_> {
    /// The certificate of an officer, by name or number, at `at_ms`.
    pub fn certificate(&self, officer: &str, at_ms: Option<i64>) -> Result<Certificate> {
        Ok(match self.officer_at(officer, at_ms)? {
            Some((entry, ..)) if is_auxiliary(&entry) => Certificate::None,
            Some((entry, ..)) => entry.get("cert_no").map_or(Certificate::None, |n| Certificate::Number(n.to_owned())),
            None if self.entry_count(Register::Officer)? == 0 => Certificate::NoRegister,
            None => Certificate::Unknown,
        })
    }

    /// A clip's officer as the register had them when capture began.
    pub(super) fn registered(
        &self,
        officer: &str,
        captured_ms: Option<i64>,
        zone: &jiff::tz::TimeZone,
    ) -> Result<Option<Registered>> {
        Ok(self.officer_at(officer, captured_ms)?.map(|(entry, import, at_ms)| Registered {
            import,
            imported_at: UtcMs(at_ms).rfc3339_in(zone),
            auxiliary: is_auxiliary(&entry),
        }))
    }

    /// Clips of an officer, by the text that names them, that have all five facts and of which the register now says another
    /// certificate than their facts have; those of filed cases take nothing. Of `limit` clips after `after` at most, of which
    /// the last is told.
    pub fn certificates_due(
        &self,
        officer: &str,
        after: Option<ClipId>,
        limit: u32,
    ) -> Result<(Option<ClipId>, Vec<ClipId>)> {
        let now = match self.certificate(officer, None)? {
            Certificate::Number(number) => number,
            _ => String::new(),
        };
        // What the register says now is what it says of most clips: only the others are looked at one by one.
        let mut statement = self.conn.prepare_cached(
            "SELECT clip_id, captured_start_ms, said FROM (SELECT i.clip_id, i.captured_start_ms, coalesce((SELECT f.value FROM fact f
                 WHERE f.clip_id = i.clip_id AND f.field = 'officer_cert_no' AND f.origin = 'register' ORDER BY f.fact_id DESC LIMIT 1), '') said
               FROM clip_index i WHERE i.officer = ?1 AND i.missing_count = 0 AND i.clip_id > ?2)
             WHERE said <> ?3 ORDER BY clip_id LIMIT ?4",
        )?;
        let from = after.map(|c| c.to_string()).unwrap_or_default();
        let rows = statement.query_map(params![officer, from, now, limit], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, Option<i64>>(1)?, r.get::<_, String>(2)?))
        })?;
        let (mut last, mut due) = (None, Vec::new());
        for row in rows {
            let (clip, captured_ms, said) = row?;
            let clip: ClipId = clip.parse()?;
            last = Some(clip);
            let number = match self.certificate(officer, captured_ms)? {
                Certificate::Number(number) => number,
                _ => String::new(),
            };
            if number != said && !self.is_of_filed_case(clip)? {
                due.push(clip);
            }
        }
        Ok((last, due))
    }

    /// An officer by name or number as the register had them at `at_ms`: the version that was imported last before it; where
    /// all are younger, the oldest. `None` where it has nobody of that name or number, or had several of that name by then.
    pub(super) fn officer_at(&self, name: &str, at_ms: Option<i64>) -> Result<Option<Version>> {
        let register = Register::Officer.as_str();
        let mut statement = self.conn.prepare_cached(
            "SELECT entry_key, entry, import_id FROM register_entry WHERE register = ?1 AND entry_key = ?2
             UNION SELECT entry_key, entry, import_id FROM register_entry WHERE register = ?1 AND name = ?3 LIMIT 20",
        )?;
        let rows = statement.query_map(params![register, name_key(name), name.trim()], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, i64>(2)?))
        })?;
        let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
        let mut versions = rows
            .iter()
            .map(|(key, json, import)| self.version_at(key, json, *import, at_ms))
            .collect::<Result<Vec<_>>>()?;
        // Who came later under the same name takes nothing from what was captured before.
        if let (Some(at), Some(first)) = (at_ms, versions.iter().map(|version| version.2).min()) {
            versions.retain(|version| version.2 <= at.max(first));
        }
        Ok(versions.pop().filter(|_| versions.is_empty()))
    }

    /// An entry as it was at `at_ms`, from how it is now.
    fn version_at(&self, key: &str, json: &str, import: i64, at_ms: Option<i64>) -> Result<Version> {
        let read = |json: &str| serde_json::from_str(json).map_err(|e| StoreError::Odd(format!("an officer: {e}")));
        let mut version: Version = (read(json)?, import, self.imported_ms(import)?);
        while at_ms.is_some_and(|at| version.2 > at) {
            let before: Option<(Option<String>, Option<i64>)> = self
                .conn
                .prepare_cached(
                    "SELECT before, before_import FROM register_before WHERE import_id = ?1 AND entry_key = ?2",
                )?
                .query_row(params![version.1, key], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?;
            // An import is never its own predecessor; should a damaged row say so, this ends all the same.
            match before {
                Some((Some(json), Some(import))) if import < version.1 => {
                    version = (read(&json)?, import, self.imported_ms(import)?);
                }
                _ => break,
            }
        }
        Ok(version)
    }

    fn imported_ms(&self, import: i64) -> Result<i64> {
        Ok(self
            .conn
            .prepare_cached("SELECT at_ms FROM register_import WHERE import_id = ?1")?
            .query_row([import], |r| r.get(0))?)
    }
}

fn is_auxiliary(entry: &Entry) -> bool {
    entry.get("auxiliary") == Some("yes")
}

/// The certificate's number that counts for a record: what a person or the register said; else what came with the officer's
/// name. A number that an origin gives to somebody else is nobody's here, and auxiliary staff hold none.
pub(super) fn certificate_of<'a>(
    facts: &[Fact],
    settled: &'a BTreeMap<Field, Fact>,
    registered: Option<&Registered>,
) -> Option<&'a Fact> {
    let number = settled.get(&Field::OfficerCertNo)?;
    match number.origin {
        Origin::Person => return Some(number),
        _ if registered.is_some_and(|r| r.auxiliary) => return None,
        Origin::Register => return Some(number),
        _ => {}
    }
    let theirs = facts.iter().rev().find(|f| f.field == Field::Officer && f.origin == number.origin);
    let theirs = theirs.map(|f| f.value.as_str()).filter(|name| !name.is_empty());
    let of_another = theirs.zip(settled.get(&Field::Officer)).is_some_and(|(a, b)| name_key(a) != name_key(&b.value));
    (!of_another).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::case_number::NumberRule;
    use crate::domain::event::Actor;
    use crate::domain::ids::StationId;
    use crate::domain::record::Record;
    use crate::store::tests::{Fixture, fixture};
    use crate::store::{Import, LinkRequest, NewEntry, Policy};

    fn import(f: &Fixture, lines: &[&[(&str, &str)]]) -> i64 {
        let entries = lines.iter().zip(2..).map(|(values, line)| {
            let entry = Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
            NewEntry { line, key: entry.key(Register::Officer), entry, numbers: vec![] }
        });
        let import =
            Import { register: Register::Officer, name: "a.csv".into(), entries: entries.collect(), rule_version: 1 };
        let done = f.store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
        done.import.unwrap()
    }

    fn say(f: &Fixture, clip: ClipId, facts: &[(Field, Origin, &str)]) {
        let facts: Vec<_> = facts.iter().map(|(field, origin, value)| (*field, *origin, (*value).to_owned())).collect();
        f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &facts)).unwrap();
    }

    fn record(f: &Fixture, clip: ClipId) -> Record {
        let policy = Policy {
            station: StationId::new("one").unwrap(),
            agency: None,
            operator: String::new(),
            uri_prefix: std::collections::BTreeMap::new(),
            zone: jiff::tz::TimeZone::UTC,
        };
        f.store.read_blocking(|r| r.record(clip, &policy)).unwrap()
    }

    /// A clip of this officer, captured so many days after the fixture's clock stands.
    fn clip(f: &Fixture, officer: &str, days: i64) -> ClipId {
        use crate::domain::ports::Clock;
        let clip = f.clip(&format!("{officer}{days}"));
        f.seal(clip, vec![]);
        let start = UtcMs(f.clock.now().0 + days * 86_400_000).rfc3339();
        say(f, clip, &[(Field::Officer, Origin::Roster, officer), (Field::CapturedStart, Origin::FileName, &start)]);
        clip
    }

    #[test]
    fn a_certificate_is_the_one_that_was_held_when_capture_began() {
        use crate::domain::ports::Clock;
        let f = fixture();
        let held = |name: &str, at_ms: i64| f.store.read_blocking(|r| r.certificate(name, Some(at_ms))).unwrap();
        assert_eq!(held("张三", 0), Certificate::NoRegister);
        let person = |cert: &'static str| [("name", "张三"), ("number", "110203"), ("cert_no", cert)];
        let first = import(&f, &[&person("C-1")]);
        f.clock.advance(10 * 86_400_000);
        let second = import(&f, &[&person("C-2")]);
        let now = f.clock.now().0;
        let number = |n: &str| Certificate::Number(n.to_owned());
        let days = |n: i64| now + n * 86_400_000;
        assert_eq!(held("张三", days(-5)), number("C-1"));
        assert_eq!(held("１１０２０３", days(-5)), number("C-1"), "by the number as by the name");
        assert_eq!(held("张三", days(5)), number("C-2"));
        assert_eq!(held("张三", days(-30)), number("C-1"), "older than any import: as the first one has it");
        assert_eq!(held("李四", days(5)), Certificate::Unknown);
        let told = record(&f, clip(&f, "张三", 5)).officer_registered.unwrap();
        assert_eq!((told.import, told.auxiliary), (second, false));
        assert_eq!(record(&f, clip(&f, "张三", -5)).officer_registered.unwrap().import, first);
        f.store.write_blocking(move |tx| tx.undo_import(second, &Actor::os(7), "cli")).unwrap();
        assert_eq!(held("张三", days(5)), number("C-1"), "an import that was undone never was");
    }

    /// The same clip with all that it needs.
    fn complete(f: &Fixture, clip: ClipId) -> ClipId {
        say(f, clip, &[(Field::Place, Origin::Person, "东关街18号"), (Field::Proves, Origin::Person, "未公示许可证")]);
        let number = NumberRule::builtin().parse("赵卫罚〔2026〕12号", 2026).unwrap();
        let link = LinkRequest {
            clip,
            number,
            rule_version: 1,
            range_ms: (None, None),
            stage: None,
            matter: None,
            proves: None,
            origin: Origin::Person,
            score: 100,
            reason: None,
        };
        f.store.write_blocking(move |tx| tx.link(&link, &Actor::os(7), "cli")).unwrap();
        clip
    }

    #[test]
    fn clips_that_lack_nothing_are_due_when_the_register_learns_of_a_certificate() {
        let f = fixture();
        let due = |officer: &str| {
            let mut all = Vec::new();
            let mut after = None;
            loop {
                let (last, due) = f.store.read_blocking(|r| r.certificates_due(officer, after, 1)).unwrap();
                all.extend(due);
                let Some(last) = last else { return all };
                after = Some(last);
            }
        };
        let (old, new) = (complete(&f, clip(&f, "张三", -20)), complete(&f, clip(&f, "张三", 20)));
        let mut both = [old, new];
        both.sort();
        let open = clip(&f, "张三", -3);
        assert!(due("张三").is_empty(), "no register says anything");
        let first = import(&f, &[&[("name", "张三"), ("number", "7"), ("cert_no", "C-1")]]);
        assert_eq!(due("张三"), both, "what lacks something is looked at anyway: {open}");
        let taken = |clip, number: &'static str| say(&f, clip, &[(Field::OfficerCertNo, Origin::Register, number)]);
        taken(old, "C-1");
        taken(new, "C-1");
        assert!(due("张三").is_empty());
        // A certificate that is changed counts for what is captured later; somebody else of that name, too.
        f.clock.advance(10 * 86_400_000);
        let second = import(&f, &[&[("name", "张三"), ("number", "7"), ("cert_no", "C-2")]]);
        assert_eq!(due("张三"), [new]);
        taken(new, "C-2");
        assert!(due("张三").is_empty());
        f.store.write_blocking(move |tx| tx.undo_import(second, &Actor::os(7), "cli")).unwrap();
        assert_eq!(due("张三"), [new], "an import that was undone never was");
        taken(new, "C-1");
        f.clock.advance(30 * 86_400_000);
        import(&f, &[&[("name", "张三"), ("number", "8"), ("cert_no", "C-9")]]);
        assert!(due("张三").is_empty(), "who came later takes nothing from what was captured before");
        let later = complete(&f, clip(&f, "张三", 21));
        assert!(due("张三").is_empty(), "now nobody can tell by the name: {later}");
        assert!(first < second);
    }

    #[test]
    fn auxiliary_staff_hold_none_and_nobody_gets_another_s() {
        let f = fixture();
        import(
            &f,
            &[
                &[("name", "李四"), ("number", "9"), ("auxiliary", "yes"), ("cert_no", "X-0")],
                &[("name", "王五"), ("number", "1"), ("cert_no", "C-5")],
                &[("name", "王五"), ("number", "2"), ("cert_no", "C-6")],
                &[("name", "赵六"), ("number", "3"), ("auxiliary", "no")],
            ],
        );
        let held = |name: &str| f.store.read_blocking(|r| r.certificate(name, Some(0))).unwrap();
        assert_eq!(held("李四"), Certificate::None);
        assert_eq!((held("王五"), held("2")), (Certificate::Unknown, Certificate::Number("C-6".into())));
        assert_eq!(held("赵六"), Certificate::None);

        let number = |clip| record(&f, clip).officer_cert_no;
        let helper = clip(&f, "李四", 1);
        say(&f, helper, &[(Field::OfficerCertNo, Origin::Roster, "X-1")]);
        let told = record(&f, helper);
        assert_eq!((told.officer_cert_no, told.officer_registered.map(|r| r.auxiliary)), (None, Some(true)));
        assert!(!told.origins.contains_key("officer_cert_no"));
        say(&f, helper, &[(Field::OfficerCertNo, Origin::Person, "X-2")]);
        assert_eq!(number(helper).as_deref(), Some("X-2"), "a person's word outranks the register");

        let shared = clip(&f, "王五", 1);
        assert_eq!(record(&f, shared).officer_registered, None, "two have that name");

        // The register's word comes before what came with the name; that counts only for whom it named.
        let without = clip(&f, "赵六", 1);
        say(&f, without, &[(Field::OfficerCertNo, Origin::Roster, "R-1")]);
        assert_eq!(number(without).as_deref(), Some("R-1"));
        say(&f, without, &[(Field::Officer, Origin::Issue, "孙七")]);
        assert_eq!(number(without), None, "that is the number of whom the roster named, not of whoever had it");
        say(&f, without, &[(Field::OfficerCertNo, Origin::Register, "C-7")]);
        let told = record(&f, without);
        assert_eq!(
            (told.officer_cert_no.as_deref(), told.origins["officer_cert_no"].origin.as_str()),
            (Some("C-7"), "register")
        );
    }
}
