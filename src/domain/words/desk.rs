//! Sentences of `recorders` and `desk` on the command line. What programs read never comes from here.

use super::{Lang, Words};
use crate::domain::device::DeviceState;

impl Words {
    /// What the register says of a device.
    pub fn device_state(&self, state: DeviceState) -> &'static str {
        match state {
            DeviceState::Unknown => self.device_unknown,
            DeviceState::Approved => self.device_approved,
            DeviceState::Refused => self.device_refused,
            DeviceState::InRepair => self.device_in_repair,
            DeviceState::Retired => self.device_retired,
        }
    }

    /// A device that stands at the gate and is not read; `why` is a word of `domain::recorder::Held`.
    pub fn gate_line(&self, bay: &str, device: &str, name: &str, why: &str) -> String {
        let why = match why {
            "unknown" => self.unregistered_detail,
            "refused" => self.held_refused_detail,
            "not_storage" => self.held_not_storage_detail,
            "no_storage" => self.held_no_storage_detail,
            _ => self.held_broken_detail,
        };
        match self.lang {
            Lang::Zh => format!("采集位 {bay}：{device}（{name}）{why}"),
            Lang::En => format!("bay {bay}: {device} ({name}): {why}"),
        }
    }

    /// Below it: the command that lets it in.
    pub fn approve_line(&self, command: &str) -> String {
        match self.lang {
            Lang::Zh => format!("  准入：{command}"),
            Lang::En => format!("  to let it in: {command}"),
        }
    }

    /// What a decision means about a device without a serial number of its own.
    pub fn by_socket(&self, make: &str, port: &str) -> String {
        match self.lang {
            Lang::Zh => format!("设备没有自己的序列号：对 {port} 插口上的所有 {make} 设备都有效"),
            Lang::En => format!(
                "it gives no serial number of its own: a decision holds for every device {make} in socket {port}"
            ),
        }
    }

    /// What was decided; `changed` where it was decided otherwise before.
    pub fn decided_line(&self, device: &str, state: DeviceState, changed: bool) -> String {
        let state = self.device_state(state);
        match (self.lang, changed) {
            (Lang::Zh, true) => format!("{device}：{state}"),
            (Lang::Zh, false) => format!("{device}：原已{}", state.trim_start_matches('已')),
            (Lang::En, true) => format!("{device} is {state}"),
            (Lang::En, false) => format!("{device} is {state} already"),
        }
    }

    /// Who has a recorder from now on.
    pub fn issued_line(&self, recorder: &str, officer: &str, due: Option<&str>) -> String {
        match (self.lang, due) {
            (Lang::Zh, None) => format!("{recorder} 已由 {officer} 领用"),
            (Lang::Zh, Some(due)) => format!("{recorder} 已由 {officer} 领用，应于 {due} 前归还"),
            (Lang::En, None) => format!("{recorder} is with {officer}"),
            (Lang::En, Some(due)) => format!("{recorder} is with {officer}, expected back {due}"),
        }
    }

    /// Who had it before and never brought it back.
    pub fn never_returned(&self, officer: &str, since: &str) -> String {
        match self.lang {
            Lang::Zh => format!("{officer} 自 {since} 领用后没有归还登记，现已结束"),
            Lang::En => format!("{officer} had it since {since} and never returned it: that ends now"),
        }
    }

    /// A recorder came back.
    pub fn returned_line(&self, recorder: &str, officer: &str, since: &str, late: bool) -> String {
        match self.lang {
            Lang::Zh => {
                let late = if late { "，逾期" } else { "" };
                format!("{recorder} 已由 {officer} 归还（{since} 领用{late}）")
            }
            Lang::En => {
                let late = if late { ", late" } else { "" };
                format!("{recorder} is back from {officer} (out since {since}{late})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_both_languages() {
        let (zh, en) = (Lang::Zh.words(), Lang::En.words());
        assert_eq!(zh.issued_line("36NCC1", "张三", None), "36NCC1 已由 张三 领用");
        assert_eq!(zh.decided_line("d", DeviceState::Approved, false), "d：原已准入");
        assert_eq!(zh.decided_line("d", DeviceState::InRepair, false), "d：原已维修中");
        assert_eq!(en.decided_line("d", DeviceState::InRepair, false), "d is in repair already");
        assert_eq!(en.returned_line("r", "x", "t", true), "r is back from x (out since t, late)");
        let states: std::collections::BTreeSet<_> = DeviceState::ALL.iter().map(|s| zh.device_state(*s)).collect();
        assert_eq!(states.len(), DeviceState::ALL.len());
    }
}
