//! What a page offers to whoever looks: a link or a button that the table of rights would refuse is not there. Whoever pressed
//! it would be told no, lose what they typed, and stand in the log as somebody who tried. Nothing here lets anybody do
//! anything: that is the routes' to decide, anew. Nothing is refused here, and nothing logged.

use super::present::station::clip_of;
use super::routes::NOBODYS;
use super::site::{Site, Visitor};
use super::trouble::Trouble;
use super::view::keeping::Named;
use super::view::station::Alarm;
use super::who::Who;
use crate::domain::ids::ClipId;
use crate::domain::rights::{Action, Decision, Within};
use crate::store::HoldRow;

/// What may be done to one clip, or to one case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers {
    /// A station without accounts: anything.
    open: bool,
    actions: Vec<Action>,
    /// Whoever looks: what it is about does not take them.
    refused: &'static [Action],
}

impl Offers {
    /// By the action's word, as templates say it.
    pub fn may(&self, action: &str) -> bool {
        Action::parse(action).is_some_and(|action| self.has(action))
    }

    /// The same by the action.
    pub fn has(&self, action: Action) -> bool {
        !self.refused.contains(&action) && (self.open || self.actions.contains(&action))
    }

    /// The same without what is refused to everybody.
    pub(super) fn without(self, refused: &'static [Action]) -> Self {
        Self { refused, ..self }
    }
}

/// What may be done to a clip. One reading, whatever is offered.
pub(super) async fn of_clip(site: &Site, visitor: &Visitor, clip: ClipId) -> Result<Offers, Trouble> {
    let signed = match &visitor.who {
        Who::Open => return Ok(Offers { open: true, ..Offers::default() }),
        Who::Nobody => return Ok(Offers::default()),
        Who::Signed { signed, .. } => signed,
    };
    let standing = site.pages.standing(clip, signed.account).await?.ok_or(Trouble::NoClip)?;
    let allowed = |action: &Action| matches!(signed.decide(*action, &standing.subject), Decision::Allowed { .. });
    Ok(Offers { actions: Action::ALL.iter().copied().filter(allowed).collect(), ..Offers::default() })
}

/// What may be done to a case: of `each` what may be done to every clip of it, of `itself` what its own standing gives.
/// Actions whose bounds are the same are read once.
pub(super) async fn of_case(
    site: &Site,
    visitor: &Visitor,
    number: &str,
    each: &[Action],
    itself: &[Action],
) -> Result<Offers, Trouble> {
    let signed = match &visitor.who {
        Who::Open => return Ok(Offers { open: true, ..Offers::default() }),
        Who::Nobody => return Ok(Offers::default()),
        Who::Signed { signed, .. } => signed,
    };
    let named = [Named::Case(number.to_owned())];
    let (mut offers, mut known): (Offers, Vec<(Within, bool)>) = Default::default();
    for action in each.iter().filter(|action| signed.may_ever(**action)) {
        let within = signed.within(*action);
        let wholly = match known.iter().find(|(w, _)| *w == within) {
            Some((_, wholly)) => *wholly,
            None => {
                let wholly = site.pages.wholly(&named, &within).await? == [true];
                known.push((within, wholly));
                wholly
            }
        };
        if wholly {
            offers.actions.push(*action);
        }
    }
    let mut standing = None;
    for action in itself.iter().filter(|action| signed.may_ever(**action)) {
        let allowed = |subject| matches!(signed.decide(*action, subject), Decision::Allowed { .. });
        // Who may do it to every case need not be asked about this one.
        let yes = allowed(&NOBODYS) || {
            if standing.is_none() {
                standing = Some(site.pages.case_standing(number, signed.account).await?.unwrap_or(NOBODYS));
            }
            standing.as_ref().is_some_and(allowed)
        };
        if yes {
            offers.actions.push(*action);
        }
    }
    Ok(offers)
}

/// Whether a case that they see has a page of its review for them.
pub(super) async fn has_review(site: &Site, visitor: &Visitor, number: &str) -> Result<bool, Trouble> {
    let within = visitor.who.within(Action::SeeReview);
    if within.are_empty() || within == visitor.who.within(Action::FindCase) {
        return Ok(!within.are_empty());
    }
    Ok(!site.pages.openable(&[number.to_owned()], &within).await?.is_empty())
}

/// Which of these holds may be released: those whose every clip is theirs to release.
pub(super) async fn releasable(site: &Site, visitor: &Visitor, holds: &[HoldRow]) -> Result<Vec<i64>, Trouble> {
    let numbers = holds.iter().map(|h| h.hold);
    let within = visitor.who.within(Action::ReleaseHold);
    if within.are_empty() || holds.is_empty() {
        return Ok(Vec::new());
    }
    if within == Within::Everything {
        return Ok(numbers.collect());
    }
    let named: Vec<Named> = numbers.clone().map(Named::Hold).collect();
    let wholly = site.pages.wholly(&named, &within).await?;
    Ok(numbers.zip(wholly).filter(|(_, wholly)| *wholly).map(|(hold, _)| hold).collect())
}

/// Those clips of a list over which they may do something.
pub enum Among {
    /// Each of them.
    All,
    /// These.
    These(Vec<ClipId>),
}

impl Among {
    /// Whether this clip is one of them.
    pub fn has(&self, clip: &ClipId) -> bool {
        match self {
            Self::All => true,
            Self::These(clips) => clips.contains(clip),
        }
    }
}

/// Over which clips of a list they may do something. Where that reaches as far as the list's own right, over each of them,
/// and nothing is read; else it is one reading for the whole list.
pub(super) async fn among(
    site: &Site,
    visitor: &Visitor,
    clips: &[ClipId],
    action: Action,
    listed: Option<Action>,
) -> Result<Among, Trouble> {
    let within = visitor.who.within(action);
    if within == Within::Everything || listed.is_some_and(|listed| visitor.who.within(listed) == within) {
        return Ok(Among::All);
    }
    if within.are_empty() || clips.is_empty() {
        return Ok(Among::These(Vec::new()));
    }
    Ok(Among::These(site.pages.within(clips, &within).await?))
}

/// Which of the clips that alarms name they may open: alarms stand for everybody, clips do not.
pub(super) async fn alarmed<'a>(
    site: &Site,
    visitor: &Visitor,
    alarms: impl IntoIterator<Item = &'a Alarm>,
) -> Result<Among, Trouble> {
    let clips: Vec<ClipId> = alarms.into_iter().filter_map(clip_of).collect();
    among(site, visitor, &clips, Action::ShowClip, None).await
}

/// Which of these numbers are those of cases that have a page for whoever looks. A number that a rule found or somebody typed
/// may be that of no case, or of one of others.
pub(super) async fn cases(site: &Site, visitor: &Visitor, numbers: &[String]) -> Result<Vec<String>, Trouble> {
    let within = visitor.who.within(Action::FindCase);
    if within.are_empty() || numbers.is_empty() {
        return Ok(Vec::new());
    }
    Ok(site.pages.openable(numbers, &within).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_what_was_allowed_and_at_an_open_station_all() {
        let some = Offers { actions: vec![Action::PlayClip], ..Offers::default() };
        assert!(some.may("play_clip") && !some.may("download_clip") && !some.may("no_action"));
        let open = Offers { open: true, ..Offers::default() };
        assert!(open.may("download_clip") && !open.may("no_action"));
        assert!(!Offers::default().may("play_clip"));
        for offers in [some, open] {
            assert!(!offers.without(&[Action::PlayClip]).may("play_clip"));
        }
        let clip = ClipId::generate(1);
        assert!(Among::All.has(&clip) && Among::These(vec![clip]).has(&clip) && !Among::These(vec![]).has(&clip));
    }
}
