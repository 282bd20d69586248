//! Words of sign-in: roles, actions, refusals, and what the table of rights says.

use super::{Lang, Words};
use crate::domain::account::WeakPassword;
use crate::domain::rights::{Action, Over, Purpose, Refusal, Role};

impl Words {
    /// A role.
    pub fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Officer => self.role_officer,
            Role::DepartmentHead => self.role_department_head,
            Role::Supervisor => self.role_supervisor,
            Role::LegalReviewer => self.role_legal_reviewer,
            Role::Archivist => self.role_archivist,
            Role::Auditor => self.role_auditor,
            Role::SystemAdministrator => self.role_system_administrator,
            Role::SecurityAdministrator => self.role_security_administrator,
        }
    }

    /// An action.
    pub fn action(&self, action: Action) -> &'static str {
        match action {
            Action::SeeStation => self.a_see_station,
            Action::ListClips => self.a_list_clips,
            Action::ShowClip => self.a_show_clip,
            Action::PlayClip => self.a_play_clip,
            Action::DownloadClip => self.a_download_clip,
            Action::DeriveClip => self.a_derive_clip,
            Action::AnnotateClip => self.a_annotate_clip,
            Action::LinkClip => self.a_link_clip,
            Action::PushClip => self.a_push_clip,
            Action::FindCase => self.a_find_case,
            Action::FileDocument => self.document_file(),
            Action::SendToReview => self.a_send_to_review,
            Action::ExportCase => self.a_export_case,
            Action::PlaceHold => self.a_place_hold,
            Action::ReleaseHold => self.a_release_hold,
            Action::IsolateClip => self.a_isolate_clip,
            Action::LiftIsolation => self.a_lift_isolation,
            Action::DisposeClip => self.a_dispose_clip,
            Action::SeeKeeping => self.keeping().a_see_keeping,
            Action::CloseCase => self.keeping().a_close_case,
            Action::FileCase => self.keeping().a_file_case,
            Action::ReopenCase => self.keeping().a_reopen_case,
            Action::SeeRooms => self.a_see_rooms,
            Action::RecordRoom => self.a_record_room,
            Action::ImportRoster => self.a_import_roster,
            Action::IssueRecorders => self.office().a_issue_recorders,
            Action::KeepStation => self.office().a_keep_station,
            Action::ManageRecorders => self.a_manage_recorders,
            Action::PauseSending => self.a_pause_sending,
            Action::AcknowledgeAlarm => self.a_acknowledge_alarm,
            Action::SeeReports => self.oversight().a_see_reports,
            Action::SeeLooks => self.a_see_looks(),
            Action::SeeSamples => self.oversight().a_see_samples,
            Action::Supervise => self.oversight().a_supervise,
            Action::AnswerFinding => self.oversight().a_answer_finding,
            Action::SeeReview => self.oversight().a_see_review,
            Action::ReviewCase => self.oversight().a_review_case,
            Action::MarkCase => self.oversight().a_mark_case,
            Action::ReadMetrics => self.a_read_metrics,
            Action::ReadLog => self.a_read_log,
            Action::ManageAccounts => self.a_manage_accounts,
        }
    }

    /// Over which clips.
    pub fn over(&self, over: Over) -> &'static str {
        match over {
            Over::All => self.over_all,
            Over::Unit => self.over_unit,
            Over::Own => self.over_own,
            Over::Sent => self.over_sent,
        }
    }

    /// Whether a purpose is asked.
    pub fn purpose(&self, purpose: Purpose) -> &'static str {
        match purpose {
            Purpose::Free => self.purpose_free,
            Purpose::Labelled => self.purpose_labelled,
            Purpose::Always => self.purpose_always,
        }
    }

    /// Why somebody has no right to something, and who can help.
    pub fn refusal(&self, refusal: Refusal) -> &'static str {
        match refusal {
            Refusal::Role => self.err_no_right,
            Refusal::NotTheirs => self.err_not_theirs,
            Refusal::Sensitivity => self.err_too_sensitive,
        }
    }

    /// Why a password is not taken.
    pub fn weak(&self, weak: WeakPassword) -> &'static str {
        match weak {
            WeakPassword::Short => self.weak_short,
            WeakPassword::Long => self.weak_long,
            WeakPassword::HoldsName => self.weak_name,
            WeakPassword::Guessable => self.weak_guessable,
            WeakPassword::Same => self.weak_same,
        }
    }

    /// When somebody may try again.
    pub fn try_again_in(&self, seconds: u64) -> String {
        match (self.lang, seconds) {
            (Lang::Zh, _) => format!("{seconds} 秒后再试。"),
            (Lang::En, 1) => "Try again in a second.".to_owned(),
            (Lang::En, _) => format!("Try again in {seconds} seconds."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_actions_have_names_of_their_own() {
        for lang in Lang::ALL {
            let w = lang.words();
            let mut names: Vec<&str> = Role::ALL.iter().map(|r| w.role(*r)).collect();
            names.extend(Action::ALL.iter().map(|a| w.action(*a)));
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
        assert_eq!(Lang::Zh.words().role(Role::Auditor), "安全审计员");
        assert_eq!(Lang::En.words().try_again_in(1), "Try again in a second.");
    }
}
