//! The dry run: what the rules would do to every sealed clip, judged on several threads, each with what its clips share.

use super::{Judge, Judged, Shared};
use crate::casework::rules::Rule;
use crate::domain::ids::ClipId;
use crate::store::{LinkRequest, Result, Store, StoreError, Suggestion};

/// Clips that a thread judges in one go.
const BATCH: u32 = 500;
/// Threads, at most: the station goes on taking in beside it.
const THREADS: usize = 2;
/// Changes that a dry run spells out.
const TOLD: usize = 200;

/// What a dry run over clips came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Clips that were looked at.
    pub clips: u64,
    /// Clips that would be linked now.
    pub links: u64,
    /// Links of rules that would be withdrawn.
    pub withdrawals: u64,
    /// Clips for which something would wait.
    pub suggestions: u64,
    /// Of these, because two cases are almost equally likely.
    pub conflicts: u64,
    /// Links by rule.
    pub by_rule: Vec<(&'static str, u64)>,
    /// The first changes: clip, rule, number, score, reason, and whether it would be linked.
    pub told: Vec<(ClipId, Suggestion, bool)>,
}

impl Judge {
    /// Says what the rules would do to every sealed clip, and does none of it. Rosters, stays and the register of cases are
    /// those of when each was first needed. `went` hears how many clips of how many were looked at. Blocks.
    pub fn try_rules(&self, store: &Store, now_ms: i64, went: &dyn Fn(u64, u64)) -> Result<Tried> {
        let all: u64 = store.read_blocking(|r| {
            let figures = r.figures(0)?;
            Ok([figures.sealed, figures.sending, figures.proven, figures.released]
                .iter()
                .map(|stage| stage.count)
                .sum())
        })?;
        went(0, all);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        let mut shared: Vec<Shared> = std::iter::repeat_with(Shared::default).take(threads).collect();
        let mut tried = Tried::default();
        let mut by_rule = [0u64; Rule::ALL.len()];
        let mut after = None;
        loop {
            let clips = store.read_blocking(|r| r.sealed_after(after, BATCH * threads as u32))?;
            let Some(last) = clips.last() else { break };
            after = Some(*last);
            let judged: Vec<Result<Vec<Judged>>> = std::thread::scope(|scope| {
                let parts = clips.chunks(BATCH as usize).zip(&mut shared);
                let running: Vec<_> = parts
                    .map(|(part, shared)| scope.spawn(move || self.judge_each(store, shared, part, now_ms)))
                    .collect();
                let panicked = |_| Err(StoreError::Odd("a thread of the dry run panicked".into()));
                running.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
            });
            let judged = judged.into_iter().collect::<Result<Vec<_>>>()?;
            for (clip, found) in clips.iter().zip(judged.iter().flatten()) {
                tried.take(*clip, found, &mut by_rule);
            }
            went(tried.clips.min(all), all);
        }
        tried.by_rule = Rule::ALL.iter().zip(by_rule).filter(|(_, n)| *n > 0).map(|(r, n)| (r.as_str(), n)).collect();
        Ok(tried)
    }

    fn judge_each(&self, store: &Store, shared: &mut Shared, clips: &[ClipId], now_ms: i64) -> Result<Vec<Judged>> {
        store.read_blocking(|r| clips.iter().map(|clip| self.judge_among(r, shared, *clip, now_ms, false)).collect())
    }
}

impl Tried {
    fn take(&mut self, clip: ClipId, found: &Judged, by_rule: &mut [u64; Rule::ALL.len()]) {
        self.clips += 1;
        self.withdrawals += found.withdrawn.len() as u64;
        self.conflicts += u64::from(found.conflict);
        let open = found.suggestions.first().filter(|_| found.is_news);
        self.suggestions += u64::from(open.is_some());
        if let Some((rule, _)) = &found.link {
            self.links += 1;
            by_rule[Rule::ALL.iter().position(|r| r == rule).unwrap_or(0)] += 1;
        }
        let linked = found.link.as_ref().map(|(rule, link)| (told(*rule, link), true));
        if let Some((said, is_link)) = linked.or_else(|| open.map(|s| (s.clone(), false)))
            && self.told.len() < TOLD
        {
            self.told.push((clip, said, is_link));
        }
    }
}

fn told(rule: Rule, link: &LinkRequest) -> Suggestion {
    Suggestion {
        case_key: link.number.key().to_owned(),
        raw: link.number.display().to_owned(),
        rule: rule.as_str().to_owned(),
        score: link.score,
        reason: link.reason.clone().unwrap_or_default(),
        stage: link.stage.clone(),
        matter: link.matter.clone(),
        proves: link.proves.clone(),
    }
}
