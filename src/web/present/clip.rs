//! The page of a clip in words.

use super::clips::Pill;
use super::{Ctx, Stamp, case_href};
use crate::domain::clip::{Delivery, Local, ProofLevel, SightingState};
use crate::domain::derived::{SHEET_COLUMNS, SHEET_PICTURES, TILE_HEIGHT_PX, TILE_WIDTH_PX, parse_span, sheet_points};
use crate::domain::ids::ClipId;
use crate::domain::ports::MediaHealth;
use crate::domain::record::{Field, Part, REQUIRED, Record};
use crate::domain::stream::{PublishedSegment, SegmentEnd};
use crate::domain::words::Words;
use crate::domain::words::quoted::Quoted;
use crate::web::offers::Among;
use crate::web::view::clip::{ClipView, CustodyEntry, FactSaid, Playable};
use crate::web::view::clips::state_class;

/// Fields that a person can set on the page, besides the link to a case.
pub const EDITABLE: [Field; 8] = [
    Field::Place,
    Field::Officer,
    Field::Proves,
    Field::CapturedStart,
    Field::CoOfficers,
    Field::Matter,
    Field::Stage,
    Field::PartyRef,
];

/// A fact with its label and origin.
pub struct FactLine {
    /// Label.
    pub label: &'static str,
    /// Value; `None` where it is missing.
    pub value: Option<String>,
    /// The value as an instant.
    pub stamp: Option<Stamp>,
    /// Where it came from.
    pub origin: Option<String>,
    /// A page about it.
    pub href: Option<String>,
}

/// A field of the form.
pub struct Input {
    /// Published name.
    pub name: &'static str,
    /// Label.
    pub label: &'static str,
    /// Value now.
    pub value: String,
    /// What was typed into it in place of that, where that was refused.
    pub typed: Option<String>,
    /// It is one of the five and missing.
    pub missing: bool,
    /// What a value looks like.
    pub hint: &'static str,
}

impl Input {
    /// What stands in it.
    pub fn filled(&self) -> &str {
        self.typed.as_deref().unwrap_or(&self.value)
    }
}

/// Where moving pictures or sound are shown.
pub struct Screen {
    /// Stands for what plays: another key is another element.
    pub key: &'static str,
    /// There is no picture.
    pub audio: bool,
    /// There are pictures to step through.
    pub pictures: bool,
    /// The master's address, where browsers play it; else a preview is derived.
    pub src: Option<String>,
    /// There is a still to begin with.
    pub poster: bool,
    /// A preview is shown from the beginning.
    pub derived: bool,
    /// Pictures a second, empty where that is not known.
    pub fps: String,
    /// Length in milliseconds, 0 where that is not known.
    pub ms: i64,
    /// Length in bytes.
    pub bytes: u64,
    /// Places of the contact sheet.
    pub strip: Vec<StripPlace>,
    /// Width of the sheet, pixels.
    pub sheet_width: u32,
    /// Height of the sheet, pixels.
    pub sheet_height: u32,
}

/// A place of the contact sheet.
pub struct StripPlace {
    /// As an address takes it.
    pub seconds: String,
    /// As people read it.
    pub label: String,
}

/// A copy somewhere.
pub struct CopyLine {
    /// Where.
    pub place: String,
    /// Its state.
    pub pill: Pill,
    /// How it is proven, or what is wrong.
    pub how: String,
    /// When it was proven or seen.
    pub at: Option<Stamp>,
    /// Address there.
    pub uri: String,
    /// It protects nothing.
    pub warning: Option<&'static str>,
}

/// An entry of the log.
pub struct EntryLine {
    /// Position.
    pub seq: u64,
    /// When.
    pub at: Stamp,
    /// What.
    pub text: String,
    /// Who.
    pub who: String,
    /// What else.
    pub detail: Option<String>,
    /// Style of its mark.
    pub class: &'static str,
}

/// A case that it is linked to.
pub struct LinkLine {
    /// Number.
    pub number: String,
    /// Page.
    pub href: String,
    /// Kind, where it is not a case.
    pub kind: Option<&'static str>,
    /// Other numbers of the same case.
    pub aliases: String,
    /// Stage, matter, what it proves there, part of the clip.
    pub about: String,
    /// Where the link came from.
    pub origin: String,
}

/// What is shown where the clip has footage; `t` is the place, or part, that the address names.
pub fn screen(view: &ClipView, t: Option<&str>, w: &Words) -> Option<Screen> {
    let playable = view.playable();
    if !view.has_footage() {
        return None;
    }
    let r = &view.record;
    let ms = r.duration_ms.unwrap_or(0).max(0);
    let derived = playable == Playable::Preview;
    let pictures = r.vcodec.is_some();
    let audio = playable == Playable::Audio || derived && !pictures;
    // The browser itself understands the part (Media Fragments URI 1.0), so that links work without a script, too.
    let part = t.and_then(parse_span).map(|(from, to)| match to {
        Some(to) => format!("#t={},{}", seconds(from), seconds(to)),
        None => format!("#t={}", seconds(from)),
    });
    let strip = match pictures && ms >= 1000 {
        true => sheet_points(ms as u64),
        false => Vec::new(),
    };
    Some(Screen {
        key: match (derived, audio) {
            (true, true) => "derived-sound",
            (true, false) => "derived",
            (false, true) => "sound",
            (false, false) => "master",
        },
        audio,
        pictures,
        src: (!derived).then(|| format!("/clips/{}/media{}", view.id, part.unwrap_or_default())),
        poster: pictures,
        derived,
        fps: r.fps.map(|fps| fps.to_string()).unwrap_or_default(),
        ms,
        bytes: r.size_bytes,
        strip: strip.into_iter().map(|at| StripPlace { seconds: seconds(at), label: w.footage(at as i64) }).collect(),
        sheet_width: SHEET_COLUMNS * TILE_WIDTH_PX,
        sheet_height: SHEET_PICTURES.div_ceil(SHEET_COLUMNS) * TILE_HEIGHT_PX,
    })
}

fn seconds(ms: u64) -> String {
    (ms as f64 / 1000.0).to_string()
}

/// The five required facts in their order.
pub fn required(view: &ClipView, ctx: &Ctx) -> Vec<FactLine> {
    let r = &view.record;
    let lines = REQUIRED.into_iter().map(|name| {
        let value = match name {
            "case_no" => r.case_no.clone(),
            "captured_start" => r.captured_start.clone(),
            "place" => r.place.clone(),
            "officer" => r.officer.clone(),
            _ => r.proves.clone(),
        };
        FactLine {
            label: ctx.w.required(name),
            stamp: (name == "captured_start").then(|| value.as_deref().map(|v| ctx.stamp_text(v))).flatten(),
            href: (name == "case_no").then(|| value.as_deref().map(case_href)).flatten(),
            origin: origin(r, name, ctx.w),
            value,
        }
    });
    lines.collect()
}

fn origin(record: &Record, name: &str, w: &Words) -> Option<String> {
    let word = match record.origins.get(name) {
        Some(provenance) => provenance.origin.as_str(),
        None if name == "case_no" => record.cases.first()?.origin.as_str(),
        None => return None,
    };
    Some(w.origin(word).to_owned())
}

/// Facts beyond the five that have a value. `beside`: which clips beside it they may open.
pub fn others(view: &ClipView, beside: &Among, ctx: &Ctx) -> Vec<FactLine> {
    let (r, w) = (&view.record, ctx.w);
    let href_of = |id: &Option<String>| {
        let clip: ClipId = id.as_ref()?.parse().ok()?;
        beside.has(&clip).then(|| format!("/clips/{clip}"))
    };
    let plain = |label, value: Option<String>, name: &str| FactLine {
        label,
        value,
        stamp: None,
        origin: origin(r, name, w),
        href: None,
    };
    let stamped = |label, value: &Option<String>, name: &str| FactLine {
        label,
        stamp: value.as_deref().map(|v| ctx.stamp_text(v)),
        value: value.clone(),
        origin: origin(r, name, w),
        href: None,
    };
    let position = match (&r.lat, &r.lon) {
        (Some(lat), Some(lon)) => Some(format!("{lat}, {lon} {}", r.datum.as_deref().unwrap_or_default())),
        _ => None,
    };
    let registered = r.officer_registered.as_ref();
    let auxiliary = registered.filter(|r| r.auxiliary).map(|_| w.auxiliary_staff.to_owned());
    let cert_no = r.officer_cert_no.clone().or(auxiliary);
    let registered = registered.map(|r| w.by_register(r.import, &ctx.stamp_text(&r.imported_at).text));
    let lines = vec![
        stamped(w.f_captured_end, &r.captured_end, "captured_end"),
        plain(w.recorder_time, r.captured_raw.clone(), "captured_raw"),
        plain(w.f_co_officers, r.co_officers.clone(), "co_officers"),
        plain(w.f_officer_cert_no, cert_no, "officer_cert_no"),
        plain(w.o_register, registered, ""),
        plain(w.f_title, r.title.clone(), "title"),
        plain(w.f_enforcement_kind, r.enforcement_kind.clone(), "enforcement_kind"),
        plain(w.f_stage, r.stage.clone(), "stage"),
        plain(w.f_matter, r.matter.clone(), "matter"),
        plain(w.f_cause, r.cause.clone(), "cause"),
        plain(w.f_party_ref, r.party_ref.clone(), "party_ref"),
        plain(w.f_agency, r.agency.clone(), "agency"),
        plain(w.coordinates, position, "lat"),
        plain(
            w.sensitivity,
            Some(w.sensitivity_word(&r.sensitivity).to_owned()).filter(|s| !s.is_empty()),
            "sensitivity",
        ),
        plain(
            w.retention,
            r.retention_period.as_deref().map(|word| w.retention_word(word).to_owned()),
            "retention_period",
        ),
        plain(w.f_gap_reason, r.gap_reason.clone(), "gap_reason"),
        plain(w.recording, r.recording.as_ref().map(|s| w.segment_of(s.segment_no, &s.room)), "recording"),
        FactLine {
            href: r.recording.as_ref().and_then(|s| href_of(&s.previous)),
            ..plain(w.recording_previous, r.recording.as_ref().and_then(|s| s.previous.clone()), "recording")
        },
        FactLine {
            href: r.recording.as_ref().and_then(|s| href_of(&s.next)),
            ..plain(w.recording_next, r.recording.as_ref().and_then(|s| s.next.clone()), "recording")
        },
        stamped(w.station_time, &r.recording.as_ref().map(|s| s.station_start.clone()), "recording"),
        stamped(w.camera_time, &r.recording.as_ref().and_then(|s| s.source_start.clone()), "recording"),
        plain(w.listed_span, r.recording.as_ref().and_then(|s| listed(s, w)), "recording"),
        plain(w.segment_ended, r.recording.as_ref().and_then(|s| ended(s, w)), "recording"),
        plain(w.recorder, Some(r.device_id.clone()).filter(|s| !s.is_empty()), "device_id"),
        plain(w.original_name, Some(r.original_filename.clone()), "original_filename"),
        plain(w.original_path, Some(r.original_path.clone()), "original_path"),
        FactLine { href: href_of(&r.supersedes), ..plain(w.supersedes, r.supersedes.clone(), "supersedes") },
    ];
    lines.into_iter().filter(|l| l.value.is_some()).collect()
}

/// What the recorder lists of the whole recording, and how much of that is not here.
fn listed(segment: &PublishedSegment, w: &Words) -> Option<String> {
    segment.listed.as_ref().map(|l| w.listed_missing(&w.footage(l.length_ms), l.missing_ms))
}

fn ended(segment: &PublishedSegment, w: &Words) -> Option<String> {
    let why = w.segment_end(SegmentEnd::parse(segment.ended.as_deref()?)?);
    Some(match &segment.ended_detail {
        Some(detail) => format!("{why} · {detail}"),
        None => why.to_owned(),
    })
}

/// What is missing in a clip and beside it, and clocks that were set: where, and what.
pub fn gaps(view: &ClipView, ctx: &Ctx) -> Vec<(Stamp, String)> {
    view.record.gaps.iter().map(|gap| (ctx.stamp_text(&gap.start), ctx.w.gap(gap))).collect()
}

/// What the media says of itself.
pub fn media(view: &ClipView, w: &Words) -> Vec<(&'static str, String)> {
    let r = &view.record;
    let mut lines = Vec::new();
    let mut video: Vec<String> = r.vcodec.iter().map(|c| c.to_uppercase()).collect();
    if let (Some(width), Some(height)) = (r.width, r.height) {
        video.push(format!("{width}×{height}"));
    }
    if let Some(fps) = r.fps {
        video.push(format!("{} fps", (fps * 100.0).round() / 100.0));
    }
    let mut audio: Vec<String> = r.acodec.iter().map(|c| c.to_uppercase()).collect();
    if let Some(rate) = r.sample_rate {
        audio.push(format!("{} kHz", f64::from(rate) / 1000.0));
    }
    if let Some(ms) = r.duration_ms {
        lines.push((w.length, w.footage(ms)));
    }
    lines.push((w.size, w.size(r.size_bytes)));
    if let Some(container) = &r.container {
        lines.push((w.container, container.to_uppercase()));
    }
    if !video.is_empty() {
        lines.push((w.video, video.join(" · ")));
    }
    if !audio.is_empty() {
        lines.push((w.audio, audio.join(" · ")));
    }
    lines
}

/// What is worth a look: places that could not be read, a copy in two docks, a clock that is off, odd times.
pub fn remarks(view: &ClipView, w: &Words) -> Vec<String> {
    let record = &view.record;
    let lost: u64 = record.holes.iter().map(|h| h.bytes).sum();
    let holes = (lost > 0).then(|| w.holes(record.holes.len() as u64, lost));
    let resumed = record.resume_check.as_deref().map(|_| w.resumed_sampled.to_owned());
    let clock = record.clock_offset_ms.filter(|ms| ms.abs() >= 60_000).map(|ms| w.clock_offset(ms));
    let notes = record.notes.iter().map(|note| w.remark(note));
    holes.into_iter().chain(resumed).chain(clock).chain(notes).collect()
}

/// How whole the media is.
pub fn health(view: &ClipView, w: &Words) -> Pill {
    if !view.record.holes.is_empty() {
        return Pill::new("fail", w.read_in_holes);
    }
    match view.record.media_health.as_deref().and_then(MediaHealth::parse) {
        None => Pill::new("idle", w.media_unknown),
        Some(health @ MediaHealth::Whole) => Pill::new("safe", w.media_health(health)),
        Some(health @ MediaHealth::NotMedia) => {
            Pill { class: "idle", icon: "file", text: w.media_health(health).into() }
        }
        Some(health) => Pill::new("ask", w.media_health(health)),
    }
}

/// Its state, with what stands beside it.
pub fn pills(view: &ClipView, w: &Words) -> Vec<Pill> {
    let mut state = w.state(view.state).to_owned();
    if let Some(percent) = view.percent {
        state.push_str(&format!(" {percent}%"));
    }
    let mut pills = vec![Pill::new(state_class(view.state), state)];
    if !view.record.missing.is_empty() {
        pills.push(Pill { class: "ask", icon: "tag", text: w.state_incomplete.into() });
    }
    if view.record.device_marker == "marked" {
        pills.push(Pill { class: "hold", icon: "flag", text: w.marked.into() });
    }
    if view.record.legal_hold {
        pills.push(Pill { class: "ask", icon: "lock", text: w.hold.into() });
    }
    if let Some(reason) = &view.isolated {
        pills.push(Pill::new("fail", format!("{} · {reason}", w.isolated)));
    }
    if view.local == Some(Local::Evicted) {
        pills.push(Pill { class: "idle", icon: "info", text: w.local_evicted.into() });
    }
    if let Some(reason) = &view.quarantine {
        pills.push(Pill::new("fail", format!("{} · {reason}", w.quarantine)));
    }
    pills
}

/// Every copy: here, at the destinations, on recorders.
pub fn copies(view: &ClipView, ctx: &Ctx) -> Vec<CopyLine> {
    let w = ctx.w;
    let mut lines = Vec::new();
    if let Some(local) = view.local {
        let class = match local {
            Local::Copying => "hold",
            Local::Sealed => "sealed",
            Local::Evicted => "idle",
            Local::Damaged => "fail",
        };
        lines.push(CopyLine {
            place: format!("{} · {}", w.copy_here, view.record.station_id),
            pill: Pill::new(class, w.local(local)),
            how: String::new(),
            at: view.record.ingested_at.as_deref().map(|t| ctx.stamp_text(t)),
            uri: String::new(),
            warning: None,
        });
    }
    for copy in &view.record.copies {
        let state = Delivery::parse(&copy.state).unwrap_or(Delivery::Waiting);
        let class = match state {
            Delivery::Waiting => "idle",
            Delivery::Sending => "hold",
            Delivery::Sent => "ask",
            Delivery::Proven => "safe",
            Delivery::Suspect | Delivery::Failed => "fail",
        };
        let how = match (view.failure(&copy.destination), copy.proof.as_deref().and_then(ProofLevel::parse)) {
            (Some(why), _) if state == Delivery::Failed => Quoted::NotDelivered { words: why.to_owned() }.told(w.lang),
            (Some(why), _) => Quoted::Returned { words: why.to_owned() }.told(w.lang),
            (None, Some(level)) => w.proof(level).to_owned(),
            (None, None) => String::new(),
        };
        lines.push(CopyLine {
            place: copy.destination.clone(),
            pill: Pill::new(class, w.delivery(state)),
            how,
            at: copy.proven_at.as_deref().map(|t| ctx.stamp_text(t)),
            uri: copy.object_uri.clone(),
            warning: match state {
                // Also of one that was stopped parts may stand there.
                Delivery::Waiting => None,
                _ if view.isolated.is_some() => Some(w.isolated_stands_there),
                _ => view.is_same_device(&copy.destination).then_some(w.same_device),
            },
        });
    }
    for sighting in &view.sightings {
        let class = match sighting.state {
            SightingState::Present => "idle",
            SightingState::Gone | SightingState::EraseIntended => "ask",
            SightingState::Erased => "safe",
        };
        lines.push(CopyLine {
            place: format!("{} {}", w.recorder, sighting.recorder),
            pill: Pill::new(class, w.sighting(sighting.state)),
            how: sighting.path.clone(),
            at: Some(ctx.stamp(sighting.at)),
            uri: String::new(),
            warning: None,
        });
    }
    lines
}

/// What happened to it, newest first.
pub fn custody(view: &ClipView, ctx: &Ctx) -> Vec<EntryLine> {
    view.custody.iter().map(|line| entry(line, ctx)).collect()
}

/// One thing that happened.
pub fn entry(entry: &CustodyEntry, ctx: &Ctx) -> EntryLine {
    use crate::domain::event::EventKind::{
        Damaged, Linked, Mismatch, Proven, Quarantine, Sealed, SendFailed, ViewBegun,
    };
    EntryLine {
        seq: entry.seq,
        at: ctx.stamp(entry.at),
        text: ctx.w.event(entry.kind, entry.place.as_deref()),
        who: ctx.named(&entry.actor),
        detail: match &entry.grounds {
            Some(grounds) => Some(grounds.told(ctx.w.lang)),
            None => match &entry.detail {
                Some(detail) => Some(ctx.w.detail(detail).to_owned()),
                None => (!entry.facts.is_empty())
                    .then(|| ctx.w.facts_said(&entry.facts.iter().map(|fact| said(fact, ctx)).collect::<Vec<_>>())),
            },
        },
        class: match entry.kind {
            _ if entry.outcome != "ok" => "fail",
            Sealed | Proven => "safe",
            Mismatch | Damaged | SendFailed | Quarantine => "fail",
            ViewBegun | Linked => "hold",
            _ => "idle",
        },
    }
}

/// A fact that somebody or something said.
fn said(fact: &FactSaid, ctx: &Ctx) -> String {
    let value = match fact.field {
        _ if fact.value.is_empty() => ctx.w.none_dash.to_owned(),
        Field::CapturedStart | Field::CapturedEnd => ctx.stamp_text(&fact.value).text,
        Field::Sensitivity => ctx.w.sensitivity_word(&fact.value).to_owned(),
        _ => fact.value.clone(),
    };
    ctx.w.fact_said(fact.field, fact.origin, &value)
}

/// The cases that it is linked to.
pub fn links(view: &ClipView, w: &Words) -> Vec<LinkLine> {
    let line = |link: &crate::domain::record::CaseLink| {
        let mut about: Vec<String> = [&link.stage, &link.matter, &link.proves].into_iter().flatten().cloned().collect();
        about.extend(Part::of(link.from_ms, link.to_ms).map(|part| w.stretch(part)));
        LinkLine {
            number: link.case_no.clone(),
            href: case_href(&link.case_no),
            kind: (link.kind != "case").then(|| w.case_kind(&link.kind)),
            aliases: link.aliases.join(" · "),
            about: about.join(" · "),
            origin: w.origin(&link.origin).to_owned(),
        }
    };
    view.record.cases.iter().map(line).collect()
}

/// The fields of the annotation form.
pub fn inputs(view: &ClipView, w: &Words) -> Vec<Input> {
    let r = &view.record;
    let input = |field: Field| {
        let value = match field {
            Field::Place => &r.place,
            Field::Officer => &r.officer,
            Field::Proves => &r.proves,
            Field::CapturedStart => &r.captured_start,
            Field::CoOfficers => &r.co_officers,
            Field::Matter => &r.matter,
            Field::Stage => &r.stage,
            _ => &r.party_ref,
        };
        Input {
            name: field.as_str(),
            label: w.field(field),
            value: value.clone().unwrap_or_default(),
            typed: None,
            missing: r.missing.iter().any(|m| m == field.as_str()),
            hint: if field == Field::CapturedStart { "2026-06-19T10:03:24+08:00" } else { "" },
        }
    };
    EDITABLE.into_iter().map(input).collect()
}
