//! Whether a package has everything that belongs in it, and nothing besides. The entries of the log that ask for it say so
//! themselves, before its first byte: of each clip how many entries about it a package shows, with a digest over them; the
//! same of all others, and of those of which the leaf hash alone is told. Behind the request stands one entry for each clip,
//! in their order, so that its place says which it is of how many. Whoever leaves one out must change the log.
//!
//! The station compares this before it signs, and whoever checks a package does, with nothing else at hand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::Digest;

use super::Facts;
use crate::domain::digest::Sha256;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::merkle::Hash;
use crate::domain::time::UtcMs;

/// Where a request says which other entries a package shows, and an entry for a clip which of that clip.
pub const ENTRIES: &str = "entries";
/// Where a request says of which entries a package tells the leaf hash alone.
pub const WITHHELD: &str = "withheld";
/// Where a request commits to the numbers of its case, one a line: the one that was asked for, then all others.
pub const NUMBERS: &str = "numbers";

/// How many entries, and SHA-256 over their leaf hashes one behind the other, in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How many.
    pub entries: u64,
    /// The digest.
    pub leaves: Sha256,
}

impl Counted {
    /// Of these.
    pub fn of<'a>(leaves: impl IntoIterator<Item = &'a Hash>) -> Self {
        let (mut hasher, mut entries) = (sha2::Sha256::new(), 0);
        for leaf in leaves {
            hasher.update(leaf);
            entries += 1;
        }
        Self { entries, leaves: Sha256(hasher.finalize().into()) }
    }

    /// As an event has it.
    pub fn to_value(self) -> Value {
        json!({ "count": self.entries, "leaves": self.leaves.to_string() })
    }

    /// Reads it off an event; `None` where it says nothing of the kind.
    pub fn read(event: &Envelope, name: &str) -> Option<Self> {
        let value = event.body.get(name)?;
        let leaves = value.get("leaves")?.as_str()?.parse().ok()?;
        Some(Self { entries: value.get("count")?.as_u64()?, leaves })
    }
}

/// An entry that a package shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What it says.
    pub envelope: &'a Envelope,
    /// The hash of its stored bytes.
    pub leaf: Hash,
}

/// Which of the clips that were asked for a package says it has: those from the `first`, counted from 1, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The place of its first clip.
    pub first: u64,
    /// Its clips.
    pub clips: Vec<String>,
    /// Clips that were asked for.
    pub of: u64,
}

impl Part {
    /// The place of its last clip.
    pub fn last(&self) -> u64 {
        (self.first + self.clips.len() as u64).saturating_sub(1)
    }
}

/// Whether an entry asks for a package: not for one clip of it, nor to go on with one that was asked for before, which says
/// nothing of what belongs in it.
pub fn asks(event: &Envelope) -> bool {
    event.kind == EventKind::ExportBegun.as_str()
        && event.clip.is_none()
        && event.body.get("resumed") != Some(&Value::Bool(true))
}

/// Whether the request says what belongs in its package: those that earlier versions logged do not.
pub fn is_told(request: &Envelope) -> bool {
    request.body.contains_key(ENTRIES)
}

fn count(event: &Envelope, name: &str) -> Option<u64> {
    event.body.get(name).and_then(Value::as_u64)
}

/// The entry for a clip that belongs to the request `begun`.
fn clip_asked_for(event: &Envelope, begun: u64) -> Option<&str> {
    let is = event.kind == EventKind::ExportBegun.as_str() && count(event, "begun") == Some(begun);
    event.clip.as_deref().filter(|_| is)
}

/// Compares what a package shows with what its request says; gives its clips, and everything that is wrong.
pub fn compare(
    facts: &Facts,
    shown: &BTreeMap<u64, Shown<'_>>,
    withheld: &BTreeMap<u64, Hash>,
) -> (Option<Part>, Vec<String>) {
    let (begun, mut wrong) = (facts.begun_seq, Vec::new());
    let Some(request) = shown.get(&begun).map(|shown| shown.envelope) else {
        return (None, vec![format!("the request itself, event {begun}, is not in the package")]);
    };
    let of = count(request, "clips").unwrap_or(0);
    let own: Vec<(u64, &str)> =
        shown.iter().filter_map(|(seq, e)| Some((*seq, clip_asked_for(e.envelope, begun)?))).collect();
    let part = Part {
        first: own.first().map_or(0, |(seq, _)| seq.saturating_sub(begun)),
        clips: own.iter().map(|(_, clip)| (*clip).to_owned()).collect(),
        of,
    };
    let in_order = own.iter().zip(part.first..).all(|((seq, _), place)| begun.checked_add(place) == Some(*seq));
    if own.is_empty() || part.first == 0 || part.last() > of || !in_order {
        wrong
            .push(format!("it does not say of each of its clips that it was asked for: {of} were, with event {begun}"));
        return (None, wrong);
    }
    if facts.clips != own.len() as u64 {
        wrong.push(format!(
            "it counts {} clips, and event {begun} asks for {} that it tells of",
            facts.clips,
            own.len()
        ));
    }
    let (first, last) = (part.first == 1, part.last() == of);
    let whole = match facts.disc {
        None => first && last,
        Some(disc) => (1..=disc.of).contains(&disc.n) && first == (disc.n == 1) && last == (disc.n == disc.of),
    };
    if !whole {
        let which = facts.disc.map_or_else(String::new, |disc| format!(" as disc {} of {}", disc.n, disc.of));
        let (first, last) = (part.first, part.last());
        wrong.push(format!(
            "it holds clips {first} to {last} of the {of} that were asked for{which}: a clip was left out"
        ));
    }
    for (name, told) in [("isolated", facts.isolated), ("unsealed", facts.unsealed), ("disposed", facts.disposed)] {
        if count(request, name) != Some(told) {
            wrong.push(format!("it counts {told} clips of the case that are {name}, and its request another number"));
        }
    }
    let asked_ms = UtcMs::parse_rfc3339(&facts.asked_at).map(|at| at.0);
    if asked_ms != Some(request.wall_ms) {
        wrong.push(format!("it was not asked for at {}", facts.asked_at));
    }
    entries(begun, &own, shown, withheld, &mut wrong);
    (Some(part), wrong)
}

/// Each entry that belongs in the package is there, and no other.
fn entries(
    begun: u64,
    own: &[(u64, &str)],
    shown: &BTreeMap<u64, Shown<'_>>,
    withheld: &BTreeMap<u64, Hash>,
    wrong: &mut Vec<String>,
) {
    let ids: BTreeSet<&str> = own.iter().map(|(_, clip)| *clip).collect();
    let mut of_clip: BTreeMap<&str, Vec<&Hash>> = BTreeMap::new();
    let mut others = Vec::new();
    for (_, Shown { envelope, leaf }) in shown.range(..begun) {
        match envelope.clip.as_deref().filter(|clip| ids.contains(clip)) {
            Some(clip) => of_clip.entry(clip).or_default().push(leaf),
            None => others.push(leaf),
        }
    }
    let mut differ = |what: String, found: Counted, told: Option<Counted>| match told {
        None => wrong.push(format!("its request does not say how many {what} there are")),
        Some(told) if told == found => {}
        Some(told) if told.entries > found.entries => {
            wrong.push(format!("{what}: {} of {} were left out", told.entries - found.entries, told.entries));
        }
        Some(told) => wrong.push(format!("{what}: they are not those {} that its request tells of", told.entries)),
    };
    for (seq, clip) in own {
        let (found, told) = (of_clip.remove(clip).unwrap_or_default(), Counted::read(shown[seq].envelope, ENTRIES));
        differ(format!("events about clip {clip}"), Counted::of(found), told);
    }
    let request = shown[&begun].envelope;
    differ("events about the case and the log's keys".to_owned(), Counted::of(others), Counted::read(request, ENTRIES));
    differ("events of other cases".to_owned(), Counted::of(withheld.values()), Counted::read(request, WITHHELD));
    let asked_for = |seq: &u64| own.binary_search_by_key(seq, |(own, _)| *own).is_ok();
    for seq in shown.range(begun.saturating_add(1)..).map(|(seq, _)| *seq).filter(|seq| !asked_for(seq)) {
        wrong.push(format!("event {seq} came after its request"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custody::package::Disc;
    use crate::domain::event::Actor;

    fn event(kind: EventKind, clip: Option<&str>, body: Value) -> Envelope {
        let Value::Object(body) = body else { panic!("a body is an object") };
        Envelope {
            v: 1,
            epoch: 1,
            seq: 0,
            wall_ms: 1_781_834_604_000,
            boot: "b".into(),
            mono_ms: 0,
            kind: kind.as_str().into(),
            actor: Actor::daemon(),
            via: "daemon".into(),
            from: None,
            session: None,
            clip: clip.map(str::to_owned),
            case: None,
            purpose: None,
            outcome: "ok".into(),
            body,
        }
    }

    fn leaf(n: u64) -> Hash {
        [n as u8; 32]
    }

    fn counted(entries: &[u64]) -> Value {
        Counted::of(&entries.iter().map(|n| leaf(*n)).collect::<Vec<_>>()).to_value()
    }

    type Everything = (Facts, BTreeMap<u64, (Envelope, Hash)>, BTreeMap<u64, Hash>);

    /// Clips a, b and c with the events 1 and 2, 3, and 5; the case with 0 and 6; 4 and 7 of another one; asked for with 10.
    fn whole() -> Everything {
        let request = json!({
            "clips": 3, "isolated": 1, "unsealed": 0, "disposed": 0, "entries": counted(&[0, 6]), "withheld": counted(&[4, 7]),
        });
        let asked = |clip: &str, own: &[u64]| {
            event(EventKind::ExportBegun, Some(clip), json!({ "begun": 10, "entries": counted(own) }))
        };
        let about = |clip: &str| event(EventKind::Sealed, Some(clip), json!({}));
        let of_case = || event(EventKind::CaseOpened, None, json!({}));
        let events = [
            (0, of_case()),
            (1, about("a")),
            (2, about("a")),
            (3, about("b")),
            (5, about("c")),
            (6, of_case()),
            (10, event(EventKind::ExportBegun, None, request)),
            (11, asked("a", &[1, 2])),
            (12, asked("b", &[3])),
            (13, asked("c", &[5])),
        ];
        let shown = events.into_iter().map(|(seq, envelope)| (seq, (envelope, leaf(seq)))).collect();
        let facts = serde_json::from_value(json!({
            "v": 1, "package": "p", "station": "zhao-01", "agency": null, "case_no": "x", "case_hash": "00", "aliases": [],
            "reason": "r", "basis": "b", "recipient": null, "asked_by": "os:0",
            "asked_at": UtcMs(1_781_834_604_000).rfc3339(), "begun_seq": 10, "clips": 3, "bytes": 5, "isolated": 1,
            "unsealed": 0, "made_with": "x",
        }));
        (facts.unwrap(), shown, [(4, leaf(4)), (7, leaf(7))].into())
    }

    fn compared((facts, shown, withheld): &Everything) -> (Option<Part>, Vec<String>) {
        let shown = shown.iter().map(|(seq, (envelope, leaf))| (*seq, Shown { envelope, leaf: *leaf })).collect();
        compare(facts, &shown, withheld)
    }

    fn wrong(all: &Everything) -> Vec<String> {
        compared(all).1
    }

    #[test]
    fn a_whole_package_has_what_its_request_tells_of() {
        let all = whole();
        let (part, wrong) = compared(&all);
        assert_eq!(wrong, Vec::<String>::new());
        let part = part.unwrap();
        assert_eq!(
            (part.first, part.last(), part.of, part.clips),
            (1, 3, 3, ["a", "b", "c"].map(str::to_owned).to_vec())
        );
        assert!(is_told(&all.1[&10].0) && !is_told(&all.1[&0].0));
        assert!(asks(&all.1[&10].0) && !asks(&all.1[&0].0) && !asks(&all.1[&11].0));
        let again = |resumed: bool| event(EventKind::ExportBegun, None, json!({ "clips": 3, "resumed": resumed }));
        assert!(asks(&again(false)) && !asks(&again(true)));
    }

    #[test]
    fn whatever_is_left_out_changed_or_added_is_told() {
        type Change = fn(&mut Everything);
        let table: [(&str, Change, &str); 16] = [
            ("an event of a clip", |(_, s, _)| s.retain(|seq, _| *seq != 2), "clip a: 1 of 2 were left out"),
            ("all events of a clip", |(_, s, _)| s.retain(|seq, _| *seq != 3), "clip b: 1 of 1 were left out"),
            ("an event of the case", |(_, s, _)| s.retain(|seq, _| *seq != 6), "log's keys: 1 of 2 were left out"),
            ("a withheld one", |(.., w)| w.retain(|seq, _| *seq != 7), "of other cases: 1 of 2 were left out"),
            ("a withheld one of another hash", |(.., w)| *w.get_mut(&7).unwrap() = leaf(9), "not those 2"),
            ("another event of a clip", |(_, s, _)| s.get_mut(&1).unwrap().1 = leaf(9), "clip a: they are not those 2"),
            ("one more event", |(_, s, _)| s.extend([(8, s[&6].clone())]), "they are not those 2"),
            ("one from later", |(_, s, _)| s.extend([(14, s[&6].clone())]), "event 14 came after its request"),
            ("a clip in the middle", |(_, s, _)| s.retain(|seq, _| ![3, 12].contains(seq)), "of each of its clips"),
            ("its clips", |(_, s, _)| s.retain(|seq, _| *seq < 11), "does not say of each of its clips"),
            ("the request", |(_, s, _)| s.retain(|seq, _| *seq != 10), "the request itself"),
            (
                "the last clip",
                |(facts, s, _)| {
                    facts.clips = 2;
                    s.retain(|seq, _| ![5, 13].contains(seq));
                },
                "clips 1 to 2 of the 3",
            ),
            (
                "the first clip",
                |(facts, s, _)| {
                    facts.clips = 2;
                    s.retain(|seq, _| ![1, 2, 11].contains(seq));
                },
                "clips 2 to 3 of the 3",
            ),
            ("its count alone", |(facts, ..)| facts.clips = 2, "counts 2 clips"),
            ("what is isolated", |(facts, ..)| facts.isolated = 0, "0 clips of the case that are isolated"),
            ("when", |(facts, ..)| facts.asked_at = "2026-06-19T09:12:00+08:00".into(), "not asked for at"),
        ];
        for (what, change, told) in table {
            let mut all = whole();
            change(&mut all);
            let wrong = wrong(&all);
            assert!(wrong.iter().any(|words| words.contains(told)), "{what}: {wrong:?}");
        }
    }

    #[test]
    fn a_disc_has_its_stretch_of_the_clips() {
        let disc = |n, of, seqs: &[u64], clips| {
            let (facts, mut shown, withheld) = whole();
            shown.retain(|seq, _| [0, 6, 10].contains(seq) || seqs.contains(seq));
            (Facts { disc: Some(Disc { n, of }), clips, ..facts }, shown, withheld)
        };
        let (one, two) = ([1, 2, 3, 11, 12], [5, 13]);
        assert_eq!(wrong(&disc(1, 2, &one, 2)), Vec::<String>::new());
        assert_eq!(wrong(&disc(2, 2, &two, 1)), Vec::<String>::new());
        for (what, disc) in [
            ("the first one without the first clip", disc(1, 2, &[3, 12], 1)),
            ("the last one without the last clip", disc(2, 2, &[3, 12], 1)),
            ("the second of three up to the end", disc(2, 3, &two, 1)),
            ("one beyond their number", disc(3, 2, &two, 1)),
        ] {
            assert!(wrong(&disc).iter().any(|words| words.contains("a clip was left out")), "{what}");
        }
    }

    #[test]
    fn what_is_counted_is_frozen() {
        let value = counted(&[1, 2]);
        // sha256 of 32 times 01 and 32 times 02.
        let leaves = Sha256(sha2::Sha256::digest([[1_u8; 32], [2; 32]].concat()).into()).to_string();
        assert_eq!(value, json!({ "count": 2, "leaves": leaves }));
        let read = |body: Value| Counted::read(&event(EventKind::ExportBegun, None, body), ENTRIES);
        assert_eq!(read(json!({ "entries": value })).unwrap().entries, 2);
        assert_eq!(read(json!({ "entries": { "count": 2, "leaves": "x" } })), None);
    }
}
