//! What changed in the settings of a station between two starts, and how the log tells it. Pure; whoever starts the
//! station flattens its settings into names and values, and the store keeps those of the last start.
//!
//! A name is the path of a setting, `[section.]key`; of sections that stand several times their own name comes between
//! (`destination.archive.endpoint`). A value is JSON. Values of numbers and flags, of how footage is kept and linked, and
//! digests stand in the event in clear; every other text is only committed to, for it may name people. A secret is told by
//! its name alone: its value here is a keyed digest of it, which never leaves the database.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::event::{Draft, EventKind};

/// Settings by name.
pub type Flat = BTreeMap<String, String>;

/// Behind the name of a setting that names a secret's file: what that file holds.
pub const CONTENT: &str = " (content)";
/// Before the name of a recorder profile, whose value is its BLAKE3.
pub const PROFILE: &str = "profile.";

/// Sections of which every value stands in clear: what they say is policy, and what a court asks about.
const IN_CLEAR: [&str; 4] = ["retention.", "keeping.", "casework.linking.", PROFILE];
/// Of these the one that names a person.
const RESPONSIBLE: &str = "keeping.responsible";
/// So many changes stand in one event, whose length is bounded.
const AT_ONCE: usize = 100;
/// A longer value is only committed to.
const MOST_IN_CLEAR_BYTES: usize = 256;

/// A setting that is another than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it was; `None` where there was none.
    pub old: Option<&'a str>,
    /// What it is; `None` where there is none any more.
    pub new: Option<&'a str>,
}

/// What is other than it was, by name.
pub fn changes<'a>(before: &'a Flat, now: &'a Flat) -> Vec<Change<'a>> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names
        .into_iter()
        .map(|name| Change { name, old: before.get(name).map(String::as_str), new: now.get(name).map(String::as_str) })
        .filter(|change| change.old != change.new)
        .collect()
}

/// The events that tell these changes.
pub fn drafts(changes: &[Change<'_>]) -> Vec<Draft> {
    changes.chunks(AT_ONCE).map(draft).collect()
}

fn draft(changes: &[Change<'_>]) -> Draft {
    let names: Vec<&str> = changes.iter().map(|change| change.name).collect();
    let mut values = Map::new();
    let mut event = Draft::daemon(EventKind::SettingsChanged).fact("changed", names);
    for change in changes {
        let Change { name, old, new } = *change;
        if name.ends_with(CONTENT) {
            continue;
        }
        if is_in_clear(name, old) && is_in_clear(name, new) {
            values.insert(name.to_owned(), json!({ "old": value(old), "new": value(new) }));
            continue;
        }
        for (when, text) in [("old", old), ("new", new)] {
            if let Some(text) = text {
                event = event.secret(&format!("{when} {name}"), text);
            }
        }
    }
    event.fact("values", values)
}

fn is_in_clear(name: &str, text: Option<&str>) -> bool {
    let Some(text) = text else { return true };
    let policy = name != RESPONSIBLE && IN_CLEAR.iter().any(|section| name.starts_with(section));
    text.len() <= MOST_IN_CLEAR_BYTES && (policy || matches!(value(Some(text)), Value::Number(_) | Value::Bool(_)))
}

fn value(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

/// Flattens settings as they would be written, in JSON. User and password inside an address are left out.
pub fn flatten(written: &Value) -> Flat {
    let mut flat = Flat::new();
    if let Value::Object(sections) = written {
        sections.iter().for_each(|(name, value)| into(&mut flat, name, value));
    }
    flat
}

fn into(flat: &mut Flat, path: &str, written: &Value) {
    match written {
        Value::Object(keys) => keys.iter().for_each(|(key, value)| into(flat, &format!("{path}.{key}"), value)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (n, item) in items.iter().enumerate() {
                // By its name, so that taking one away does not look like a change of all behind it.
                let name = item.get("name").and_then(Value::as_str).map_or_else(|| n.to_string(), str::to_owned);
                into(flat, &format!("{path}.{name}"), item);
            }
        }
        Value::String(text) => drop(flat.insert(path.to_owned(), Value::String(without_user(text)).to_string())),
        other => drop(flat.insert(path.to_owned(), other.to_string())),
    }
}

fn without_user(text: &str) -> String {
    let hidden = || {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (_, host) = rest[..end].rsplit_once('@')?;
        Some(format!("{scheme}://***@{host}{}", &rest[end..]))
    };
    hidden().unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(of: &[(&str, &str)]) -> Flat {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn settings_are_flattened_under_their_own_names() {
        let written = json!({
            "retention": { "unlinked_days": 180 },
            "destination": [
                { "name": "archive", "endpoint": "https://key:hunter2@s3.example.org/a@b", "required": true },
                { "name": "b", "groups": ["x", "y"] },
            ],
            "erase": [{ "recorders": ["*"] }],
        });
        let expected = flat(&[
            ("retention.unlinked_days", "180"),
            ("destination.archive.name", "\"archive\""),
            ("destination.archive.endpoint", "\"https://***@s3.example.org/a@b\""),
            ("destination.archive.required", "true"),
            ("destination.b.name", "\"b\""),
            ("destination.b.groups", "[\"x\",\"y\"]"),
            ("erase.0.recorders", "[\"*\"]"),
        ]);
        assert_eq!(flatten(&written), expected);
    }

    #[test]
    fn values_stand_in_clear_are_committed_to_or_are_not_told() {
        let before = flat(&[
            ("retention.unlinked_days", "180"),
            ("keeping.dispose_at", "[\"a\"]"),
            ("keeping.responsible", "\"王某\""),
            ("casework.linking.roster", "40"),
            ("station.agency", "\"one\""),
            ("destination.a.secret_key_file (content)", "01"),
            ("profile.dsj", "\"aa\""),
            ("log.level", "\"info\""),
        ]);
        let mut now = before.clone();
        assert!(changes(&before, &now).is_empty());
        for (name, value) in [
            ("retention.unlinked_days", "90"),
            ("keeping.dispose_at", "[]"),
            ("keeping.responsible", "\"张某\""),
            ("station.agency", "\"other\""),
            ("destination.a.secret_key_file (content)", "02"),
            ("profile.dsj", "\"bb\""),
            ("profile.new", "\"cc\""),
        ] {
            now.insert(name.to_owned(), value.to_owned());
        }
        now.remove("casework.linking.roster");
        let drafts = drafts(&changes(&before, &now));
        let [draft] = drafts.as_slice() else { panic!("{drafts:?}") };
        let told = Value::Object(draft.body.clone());
        assert_eq!(told["changed"].as_array().unwrap().len(), 8);
        assert_eq!(
            told["values"],
            json!({
                "retention.unlinked_days": { "old": 180, "new": 90 },
                "keeping.dispose_at": { "old": ["a"], "new": [] },
                "casework.linking.roster": { "old": 40, "new": null },
                "profile.dsj": { "old": "aa", "new": "bb" },
                "profile.new": { "old": null, "new": "cc" },
            })
        );
        let committed: Vec<&str> = draft.secrets.iter().map(|secret| secret.field.as_str()).collect();
        let expected =
            ["old keeping.responsible", "new keeping.responsible", "old station.agency", "new station.agency"];
        assert_eq!(committed, expected);
        assert!(!told.to_string().contains("王某") && !told.to_string().contains("\"02\""), "{told}");
    }

    #[test]
    fn many_changes_are_told_in_several_events() {
        let now: Flat = (0..250).map(|n| (format!("retention.{n:03}"), "1".to_owned())).collect();
        let drafts = drafts(&changes(&Flat::new(), &now));
        assert_eq!(drafts.len(), 3);
        let told: usize = drafts.iter().map(|d| d.body["changed"].as_array().unwrap().len()).sum();
        assert_eq!(told, 250);
    }
}
