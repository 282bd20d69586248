//! Supervision (调阅监督): how a random sample is drawn so that anybody can draw it again, what is checked of each clip, and
//! what becomes of a finding. Pure.
//!
//! # The draw
//!
//! 1. The request is logged: which month and unit, how many, and the SHA-256 of the population, its ids in ascending order,
//!    one a line.
//! 2. A checkpoint of the log is signed over that. Its root depends on the request, on everything that happened before it
//!    and on random keys, so that nobody knows it before the request stands; and it is anchored outside like any other.
//! 3. The seed is `SHA-256("evidock sample v1\n" epoch "\n" size "\n" root "\n" population "\n")`, numbers in decimal, digests
//!    in hex.
//! 4. Each clip gets `SHA-256(seed id)`, the seed as its 32 bytes, the id as text; those with the least are drawn, in this order.

use std::collections::BTreeMap;

use sha2::Digest;

use super::digest::{Sha256, to_hex};
use super::ids::ClipId;
use super::why::Why;

/// What is checked of a clip where the configuration says nothing else.
pub const CHECKLIST: [&str; 6] =
    ["亮明执法身份", "告知录音录像", "全程无中断", "画面声音清楚", "执法用语规范", "关联案件和事项准确"];
/// Clips that one draw takes of a unit at most.
pub const MOST_DRAWN: u32 = 500;
/// Clips that a unit's month may have.
pub const MOST_POPULATION: usize = 200_000;

/// The digest of a population: ids in ascending order, one a line.
pub fn population_digest(ids: &[ClipId]) -> Sha256 {
    let mut sorted: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hash = sha2::Sha256::new();
    for id in &sorted {
        hash.update(id.as_bytes());
        hash.update(b"\n");
    }
    Sha256(hash.finalize().into())
}

/// The seed that follows from a checkpoint over the request.
pub fn seed(epoch: u32, size: u64, root: &[u8; 32], population: &Sha256) -> [u8; 32] {
    let text = format!("evidock sample v1\n{epoch}\n{size}\n{}\n{population}\n", to_hex(root));
    sha2::Sha256::digest(text.as_bytes()).into()
}

/// The clips that a seed draws, in their order.
pub fn draw(seed: &[u8; 32], ids: &[ClipId], count: usize) -> Vec<ClipId> {
    let mut keyed: Vec<([u8; 32], ClipId)> = ids
        .iter()
        .map(|id| {
            let mut hash = sha2::Sha256::new();
            hash.update(seed);
            hash.update(id.to_string().as_bytes());
            (hash.finalize().into(), *id)
        })
        .collect();
    keyed.sort_unstable();
    keyed.dedup();
    keyed.into_iter().take(count).map(|(_, id)| id).collect()
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the stored word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What was found about one point of the checklist.
    Point {
        /// As it should be.
        Yes => "yes",
        /// Not so.
        No => "no",
        /// It does not apply to this clip.
        NotApplicable => "na",
    }
}

words! {
    /// A step in the life of a drawn clip.
    Step {
        /// The supervisor judged it: points, remark, and until when it is to be put right.
        Judged => "judged",
        /// The unit answered.
        Answered => "answered",
        /// The answer does not do: again, until another day.
        Returned => "returned",
        /// Put right.
        Closed => "closed",
    }
}

words! {
    /// How a drawn clip stands.
    Standing {
        /// Nobody has looked at it yet.
        Open => "open",
        /// Nothing was found.
        Fine => "fine",
        /// Something was found, and the unit is to put it right (整改).
        Rectify => "rectify",
        /// The unit says that it did.
        Answered => "answered",
        /// It did.
        Closed => "closed",
    }
}

/// What was said in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which.
    pub step: Step,
    /// What was found of each point of the checklist, by its place; of a judgement.
    pub points: Vec<Point>,
    /// In words.
    pub words: String,
    /// Until when it is to be put right.
    pub due_ms: Option<i64>,
    /// When it was said.
    pub at_ms: i64,
}

/// How a clip stands after what was said, oldest first; and the judgement that counts.
pub fn standing(said: &[Said]) -> (Standing, Option<&Said>) {
    let judged = said.iter().rev().find(|s| s.step == Step::Judged);
    let standing = match (said.last().map(|s| s.step), judged) {
        (None, _) | (_, None) => Standing::Open,
        (Some(Step::Judged), Some(j)) if !j.points.contains(&Point::No) => Standing::Fine,
        (Some(Step::Judged | Step::Returned), _) => Standing::Rectify,
        (Some(Step::Answered), _) => Standing::Answered,
        (Some(Step::Closed), _) => Standing::Closed,
    };
    (standing, judged)
}

/// Until when it is to be put right, as the newest step says that sets a day.
pub fn due_ms(said: &[Said]) -> Option<i64> {
    said.iter().rev().find_map(|s| s.due_ms)
}

/// Whether a step may follow; why not, else.
pub fn may_follow(standing: Standing, step: Step) -> Result<(), Why> {
    match (standing, step) {
        // A judgement may be corrected until somebody has acted on it.
        (Standing::Open | Standing::Fine | Standing::Rectify, Step::Judged)
        | (Standing::Rectify, Step::Answered)
        | (Standing::Answered, Step::Returned | Step::Closed) => Ok(()),
        (Standing::Open, _) => Err(Why::NotJudged {}),
        (Standing::Fine, _) => Err(Why::NothingFound {}),
        (Standing::Rectify, _) => Err(Why::NotAnswered {}),
        (Standing::Answered, _) => Err(Why::Answered {}),
        (Standing::Closed, _) => Err(Why::FindingClosed {}),
    }
}

/// A drawn clip, as far as the ranking asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Whose unit it is of; empty where nobody has said.
    pub unit: String,
    /// How it stands.
    pub standing: Standing,
    /// Points that were not as they should be.
    pub flaws: u64,
    /// Until when it is to be put right.
    pub due_ms: Option<i64>,
}

/// A unit in the ranking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rank {
    /// Its place, from 1; units that come to the same share one. `None` while nothing of it was judged.
    pub place: Option<usize>,
    /// The unit; empty where nobody has said.
    pub unit: String,
    /// Clips drawn.
    pub drawn: u64,
    /// Of these, judged.
    pub judged: u64,
    /// Of these, without a finding.
    pub fine: u64,
    /// Points that were not as they should be.
    pub flaws: u64,
    /// Findings that wait to be put right or looked at.
    pub open: u64,
    /// Of these, past their day.
    pub overdue: u64,
    /// Findings that were put right.
    pub closed: u64,
}

impl Rank {
    /// Clips without a finding in tenths of a per cent of those judged, cut off.
    pub fn permille(&self) -> u64 {
        (self.fine * 1000).checked_div(self.judged).unwrap_or(0)
    }
}

/// Units by what was found: the share of clips without a finding, then what is overdue, then flaws.
pub fn rank(drawn: &[Drawn], now_ms: i64) -> Vec<Rank> {
    let mut units: BTreeMap<&str, Rank> = BTreeMap::new();
    for clip in drawn {
        let unit = units.entry(&clip.unit).or_insert_with(|| Rank { unit: clip.unit.clone(), ..Rank::default() });
        unit.drawn += 1;
        unit.judged += u64::from(clip.standing != Standing::Open);
        unit.fine += u64::from(clip.standing == Standing::Fine);
        unit.flaws += clip.flaws;
        unit.closed += u64::from(clip.standing == Standing::Closed);
        if matches!(clip.standing, Standing::Rectify | Standing::Answered) {
            unit.open += 1;
            // What was answered in time waits for the supervisor, not for the unit.
            let late = clip.standing == Standing::Rectify && clip.due_ms.is_some_and(|due| due < now_ms);
            unit.overdue += u64::from(late);
        }
    }
    let mut ranked: Vec<Rank> = units.into_values().collect();
    let key = |r: &Rank| (r.judged == 0, std::cmp::Reverse(r.permille()), r.overdue, r.flaws);
    ranked.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.unit.cmp(&b.unit)));
    let mut before: Option<(usize, _)> = None;
    for (n, unit) in ranked.iter_mut().enumerate() {
        let mine = key(unit);
        let place = before.filter(|(_, k)| *k == mine).map_or(n + 1, |(place, _)| place);
        before = Some((place, mine));
        unit.place = (unit.judged > 0).then_some(place);
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: u32) -> Vec<ClipId> {
        (0..n).map(|i| format!("018f0000-0000-7000-8000-{i:012x}").parse().unwrap()).collect()
    }

    /// Freezes the draw: others repeat it by the text at the head of this file.
    #[test]
    fn a_draw_is_what_its_description_says() {
        let all = ids(40);
        let population = population_digest(&all);
        let mut backwards = all.clone();
        backwards.reverse();
        assert_eq!(population_digest(&backwards), population, "the order in which they are found says nothing");
        let lines: String = all.iter().map(|id| format!("{id}\n")).collect();
        assert_eq!(population.0, <[u8; 32]>::from(sha2::Sha256::digest(lines.as_bytes())));
        let seed = seed(1, 7, &[9; 32], &population);
        let text = format!("evidock sample v1\n1\n7\n{}\n{population}\n", "09".repeat(32));
        assert_eq!(seed, <[u8; 32]>::from(sha2::Sha256::digest(text.as_bytes())));
        let drawn = draw(&seed, &all, 5);
        assert_eq!((drawn.len(), draw(&seed, &backwards, 5)), (5, drawn.clone()));
        assert_eq!(draw(&seed, &all, 3), drawn[..3], "a smaller draw is the beginning of a larger one");
        assert_eq!(draw(&seed, &all, 100).len(), 40, "no clip is drawn twice");
        assert_ne!(draw(&super::seed(1, 8, &[9; 32], &population), &all, 5), drawn);
        assert!(draw(&seed, &[], 5).is_empty());
    }

    #[test]
    fn every_clip_is_drawn_about_as_often() {
        let all = ids(20);
        let mut times = BTreeMap::new();
        for n in 0..2_000u64 {
            for id in draw(&seed(1, n, &[3; 32], &Sha256([0; 32])), &all, 5) {
                *times.entry(id).or_insert(0) += 1;
            }
        }
        assert_eq!(times.len(), 20);
        assert!(times.values().all(|n| (400..600).contains(n)), "{times:?}");
    }

    fn said(step: Step, points: &[Point], due_ms: Option<i64>) -> Said {
        Said { step, points: points.to_vec(), words: String::new(), due_ms, at_ms: 0 }
    }

    #[test]
    fn steps_follow_one_another() {
        use Point::*;
        let judged = said(Step::Judged, &[Yes, No], Some(9));
        let fine = said(Step::Judged, &[Yes, NotApplicable], None);
        let answered = said(Step::Answered, &[], None);
        let returned = said(Step::Returned, &[], Some(20));
        let closed = said(Step::Closed, &[], None);
        for (steps, wanted, due) in [
            (vec![], Standing::Open, None),
            (vec![&fine], Standing::Fine, None),
            (vec![&judged], Standing::Rectify, Some(9)),
            (vec![&fine, &judged], Standing::Rectify, Some(9)),
            (vec![&judged, &answered], Standing::Answered, Some(9)),
            (vec![&judged, &answered, &returned], Standing::Rectify, Some(20)),
            (vec![&judged, &answered, &returned, &answered], Standing::Answered, Some(20)),
            (vec![&judged, &answered, &closed], Standing::Closed, Some(9)),
        ] {
            let steps: Vec<Said> = steps.into_iter().cloned().collect();
            assert_eq!((standing(&steps).0, due_ms(&steps)), (wanted, due), "{steps:?}");
            assert_eq!(Standing::parse(wanted.as_str()), Some(wanted));
        }
        let allowed = |s: Standing| Step::ALL.iter().filter(|step| may_follow(s, **step).is_ok()).count();
        assert_eq!(Standing::ALL.iter().map(|s| allowed(*s)).collect::<Vec<_>>(), [1, 1, 2, 2, 0]);
        assert!(may_follow(Standing::Open, Step::Closed).unwrap_err() == Why::NotJudged {});
    }

    #[test]
    fn units_are_ranked_by_what_was_found() {
        let clip = |unit: &str, standing, flaws, due_ms| Drawn { unit: unit.into(), standing, flaws, due_ms };
        let drawn = [
            clip("一科", Standing::Fine, 0, None),
            clip("一科", Standing::Closed, 1, Some(5)),
            clip("二科", Standing::Fine, 0, None),
            clip("二科", Standing::Fine, 0, None),
            clip("三科", Standing::Fine, 0, None),
            clip("三科", Standing::Rectify, 2, Some(5)),
            clip("四科", Standing::Open, 0, None),
            clip("五科", Standing::Fine, 0, None),
        ];
        let ranked = rank(&drawn, 10);
        let told: Vec<_> = ranked.iter().map(|r| (r.unit.as_str(), r.place, r.permille(), r.overdue)).collect();
        assert_eq!(
            told,
            [
                ("二科", Some(1), 1000, 0),
                ("五科", Some(1), 1000, 0),
                ("一科", Some(3), 500, 0),
                ("三科", Some(4), 500, 1),
                ("四科", None, 0, 0)
            ]
        );
        assert_eq!((ranked[2].closed, ranked[3].open, ranked[3].flaws), (1, 1, 2));
        assert_eq!(rank(&drawn, 3)[3].overdue, 0, "its day has not come");
    }
}
