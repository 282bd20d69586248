//! Sentences about evidence packages that hold a clip which was isolated after they were asked for.

use super::{Lang, Words};
use crate::domain::export::{ExportState, Target};

impl Words {
    /// Such a package, in a word.
    pub fn export_isolated(&self) -> &'static str {
        match self.lang {
            Lang::Zh => "含疑似涉密资料，已停止",
            Lang::En => "Stopped: holds what is suspected classified",
        }
    }

    /// Why nothing goes on with it, and what becomes of what there is.
    pub fn export_isolated_detail(&self, state: ExportState, target: &Target, clips: u64) -> String {
        let n = self.number(clips);
        let stays = match target {
            Target::Browser => false,
            Target::Station | Target::At(_) => state == ExportState::Ready,
        };
        match (self.lang, state, stays) {
            (Lang::Zh, ExportState::Ready, true) => format!(
                "包内有 {n} 个资料后来被标为疑似涉密并阻断：不再提供下载。已制作的证据包没有删除，请负责人决定如何处理；需要时请重新申请，新的证据包不含这些资料。"
            ),
            (Lang::Zh, ExportState::Ready, false) => format!(
                "包内有 {n} 个资料后来被标为疑似涉密并阻断：不再提供下载。需要时请重新申请，新的证据包不含这些资料。"
            ),
            (Lang::Zh, ..) if matches!(target, Target::At(_)) => format!(
                "包内有 {n} 个资料在制作期间被标为疑似涉密并阻断：制作已停止，未完成的上传已放弃，不能继续；此前已完整写到云端的部分没有删除，请负责人决定如何处理。请重新申请，新的证据包不含这些资料。"
            ),
            (Lang::Zh, ..) => format!(
                "包内有 {n} 个资料在制作期间被标为疑似涉密并阻断：制作已停止，已写出的内容予以清除，不能继续。请重新申请，新的证据包不含这些资料。"
            ),
            (Lang::En, ExportState::Ready, true) => format!(
                "Clips of it ({n}) were isolated as suspected classified since: nothing of it is given out any more. What was made was not deleted; a responsible person decides. Ask for another package, which will be without them."
            ),
            (Lang::En, ExportState::Ready, false) => format!(
                "Clips of it ({n}) were isolated as suspected classified since: nothing of it is given out any more. Ask for another package, which will be without them."
            ),
            (Lang::En, ..) if matches!(target, Target::At(_)) => format!(
                "Clips of it ({n}) were isolated as suspected classified while it was made: it was stopped, its unfinished upload is given up, and it cannot go on. What had come there whole before was not deleted; a responsible person decides. Ask for another package, which will be without them."
            ),
            (Lang::En, ..) => format!(
                "Clips of it ({n}) were isolated as suspected classified while it was made: it was stopped, what was written of it is removed, and it cannot go on. Ask for another package, which will be without them."
            ),
        }
    }

    /// A package that holds what was isolated just now, for whoever isolated it; `place` where something of it stands.
    pub fn package_stands_line(&self, package: &str, place: Option<&str>, taken: u64) -> String {
        let n = self.number(taken);
        match (self.lang, place) {
            (Lang::Zh, Some(place)) => {
                format!("  证据包 {package} 含该资料，已停止提供：{place}，已下载 {n} 次，未作删除")
            }
            (Lang::Zh, None) => format!("  证据包 {package} 含该资料，已停止制作和下载，已下载 {n} 次"),
            (Lang::En, Some(place)) => format!(
                "  evidence package {package} holds it and is given out no longer: {place}, downloaded {n} times, not deleted"
            ),
            (Lang::En, None) => {
                format!("  evidence package {package} holds it and is stopped; downloaded {n} times")
            }
        }
    }

    /// Where a package stands that `evidock export` wrote.
    pub fn package_written_elsewhere(&self) -> &'static str {
        match self.lang {
            Lang::Zh => "由 evidock export 写到命令中指定的位置",
            Lang::En => "written by evidock export, to where it was told",
        }
    }

    /// An export that this command was writing has ended.
    pub fn export_cut(&self, removed: bool) -> &'static str {
        match (self.lang, removed) {
            (Lang::Zh, true) => {
                "导出已停止：包内有资料被标为疑似涉密并阻断。未完成的内容已删除，不能继续；请重新导出，新的证据包不含这些资料。"
            }
            (Lang::Zh, false) => {
                "导出已停止：包内有资料被标为疑似涉密并阻断。未完成的内容未能全部删除，请手工删除；不能继续，请重新导出，新的证据包不含这些资料。"
            }
            (Lang::En, true) => {
                "the export has ended: a clip of the package was isolated as suspected classified. What was written of it is removed, and it cannot go on; export again, the new package will be without it"
            }
            (Lang::En, false) => {
                "the export has ended: a clip of the package was isolated as suspected classified. Not all that was written of it could be removed: remove it by hand. It cannot go on; export again, the new package will be without it"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_said_to_stay_and_what_goes_to_go() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        let at = Target::parse("at:cloud").unwrap();
        for target in [&Target::Station, &at] {
            assert!(zh.export_isolated_detail(ExportState::Ready, target, 2).contains("没有删除"));
            assert!(en.export_isolated_detail(ExportState::Ready, target, 2).contains("not deleted"));
        }
        assert!(!zh.export_isolated_detail(ExportState::Ready, &Target::Browser, 1).contains("没有删除"));
        for target in [&Target::Station, &Target::Browser, &at] {
            assert!(zh.export_isolated_detail(ExportState::Failed, target, 1).contains("不能继续"));
            assert!(en.export_isolated_detail(ExportState::Failed, target, 1).contains("cannot go on"));
        }
    }
}
