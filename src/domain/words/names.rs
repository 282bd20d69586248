//! The names of domain values: one exhaustive match a type, so that a new value without a word does not compile.

use super::Words;
use crate::domain::clip::{ClipState, Delivery, Local, ProofLevel, SightingState};
use crate::domain::ports::MediaHealth;
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::Held;

impl Words {
    /// The one word for a clip.
    pub fn state(&self, state: ClipState) -> &'static str {
        match state {
            ClipState::Seen => self.state_seen,
            ClipState::Copying => self.state_copying,
            ClipState::Sealed => self.state_sealed,
            ClipState::Sending => self.state_sending,
            ClipState::Proven => self.state_proven,
            ClipState::Released => self.state_released,
        }
    }

    /// The name of a stage of the flow strip.
    pub fn stage(&self, state: ClipState) -> &'static str {
        match state {
            ClipState::Seen => self.stage_docked,
            ClipState::Copying => self.stage_copying,
            ClipState::Sealed => self.stage_sealed,
            ClipState::Sending => self.stage_sending,
            ClipState::Proven => self.stage_proven,
            ClipState::Released => self.stage_released,
        }
    }

    /// The local copy.
    pub fn local(&self, local: Local) -> &'static str {
        match local {
            Local::Copying => self.local_copying,
            Local::Sealed => self.local_sealed,
            Local::Evicted => self.local_evicted,
            Local::Damaged => self.local_damaged,
        }
    }

    /// The copy on a recorder.
    pub fn sighting(&self, sighting: SightingState) -> &'static str {
        match sighting {
            SightingState::Present => self.sighting_present,
            SightingState::Gone => self.sighting_gone,
            SightingState::EraseIntended => self.sighting_erase_intended,
            SightingState::Erased => self.sighting_erased,
        }
    }

    /// The copy at a destination.
    pub fn delivery(&self, delivery: Delivery) -> &'static str {
        match delivery {
            Delivery::Waiting => self.delivery_waiting,
            Delivery::Sending => self.delivery_sending,
            Delivery::Sent => self.delivery_sent,
            Delivery::Proven => self.delivery_proven,
            Delivery::Suspect => self.delivery_suspect,
            Delivery::Failed => self.delivery_failed,
        }
    }

    /// How a destination lets bytes be compared.
    pub fn proof(&self, level: ProofLevel) -> &'static str {
        match level {
            ProofLevel::RemoteChecksum => self.proof_remote_checksum,
            ProofLevel::ReadBack => self.proof_read_back,
            ProofLevel::LengthOnly => self.proof_length_only,
            ProofLevel::None => self.proof_none,
        }
    }

    /// What stands in a bay and is not read.
    pub fn held(&self, why: &Held) -> &'static str {
        match why {
            Held::Unknown => self.unregistered,
            Held::Refused => self.held_refused,
            Held::NotStorage => self.held_not_storage,
            Held::NoStorage => self.held_no_storage,
            Held::Broken(_) => self.held_broken,
        }
    }

    /// Why it is not read.
    pub fn held_detail(&self, why: &Held) -> &'static str {
        match why {
            Held::Unknown => self.unregistered_detail,
            Held::Refused => self.held_refused_detail,
            Held::NotStorage => self.held_not_storage_detail,
            Held::NoStorage => self.held_no_storage_detail,
            Held::Broken(_) => self.held_broken_detail,
        }
    }

    /// What whoever stands before it can do.
    pub fn held_act(&self, why: &Held) -> &'static str {
        match why {
            Held::Unknown | Held::Refused => self.call_administrator,
            Held::NotStorage => self.held_take_out,
            Held::NoStorage => self.held_switch,
            Held::Broken(_) => self.kiosk_failing,
        }
    }

    /// How whole a media file is.
    pub fn media_health(&self, health: MediaHealth) -> &'static str {
        match health {
            MediaHealth::Whole => self.health_whole,
            MediaHealth::Truncated => self.health_truncated,
            MediaHealth::Broken => self.health_broken,
            MediaHealth::NotMedia => self.health_not_media,
        }
    }

    /// A field of the record.
    pub fn field(&self, field: Field) -> &'static str {
        match field {
            Field::CapturedStart => self.f_captured_start,
            Field::CapturedEnd => self.f_captured_end,
            Field::CapturedRaw => self.f_captured_raw,
            Field::Place => self.f_place,
            Field::Officer => self.f_officer,
            Field::OfficerCertNo => self.f_officer_cert_no,
            Field::CoOfficers => self.f_co_officers,
            Field::Proves => self.f_proves,
            Field::Title => self.f_title,
            Field::Cause => self.f_cause,
            Field::EnforcementKind => self.f_enforcement_kind,
            Field::Stage => self.f_stage,
            Field::Matter => self.f_matter,
            Field::PartyRef => self.f_party_ref,
            Field::Agency => self.f_agency,
            Field::Lat => self.f_lat,
            Field::Lon => self.f_lon,
            Field::Datum => self.f_datum,
            Field::Track => self.f_track,
            Field::Sensitivity => self.f_sensitivity,
            Field::GapReason => self.f_gap_reason,
        }
    }

    /// One of the five required facts by its published name; another field's label otherwise.
    pub fn required(&self, name: &str) -> &'static str {
        match Field::parse(name) {
            Some(field) => self.field(field),
            None => self.f_case_no,
        }
    }

    /// Where a value came from, by its published word; a newer word shows as it stands.
    pub fn origin<'a>(&self, word: &'a str) -> &'a str {
        match Origin::parse(word) {
            Some(Origin::Person) => self.o_person,
            Some(Origin::Register) => self.o_register,
            Some(Origin::Recording) => self.o_recording,
            Some(Origin::Issue) => self.o_issue,
            Some(Origin::Roster) => self.o_roster,
            Some(Origin::Sidecar) => self.o_sidecar,
            Some(Origin::Binding) => self.o_binding,
            Some(Origin::FileName) => self.o_file_name,
            Some(Origin::Media) => self.o_media,
            Some(Origin::FileTime) => self.o_file_time,
            Some(Origin::Rule) => self.o_rule,
            Some(Origin::Config) => self.o_config,
            None => word,
        }
    }

    /// The kind of a number, by its published word.
    pub fn case_kind(&self, kind: &str) -> &'static str {
        match kind {
            "inspection" => self.kind_inspection,
            "on_the_spot" => self.kind_on_the_spot,
            "unfiled" => self.kind_unfiled,
            _ => self.kind_case,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Lang;
    use super::*;
    use crate::domain::record::REQUIRED;

    #[test]
    fn every_field_and_origin_has_its_own_name() {
        for lang in Lang::ALL {
            let w = lang.words();
            let mut names: Vec<_> = Field::ALL.iter().map(|f| w.field(*f)).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), Field::ALL.len());
            assert_eq!(w.origin("roster"), w.o_roster);
            assert_eq!(w.origin("of_the_future"), "of_the_future");
        }
        let zh = REQUIRED.map(|name| Lang::Zh.words().required(name));
        assert_eq!(zh, ["案件编号", "采集时间", "采集地点", "采集人", "证明对象"]);
    }
}
