//! The register of cases in memory, as the rules look at it: by officer, by party and by position. Built anew when an
//! import changed it; what it holds of a case is a few hundred bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::coverage::Item;
use crate::domain::place::{Degrees, wgs84};
use crate::domain::register::{Entry, name_key};
use crate::store::{CaseRecord, EntryRow};

/// Side of a field of the map, degrees: about 1.1 km from south to north.
const FIELD: f64 = 0.01;
/// Cases that one lookup looks at, at most: an officer has some hundred in a few years.
const MOST: usize = 2_000;

/// A case as rules see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Its first number, as displayed.
    pub number: String,
    /// That number's key.
    pub key: String,
    /// Every name and number by which its officers are known.
    pub officers: BTreeSet<String>,
    /// Place, in words.
    pub place: Option<String>,
    /// Where, WGS84.
    pub position: Option<Degrees>,
    /// Party, for matching.
    pub party_key: Option<String>,
    /// Opened, milliseconds since the Unix epoch.
    pub opened_ms: Option<i64>,
    /// Closed.
    pub closed_ms: Option<i64>,
}

/// The register of cases, and who is known by which names.
#[derive(Debug, Clone, Default)]
pub struct CaseIndex {
    cases: Vec<Known>,
    by_key: HashMap<String, usize>,
    by_officer: HashMap<String, Vec<usize>>,
    by_party: HashMap<String, Vec<usize>>,
    by_field: HashMap<(i32, i32), Vec<usize>>,
    /// A name or number of an officer to every one of theirs.
    names: HashMap<String, Vec<String>>,
    /// Matters to be recorded, and stages, as the catalogue names them.
    matters: Vec<String>,
    stages: Vec<String>,
}

impl CaseIndex {
    /// Of what the registers hold. The place of a case is its own, or its party's address.
    pub fn of(cases: Vec<CaseRecord>, officers: &[EntryRow], parties: &[EntryRow]) -> Self {
        let mut index = Self::default();
        for officer in officers.iter().map(|row| &row.entry) {
            let known: Vec<String> =
                ["name", "number", "cert_no"].iter().filter_map(|c| officer.get(c)).map(name_key).collect();
            for name in &known {
                // Of two who share a name nobody can tell by it: then each is known by the name alone.
                index
                    .names
                    .entry(name.clone())
                    .and_modify(|n| n.retain(|n| n == name))
                    .or_insert_with(|| known.clone());
            }
        }
        let addresses: BTreeMap<String, &Entry> =
            parties.iter().filter_map(|row| Some((name_key(row.entry.get("name")?), &row.entry))).collect();
        for case in cases {
            let entry = &case.entry;
            let party_key = entry.get("party").map(name_key);
            let party = party_key.as_ref().and_then(|key| addresses.get(key).copied());
            let position = |e: &Entry| e.position().map(|at| wgs84(at, e.get("datum")));
            let known = Known {
                officers: entry.list("officers").into_iter().flat_map(|o| index.names_of(o)).collect(),
                place: entry.get("place").or_else(|| party.and_then(|p| p.get("address"))).map(str::to_owned),
                position: position(entry).or_else(|| party.and_then(position)),
                party_key,
                opened_ms: entry.time_ms("opened"),
                closed_ms: entry.time_ms("closed"),
                number: case.number,
                key: case.key,
            };
            index.add(known);
        }
        index
    }

    /// The same with the words of the catalogue.
    pub fn with_words_of(self, items: &[Item]) -> Self {
        let matters: BTreeSet<String> = items.iter().map(|item| item.matter.clone()).collect();
        let stages: BTreeSet<String> = items.iter().filter_map(|item| item.stage.clone()).collect();
        let filled = |words: BTreeSet<String>| words.into_iter().filter(|word| !word.is_empty()).collect();
        Self { matters: filled(matters), stages: filled(stages), ..self }
    }

    /// Matters to be recorded, as the catalogue names them.
    pub fn matters(&self) -> &[String] {
        &self.matters
    }

    /// Stages, as the catalogue names them.
    pub fn stages(&self) -> &[String] {
        &self.stages
    }

    fn add(&mut self, case: Known) {
        let at = self.cases.len();
        for officer in &case.officers {
            self.by_officer.entry(officer.clone()).or_default().push(at);
        }
        if let Some(party) = &case.party_key {
            self.by_party.entry(party.clone()).or_default().push(at);
        }
        if let Some(position) = case.position {
            self.by_field.entry(field(position)).or_default().push(at);
        }
        self.by_key.insert(case.key.clone(), at);
        self.cases.push(case);
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Every name and number by which whoever is called so is known; what no register knows is known by itself.
    pub fn names_of(&self, officer: &str) -> Vec<String> {
        let key = name_key(officer);
        self.names.get(&key).cloned().unwrap_or_else(|| vec![key])
    }

    /// The case whose first number has this key.
    pub fn case(&self, key: &str) -> Option<&Known> {
        self.by_key.get(key).map(|at| &self.cases[*at])
    }

    /// Cases with one of these officers, with this party, or within `near_m` of this position, roughly.
    pub fn near<'a>(
        &'a self,
        officers: &[String],
        party: Option<&str>,
        position: Option<Degrees>,
        near_m: u32,
    ) -> impl Iterator<Item = &'a Known> {
        let mut at: BTreeSet<usize> = BTreeSet::new();
        let mut add = |found: Option<&Vec<usize>>| {
            // The newest are the likeliest.
            at.extend(found.into_iter().flatten().rev().take(MOST));
        };
        for officer in officers {
            add(self.by_officer.get(officer));
        }
        add(party.and_then(|p| self.by_party.get(p)));
        if let Some(position) = position {
            let (row, column) = field(position);
            // A degree of longitude shrinks towards the pole: at 50 degrees to about 70 km.
            let reach = (f64::from(near_m) / 700.0).ceil().clamp(1.0, 20.0) as i32;
            for (dr, dc) in (-reach..=reach).flat_map(|r| (-reach..=reach).map(move |c| (r, c))) {
                add(self.by_field.get(&(row + dr, column + dc)));
            }
        }
        at.into_iter().map(|at| &self.cases[at])
    }
}

fn field((lat, lon): Degrees) -> (i32, i32) {
    ((lat / FIELD).floor() as i32, (lon / FIELD).floor() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::register::JOINT;

    fn entry(values: &[(&str, &str)]) -> Entry {
        Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn row(values: &[(&str, &str)]) -> EntryRow {
        EntryRow { key: String::new(), entry: entry(values), case_id: None, import: 1 }
    }

    #[test]
    fn cases_are_found_by_whoever_and_wherever() {
        let officers = [
            row(&[("name", "张三"), ("number", "110203"), ("cert_no", "C7")]),
            row(&[("name", "李四"), ("number", "1")]),
            row(&[("name", "李四"), ("number", "2")]),
        ];
        let parties = [row(&[("name", "某饭店"), ("address", "东关街18号"), ("lat", "37.7560"), ("lon", "114.7760")])];
        let case = |number: &str, values: &[(&str, &str)]| CaseRecord {
            case_id: 1,
            number: number.into(),
            key: number.into(),
            entry: entry(values),
        };
        let both = format!("张三{JOINT}王五");
        let index = CaseIndex::of(
            vec![
                case("A", &[("officers", both.as_str()), ("party", "某饭店"), ("opened", "2026-06-22T00:00:00+08:00")]),
                case("B", &[("officers", "李四"), ("lat", "38.0"), ("lon", "115.0")]),
            ],
            &officers,
            &parties,
        );
        assert_eq!((index.len(), index.is_empty()), (2, false));
        let found = |officers: &[String], party: Option<&str>, position| {
            index.near(officers, party, position, 200).map(|c| c.number.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(found(&index.names_of("１１０２０３"), None, None), ["A"], "a number stands for the name");
        assert_eq!(index.names_of("李四"), ["李四"], "two share it, nobody can tell");
        assert_eq!(found(&index.names_of("李四"), None, None), ["B"]);
        assert_eq!(found(&index.names_of("1"), None, None), ["B"], "one of the two, and the place must say which");
        assert_eq!(found(&[], Some("某饭店"), None), ["A"]);
        assert_eq!(found(&[], None, Some((37.7575, 114.7755))), ["A"], "the party's address");
        assert_eq!(found(&[], None, Some((37.9, 114.7))), [""; 0]);
        assert_eq!(index.case("A").unwrap().place.as_deref(), Some("东关街18号"));
    }
}
