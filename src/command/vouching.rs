//! What the daemon compares before it signs a package that somebody else put together: that it was asked for, and holds what
//! belonged in it then and nothing else, each entry as it stands in the log, each clip as it was sealed, nothing opened that
//! is not to be. What its records say follows from its entries, which is for whoever checks it to compare.

use std::collections::BTreeMap;

use sha2::Digest;

use super::export::belongs::{Requested, envelope, opened, shared, withheld};
use crate::custody::package::complete::{Part, Shown, asks, compare, is_told};
use crate::custody::package::listed::Listed;
use crate::custody::package::{Disc, OPENED, OpenedValue, WITHHELD, WithheldEvent};
use crate::domain::digest::Sha256;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::merkle::leaf_hash;
use crate::domain::why::Why;
use crate::store::{Reader, StoreError};

/// So many findings are told to whoever asks for a signature.
const TOLD: usize = 5;

/// A package that may be signed.
#[derive(Debug)]
pub(super) struct Vouched {
    /// Its hashed case.
    pub case: Sha256,
    /// Which of the clips it holds that were asked for.
    pub part: Part,
}

/// That the package `id` is one that was asked for with the entry `begun`, and holds all of what was asked for, as the log
/// knows it.
pub(super) fn vouched(r: &Reader<'_>, listed: &Listed, id: &str, begun: u64) -> Result<Vouched, StoreError> {
    let facts = &listed.facts;
    let requested = Requested::read(r, begun)?;
    let asked = &requested.envelope;
    let request = asked.body.get("package").and_then(|v| v.as_str()).unwrap_or_default();
    let is = asks(asked) && is_told(asked) && id_of(request, facts.disc) == id;
    let case = asked.case.as_deref().filter(|_| is).and_then(|case| case.parse::<Sha256>().ok());
    let Some(case) = case else {
        return refused(Why::PackageNotAsked {});
    };
    // Its keys are those that the log had named by then: nobody takes a signature of a later one for it.
    if keys_since(r, begun)? {
        return refused(Why::PackageKey {});
    }
    let secrets = r.log_secrets(begun)?;
    let said = |field: &str| secrets.iter().find(|s| s.field == field).map(|s| s.value.as_str());
    let numbers = std::iter::once(&facts.case_no).chain(&facts.aliases);
    if facts.case_hash != case.to_string()
        || facts.asked_by != format!("{}:{}", asked.actor.kind, asked.actor.id)
        || said("purpose") != Some(&facts.reason)
        || said("basis") != Some(&facts.basis)
        || said("recipient") != facts.recipient.as_deref()
        || !numbers.eq(&requested.numbers)
    {
        return refused(Why::PackageOther {});
    }
    let (mut clear, mut hidden) = (BTreeMap::new(), BTreeMap::new());
    for (seq, sha256) in &listed.events {
        let row = r.log_entry(*seq)?;
        if Sha256(sha2::Sha256::digest(&row.bytes).into()) != *sha256 {
            return refused(Why::PackageEvent { seq: *seq });
        }
        clear.insert(*seq, (envelope(&row)?, leaf_hash(&row.bytes)));
    }
    for seq in listed.proofs.iter().filter(|seq| !listed.events.contains_key(seq)) {
        let row = r.log_entry(*seq)?;
        hidden.insert(*seq, (envelope(&row)?, row.bytes));
    }
    let shown = clear.iter().map(|(seq, (envelope, leaf))| (*seq, Shown { envelope, leaf: *leaf })).collect();
    let leaves = hidden.iter().map(|(seq, (_, bytes))| (*seq, leaf_hash(bytes))).collect();
    let (part, mut wrong) = compare(facts, &shown, &leaves);
    wrong.extend(clear.keys().find(|seq| !listed.proofs.contains(seq)).map(|seq| format!("event {seq} has no proof")));
    wrong.truncate(TOLD);
    let Some(part) = part.filter(|_| wrong.is_empty()) else {
        return refused(Why::PackageIncomplete { detail: wrong.join("; ") });
    };
    clips(r, listed, &part)?;
    let told: Vec<WithheldEvent> = hidden.iter().map(|(seq, (_, bytes))| withheld(*seq, bytes)).collect();
    same(WITHHELD, listed.withheld, &told)?;
    let shared = shared(hidden.values().map(|(envelope, _)| envelope));
    let mut told: Vec<OpenedValue> = Vec::new();
    for (seq, (envelope, _)) in &clear {
        told.extend(opened(r, (*seq, envelope), request, &shared)?);
    }
    same(OPENED, listed.opened, &told)?;
    Ok(Vouched { case, part })
}

/// Whether the log went on under another key, or as another epoch, since the entry `begun`.
pub(super) fn keys_since(r: &Reader<'_>, begun: u64) -> Result<bool, StoreError> {
    Ok(r.log_of_keys()?.last().is_some_and(|row| row.seq > begun))
}

fn refused<T>(why: Why) -> Result<T, StoreError> {
    Err(StoreError::Conflict(why))
}

/// Each clip is there, as it was sealed, in its place, and no other.
fn clips(r: &Reader<'_>, listed: &Listed, part: &Part) -> Result<(), StoreError> {
    let (mut asked_for, mut bytes) = (Vec::new(), 0);
    for clip in &part.clips {
        let clip: ClipId = clip.parse()?;
        let row = r.clip(clip)?;
        let told = r.as_sealed(clip)?.first().map(|(_, told)| *told);
        let Some(sha256) = told.and_then(|told| told.sha256).or(row.sha256) else {
            return refused(Why::PackageClip {});
        };
        asked_for.push(sha256);
        bytes += told.map(|told| told.size_bytes).or(row.size_bytes).unwrap_or(0);
    }
    if listed.clips != asked_for {
        let (mut packed, mut sealed) = (listed.clips.clone(), asked_for);
        packed.sort_unstable();
        sealed.sort_unstable();
        return refused(match packed == sealed {
            true => Why::PackageIncomplete {
                detail: "its clips do not stand in the order that they were asked for in".into(),
            },
            false => Why::PackageClip {},
        });
    }
    if listed.facts.bytes != bytes {
        return refused(Why::PackageFacts {});
    }
    Ok(())
}

/// A document of the package is what it has to be.
fn same(name: &str, listed: Option<Sha256>, told: &impl serde::Serialize) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(told).map_err(|e| StoreError::Odd(e.to_string()))?;
    if listed == Some(Sha256(sha2::Sha256::digest(text).into())) {
        return Ok(());
    }
    refused(Why::PackageIncomplete { detail: format!("{name} tells more, less or other things than the log holds") })
}

/// The id of the package of a request, or of one of its discs.
fn id_of(request: &str, disc: Option<Disc>) -> String {
    disc.map_or_else(|| request.to_owned(), |disc| disc.id(request))
}

/// That a disc goes on where those that were signed beside it end. How a case is divided is decided once: else two discs that
/// were signed at different times could leave out a clip between them.
pub(super) fn fits_beside(
    r: &Reader<'_>,
    (case, begun): (Sha256, u64),
    (request, disc): (&str, Disc),
    part: &Part,
) -> Result<(), StoreError> {
    for row in r.log_of_case(&[case.to_string()])?.into_iter().filter(|row| row.seq > begun) {
        let signed = envelope(&row)?;
        if signed.kind == EventKind::ExportEnded.as_str() && !fits(&signed, begun, (request, disc), part) {
            let detail = format!("disc {} does not go on where those that were signed beside it end", disc.n);
            return refused(Why::PackageIncomplete { detail });
        }
    }
    Ok(())
}

fn fits(signed: &Envelope, begun: u64, (request, disc): (&str, Disc), part: &Part) -> bool {
    let count = |name: &str| signed.body.get(name).and_then(|n| n.as_u64());
    let (Some(first), Some(clips)) = (count("first"), count("clips")) else { return true };
    let package = signed.body.get("package").and_then(|v| v.as_str());
    if count("begun") != Some(begun) {
        return true;
    }
    let beside = |n: Option<u32>| n.is_some_and(|n| package == Some(&Disc { n, ..disc }.id(request)));
    match () {
        () if beside(Some(disc.n)) => (first, clips) == (part.first, part.clips.len() as u64),
        () if beside(disc.n.checked_sub(1)) => first + clips == part.first,
        () if beside(disc.n.checked_add(1)) => part.last() + 1 == first,
        () => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::event::Actor;

    #[test]
    fn a_disc_s_id_tells_which_it_is() {
        assert_eq!(id_of("r-1", None), "r-1");
        assert_eq!(id_of("r-1", Some(Disc { n: 2, of: 3 })), "r-1-2of3");
    }

    #[test]
    fn discs_are_signed_only_where_they_join() {
        let signed = |package: &str, begun: u64, first: u64, clips: u64| Envelope {
            v: 1,
            epoch: 1,
            seq: 40,
            wall_ms: 0,
            boot: "b".into(),
            mono_ms: 0,
            kind: EventKind::ExportEnded.as_str().into(),
            actor: Actor::daemon(),
            via: "daemon".into(),
            from: None,
            session: None,
            clip: None,
            case: None,
            purpose: None,
            outcome: "ok".into(),
            body: json!({ "package": package, "begun": begun, "first": first, "clips": clips })
                .as_object()
                .cloned()
                .unwrap(),
        };
        let part = Part { first: 4, clips: vec!["x".into(); 3], of: 9 };
        for (package, begun, first, clips, fit) in [
            ("r-1of3", 10, 1, 3, true),
            ("r-1of3", 10, 1, 2, false),
            ("r-1of3", 10, 1, 4, false),
            ("r-3of3", 10, 7, 3, true),
            ("r-3of3", 10, 8, 2, false),
            ("r-2of3", 10, 4, 3, true),
            ("r-2of3", 10, 4, 2, false),
            // Of another division, or of another request.
            ("r-1of4", 10, 1, 2, true),
            ("r-1of3", 20, 1, 2, true),
        ] {
            let signed = signed(package, begun, first, clips);
            assert_eq!(fits(&signed, 10, ("r", Disc { n: 2, of: 3 }), &part), fit, "{package} {first} {clips}");
        }
    }
}
