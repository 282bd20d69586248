//! The station page and the bay board in words.

use super::Ctx;
use crate::domain::clip::ClipState;
use crate::domain::ids::ClipId;
use crate::domain::recorder::{Held, HeldDevice};
use crate::domain::words::Words;
use crate::domain::words::quoted::Quoted;
use crate::web::offers::Among;
use crate::web::view::station::{
    Alarm, Bay, BayState, DestinationView, Health, Risen, STAGES, Stage, Stall, StationView, Uplink, Verdict,
};

/// More bays than this are shown densely, and empty ones in one line.
const DENSE_ABOVE: usize = 12;

/// The station page.
pub struct Station {
    /// Stages from left to right.
    pub flow: Vec<StageCell>,
    /// Bays that are shown as cards.
    pub bays: Vec<BayCard>,
    /// Empty bays that are only named, where there are many bays.
    pub empty: Vec<String>,
    /// Many bays.
    pub dense: bool,
    /// What wants someone.
    pub alarms: Vec<AlarmNote>,
    /// Rate now.
    pub rate: String,
    /// What waits.
    pub queue: String,
    /// Rate over the last hour.
    pub spark: Option<Spark>,
    /// Destinations.
    pub destinations: Vec<DestinationLine>,
    /// Used of all.
    pub disk_used: String,
    /// How long it lasts.
    pub disk_left: Option<String>,
    /// (style, begin, width) in thousandths.
    pub disk_bars: Vec<(&'static str, u64, u64)>,
    /// (style, what, how much).
    pub disk_parts: Vec<(&'static str, &'static str, String)>,
    /// Copying has stopped.
    pub disk_stopped: bool,
}

/// One stage of the flow strip.
pub struct StageCell {
    /// Style.
    pub class: &'static str,
    /// Name.
    pub name: &'static str,
    /// The large number.
    pub count: String,
    /// The line below it.
    pub detail: String,
    /// What leaves it for the next stage.
    pub rate: Option<String>,
    /// Why it does not move.
    pub stall: Option<String>,
    /// The list of its clips, for whoever may see lists.
    pub href: Option<String>,
}

/// One bay.
pub struct BayCard {
    /// Slot.
    pub name: String,
    /// Who, else which recorder.
    pub title: String,
    /// Which recorder.
    pub sub: String,
    /// What it is doing.
    pub line: String,
    /// The same in a few words, where there are many bays.
    pub brief: String,
    /// Style and icon of the verdict.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// The one sentence that matters.
    pub verdict: String,
    /// How far, where copying is under way.
    pub percent: Option<u8>,
    /// What the system said, for hovering and reading on.
    pub reason: Option<String>,
}

/// One bay on the board: nothing that tells who or what.
pub struct BoardCard {
    /// Slot.
    pub name: String,
    /// Style.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// In large letters.
    pub headline: String,
    /// Below it.
    pub detail: String,
    /// How far.
    pub percent: Option<u8>,
}

/// One alarm.
pub struct AlarmNote {
    /// Style and icon.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// The kind of alarm in words, for those who do not see the colour.
    pub severity: &'static str,
    /// What.
    pub title: String,
    /// Since when, how many, in whose words.
    pub detail: String,
    /// What to do next.
    pub action: String,
    /// Where to do it, if on this page and theirs to do.
    pub href: Option<String>,
    /// Its number, once it is stored: it can be acknowledged by that.
    pub number: Option<i64>,
    /// Who said that they know.
    pub known: Option<String>,
}

/// One destination.
pub struct DestinationLine {
    /// Its name.
    pub name: String,
    /// Style.
    pub class: &'static str,
    /// Icon.
    pub icon: &'static str,
    /// How it is doing.
    pub health: String,
    /// How it proves, and what else is to be known.
    pub detail: String,
    /// It protects nothing.
    pub warning: Option<&'static str>,
    /// Footage is held back from it.
    pub paused: bool,
}

/// A rate curve in a box of 300 by 64.
pub struct Spark {
    /// The line's points.
    pub line: String,
    /// The area's points.
    pub area: String,
    /// The highest rate.
    pub peak: String,
}

/// Icon of a style.
pub fn icon(class: &str) -> &'static str {
    match class {
        "hold" => "hold",
        "safe" => "check",
        "sealed" => "seal",
        "ask" => "warn",
        "fail" => "cross",
        _ => "dot",
    }
}

/// Icon of a bay: what is held has one of its own a reason, so that none is told by its colour alone.
fn bay_icon(state: &BayState) -> &'static str {
    match state {
        BayState::Held(Held::Unknown) => "unknown",
        BayState::Held(Held::Refused) => "cross",
        BayState::Held(Held::NotStorage) => "ban",
        BayState::Held(Held::NoStorage) => "lock",
        BayState::Held(Held::Broken(_)) => "warn",
        other => icon(other.verdict().class()),
    }
}

/// The whole page in words. `theirs`: which of the clips that alarms name they may open.
pub fn station(view: &StationView, theirs: &Among, ctx: &Ctx) -> Station {
    let w = ctx.w;
    let dense = view.bays.len() > DENSE_ABOVE;
    let (cards, empty): (Vec<&Bay>, Vec<&Bay>) = view.bays.iter().partition(|b| !dense || b.state != BayState::Empty);
    let disk = &view.disk;
    let parts = [
        ("hold", w.disk_undelivered, disk.undelivered),
        ("safe", w.disk_kept, disk.kept),
        ("ask", w.disk_held, disk.held),
        ("other", w.disk_other, disk.other),
        ("free", w.disk_free, disk.free()),
    ];
    Station {
        flow: STAGES.iter().zip(&view.flow).map(|(state, stage)| stage_cell(*state, stage, ctx)).collect(),
        bays: cards.into_iter().map(|b| bay_card(b, w)).collect(),
        empty: empty.into_iter().map(|b| b.name.clone()).collect(),
        dense,
        alarms: view.alarms.iter().map(|a| alarm_note(a, view.risen(a), theirs, ctx)).collect(),
        rate: if view.uplink.rate_bytes_per_s == 0 { w.idle.into() } else { w.rate(view.uplink.rate_bytes_per_s) },
        queue: match view.uplink.queue_bytes {
            0 => w.nothing_waiting.into(),
            bytes => w.queue(bytes, view.uplink.eta_ms),
        },
        spark: spark(&view.uplink, w),
        destinations: view.uplink.destinations.iter().map(|d| destination_line(d, ctx)).collect(),
        disk_used: w.used_of(disk.used(), disk.total),
        disk_left: disk.days_left.filter(|_| !disk.stopped).map(|d| w.days_left(d)),
        disk_bars: disk.bars(),
        disk_parts: parts.into_iter().filter(|p| p.2 > 0).map(|(c, name, bytes)| (c, name, w.size(bytes))).collect(),
        disk_stopped: disk.stopped,
    }
}

fn stage_cell(state: ClipState, stage: &Stage, ctx: &Ctx) -> StageCell {
    let w = ctx.w;
    let stall = stage.stall.as_ref().map(|s| match s {
        Stall::NoRoom => w.paused_disk.to_owned(),
        Stall::CannotRead { bay } => w.bay_failed(bay),
        Stall::Unreachable { destination } => w.unreachable(destination),
        Stall::Refused { destination } => w.refused(destination),
        Stall::Failed { destination, clips } => w.deliveries_failed(destination, *clips),
    });
    let mut detail = Vec::new();
    if let Some(n) = stage.recorders {
        detail.push(w.recorders(n));
    }
    if stage.clips > 0 && stage.bytes > 0 {
        detail.push(w.size(stage.bytes));
    }
    if let Some(n) = stage.today.filter(|n| *n > 0) {
        detail.push(w.today(n));
    }
    if let Some(age) = stage.oldest_age_ms.filter(|_| stage.clips > 0 && stage.today.is_none()) {
        detail.push(w.oldest(age));
    }
    let class = match state {
        _ if stall.is_some() => "ask",
        _ if stage.clips == 0 => "idle",
        ClipState::Seen | ClipState::Copying | ClipState::Sending => "hold",
        ClipState::Sealed => "sealed",
        ClipState::Proven | ClipState::Released => "safe",
    };
    StageCell {
        class,
        name: w.stage(state),
        count: w.number(stage.clips),
        detail: if detail.is_empty() { w.none_dash.into() } else { detail.join(" · ") },
        rate: stage.rate_bytes_per_s.filter(|r| *r > 0).map(|r| w.rate(r)),
        stall,
        href: ctx.may("list_clips").then(|| format!("/clips?state={}", state.as_str())),
    }
}

/// The one sentence that matters at a bay.
pub fn verdict(state: &BayState, w: &Words) -> String {
    match state {
        BayState::Empty => w.bay_empty.into(),
        BayState::Listing | BayState::Copying(_) => w.do_not_remove.into(),
        BayState::Erasing { .. } => w.erasing.into(),
        BayState::Safe { unreadable: n @ 1.., .. } => w.safe_unreadable(*n),
        BayState::Safe { to_annotate: n @ 1.., .. } => w.safe_to_annotate(*n),
        BayState::Safe { emptied: true, .. } => w.emptied.into(),
        BayState::Safe { sealed, proven, .. } if proven < sealed => w.safe_uploading.into(),
        BayState::Safe { .. } => w.safe_to_remove.into(),
        BayState::Held(why) => w.held_act(why).into(),
        BayState::Failing { network: true, .. } => w.cannot_pull.into(),
        BayState::Failing { .. } => w.try_another_bay.into(),
        BayState::NoRoom(_) => w.paused_disk.into(),
    }
}

fn bay_card(bay: &Bay, w: &Words) -> BayCard {
    let class = bay.state.verdict().class();
    let recorder = bay.recorder.clone().unwrap_or_default();
    let (title, sub) = match (&bay.state, &bay.officer) {
        (BayState::Empty, _) => (w.bay_empty.to_owned(), String::new()),
        (BayState::Held(why), _) => {
            (w.held(why).to_owned(), bay.held.first().map(HeldDevice::told).unwrap_or_default())
        }
        // A number burned into a name is shown as what it is; it holds nobody.
        (_, Some(who)) => {
            (who.officer.clone(), format!("{recorder} · {}", w.said_by(who.origin.as_str(), who.is_confirmed())))
        }
        (_, None) => (w.officer_unknown.to_owned(), recorder),
    };
    let line = match &bay.state {
        BayState::Empty => String::new(),
        BayState::Held(why) => w.held_detail(why).into(),
        BayState::Listing => w.reading_list.into(),
        BayState::Erasing { done, files } => format!("{} · {}", w.erasing_detail, w.done_of(*done, *files)),
        BayState::Copying(p) => {
            let much = match p.footage_ms {
                Some((done_ms, listed_ms)) => w.footage_of(done_ms, listed_ms),
                None => w.size(p.bytes_total),
            };
            let mut parts = vec![w.done_of(p.clips_done, p.clips_total), much];
            match (p.resumed_at_percent, p.left_ms) {
                (_, Some(ms)) => parts.push(w.left(ms)),
                (Some(percent), None) => parts.push(w.resumed_at(percent)),
                (None, None) => {}
            }
            parts.join(" · ")
        }
        BayState::Safe { sealed: 0, unreadable: 0, .. } => w.nothing_on_it.into(),
        BayState::Safe { sealed, proven, .. } => w.sealed_and_proven(*sealed, *proven),
        BayState::Failing { at_percent: Some(percent), .. } => w.stopped_at(*percent),
        BayState::Failing { reason, .. } => Quoted::FileUnread { words: reason.clone() }.told(w.lang),
        BayState::NoRoom(_) => w.paused_disk_detail.into(),
    };
    let brief = match &bay.state {
        BayState::Copying(p) => {
            p.left_ms.map(|ms| w.left(ms)).unwrap_or_else(|| w.done_of(p.clips_done, p.clips_total))
        }
        BayState::Safe { sealed: sealed @ 1.., .. } => w.clips(*sealed),
        BayState::Held(_) => String::new(),
        BayState::NoRoom(_) => w.call_administrator.into(),
        _ => line.clone(),
    };
    BayCard {
        name: bay.name.clone(),
        title,
        sub,
        line,
        brief,
        class,
        icon: bay_icon(&bay.state),
        verdict: verdict(&bay.state, w),
        percent: bay.state.progress().map(|p| p.percent()),
        reason: match &bay.state {
            BayState::Failing { reason, .. } => Some(Quoted::FileUnread { words: reason.clone() }.told(w.lang)),
            BayState::Held(Held::Broken(reason)) => Some(Quoted::DeviceUnread { words: reason.clone() }.told(w.lang)),
            _ => None,
        },
    }
}

/// A bay as the board shows it.
pub fn board_card(bay: &Bay, w: &Words) -> BoardCard {
    let verdict = bay.state.verdict();
    let headline = match (&bay.state, verdict) {
        (BayState::Erasing { .. }, _) => w.erasing,
        (_, Verdict::Empty) => w.bay_empty,
        (_, Verdict::Hold) => w.do_not_remove,
        (_, Verdict::Safe | Verdict::SafeBut) => w.safe_to_remove,
        (BayState::Held(why), _) => w.held(why),
        (BayState::NoRoom(_), _) => w.kiosk_paused,
        (_, Verdict::Act | Verdict::Ask) => w.kiosk_failing,
    };
    let detail = match &bay.state {
        BayState::Empty => String::new(),
        BayState::Listing => w.reading_list.into(),
        BayState::Erasing { done, files } => w.done_of(*done, *files),
        BayState::Copying(p) => p.left_ms.map(|ms| w.left(ms)).unwrap_or_default(),
        BayState::Safe { unreadable: n @ 1.., .. } => w.unreadable(*n),
        BayState::Safe { to_annotate: n @ 1.., .. } => w.to_annotate(*n),
        BayState::Safe { emptied: true, .. } => w.stage_released.into(),
        BayState::Safe { sealed, proven, .. } if proven < sealed => w.stage_sending.into(),
        BayState::Safe { .. } => String::new(),
        BayState::Failing { at_percent, .. } => at_percent.map(|p| w.stopped_at(p)).unwrap_or_default(),
        BayState::Held(why) => w.held_act(why).into(),
        BayState::NoRoom(_) => w.call_administrator.into(),
    };
    let class = verdict.class();
    BoardCard {
        name: bay.name.clone(),
        class,
        icon: bay_icon(&bay.state),
        headline: headline.into(),
        detail,
        percent: bay.state.progress().map(|p| p.percent()),
    }
}

fn destination_line(d: &DestinationView, ctx: &Ctx) -> DestinationLine {
    let w = ctx.w;
    let class = d.health.class();
    let mut detail = Vec::new();
    if let Some(level) = d.proof {
        detail.push(w.proof(level).to_owned());
    }
    if d.locks {
        detail.push(w.locked_objects.to_owned());
    }
    if !d.required {
        detail.push(w.optional_destination.to_owned());
    }
    if let Some(ceiling) = d.ceiling_bytes_per_s.filter(|_| d.health != Health::Shut) {
        detail.push(w.at_most(ceiling));
    }
    DestinationLine {
        name: d.name.clone(),
        class,
        icon: icon(class),
        health: match &d.health {
            Health::Working => w.dest_working.into(),
            Health::Checking => w.dest_checking.into(),
            Health::Paused { until: None } => w.dest_paused.into(),
            Health::Paused { until: Some(until) } => format!("{} · {}", w.dest_paused, w.until(&ctx.near(*until).text)),
            Health::Shut => w.dest_shut.into(),
            Health::Resting => w.dest_resting.into(),
            Health::Unreachable { since } => format!("{} · {}", w.dest_unreachable, w.since(&ctx.near(*since).text)),
            Health::Refused { since, .. } => format!("{} · {}", w.dest_refused, w.since(&ctx.near(*since).text)),
        },
        detail: detail.join(" · "),
        warning: d.same_device.then_some(w.same_device),
        paused: d.paused,
    }
}

fn spark(uplink: &Uplink, w: &Words) -> Option<Spark> {
    let peak = uplink.history.iter().copied().max().filter(|p| *p > 0)?;
    let last = uplink.history.len().saturating_sub(1).max(1) as f64;
    let points: Vec<String> = uplink
        .history
        .iter()
        .enumerate()
        .map(|(i, v)| format!("{:.1},{:.1}", i as f64 / last * 300.0, 60.0 - *v as f64 / peak as f64 * 54.0))
        .collect();
    let line = points.join(" ");
    Some(Spark { area: format!("0,64 {line} 300,64"), line, peak: w.rate(peak) })
}

/// The clip that an alarm names.
pub fn clip_of(alarm: &Alarm) -> Option<ClipId> {
    match alarm {
        Alarm::Mismatch { first, .. }
        | Alarm::Damaged { first, .. }
        | Alarm::Isolated { first, .. }
        | Alarm::OutOfReach { first, .. }
        | Alarm::Quarantined { first, .. } => Some(*first),
        _ => None,
    }
}

/// An alarm in words, with what is stored of it. `theirs`: which of the clips that alarms name they may open.
pub fn alarm_note(alarm: &Alarm, risen: Option<&Risen>, theirs: &Among, ctx: &Ctx) -> AlarmNote {
    let w = ctx.w;
    let clip = clip_of(alarm);
    let href = match alarm {
        Alarm::ToAnnotate { .. } => ctx.may("list_clips").then(|| "/clips?missing=any".to_owned()),
        _ => clip.filter(|clip| theirs.has(clip)).map(|clip| format!("/clips/{clip}")),
    };
    let since = match alarm {
        Alarm::Refused { since, .. } | Alarm::Unreachable { since, .. } | Alarm::Overdue { since, .. } => Some(*since),
        _ => risen.map(|r| r.since),
    };
    let parts = [since.map(|at| w.since(&ctx.near(at).text)).unwrap_or_default(), w.alarm_detail(alarm)];
    let severity = alarm.severity();
    AlarmNote {
        class: severity.class(),
        icon: match severity.class() {
            "hold" => "info",
            class => icon(class),
        },
        severity: w.severity(severity),
        title: w.alarm_title(alarm),
        detail: parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" · "),
        // What is done with clips that are not theirs is told to be others' work.
        action: match href {
            None if clip.is_some() || matches!(alarm, Alarm::ToAnnotate { .. }) => w.alarm_of_others(alarm).to_owned(),
            _ => w.alarm_action(alarm),
        },
        href,
        number: risen.filter(|_| alarm.is_told()).map(|r| r.id),
        known: risen
            .and_then(|r| r.acknowledged.as_ref())
            .map(|(by, at)| w.known_by(&ctx.named(by), &ctx.near(*at).text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Origin;
    use crate::domain::recorder::Holder;
    use crate::domain::words::Lang;
    use crate::web::view::station::Progress;

    fn told(state: BayState) -> String {
        verdict(&state, Lang::Zh.words())
    }

    #[test]
    fn the_sentence_that_matters() {
        let safe = |sealed, proven, to_annotate, unreadable| BayState::Safe {
            sealed,
            proven,
            to_annotate,
            unreadable,
            emptied: false,
        };
        assert_eq!(told(BayState::Copying(Progress::default())), "请勿拔出");
        assert_eq!(told(safe(3, 3, 0, 0)), "可以取走");
        assert_eq!(told(safe(3, 1, 0, 0)), "可以取走 · 上传中");
        assert_eq!(told(safe(3, 1, 2, 0)), "可以取走 · 2 个待标注");
        assert_eq!(told(safe(3, 1, 2, 1)), "可以取走 · 1 个读不出");
        assert_eq!(told(BayState::NoRoom(Progress::default())), "已暂停：磁盘空间不足");
    }

    #[test]
    fn the_board_tells_no_one_s_name() {
        let bay = Bay {
            name: "3".into(),
            recorder: Some("DSJ-1".into()),
            officer: Some(Holder { officer: "采集人甲".into(), origin: Origin::Issue }),
            state: BayState::Failing { network: false, at_percent: Some(31), reason: "EIO on DSJ-1".into() },
            held: Vec::new(),
        };
        let card = board_card(&bay, Lang::Zh.words());
        let all = format!("{} {} {}", card.name, card.headline, card.detail);
        assert!(!all.contains("甲") && !all.contains("DSJ"), "{all}");
        assert_eq!(card.headline, "换一个采集位");
    }

    #[test]
    fn the_curve_stays_in_its_box() {
        let uplink = Uplink { history: vec![0, 5, 10], ..Uplink::default() };
        let s = spark(&uplink, Lang::En.words()).unwrap();
        assert_eq!(s.line, "0.0,60.0 150.0,33.0 300.0,6.0");
        assert!(spark(&Uplink { history: vec![0, 0], ..Uplink::default() }, Lang::En.words()).is_none());
    }
}
