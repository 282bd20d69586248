//! Sensitivity of a clip (敏感标记): one ordered label, and what it keeps from a destination (decision 9).

/// The label, in rising order of care. The order is the one in which the labels are listed for records;
/// a destination takes clips up to its own label and no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Sensitivity {
    /// Nothing special.
    #[default]
    None,
    /// Internal to the agency.
    WorkSecret,
    /// Of the party's business.
    TradeSecret,
    /// Of a person's private life.
    Privacy,
    /// A minor is seen or heard.
    Minor,
    /// Perhaps a state secret: goes nowhere until a responsible person has decided.
    SuspectedState,
}

impl Sensitivity {
    /// Every label, in rising order.
    pub const ALL: [Self; 6] =
        [Self::None, Self::WorkSecret, Self::TradeSecret, Self::Privacy, Self::Minor, Self::SuspectedState];

    /// The word in records; pages have it in the reader's language (`Words::sensitivity_label`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "无",
            Self::WorkSecret => "工作秘密",
            Self::TradeSecret => "商业秘密",
            Self::Privacy => "个人隐私",
            Self::Minor => "未成年人",
            Self::SuspectedState => "疑似涉密",
        }
    }

    /// The word in configuration and code.
    pub fn key(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::WorkSecret => "work_secret",
            Self::TradeSecret => "trade_secret",
            Self::Privacy => "privacy",
            Self::Minor => "minor",
            Self::SuspectedState => "suspected_state",
        }
    }

    /// Reads either word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word || s.key() == word)
    }

    /// Whether a clip with this label may go to a destination that takes clips up to `max`. What may be a
    /// state secret goes nowhere, whatever the destination says.
    pub fn may_go_to(self, max: Self) -> bool {
        self != Self::SuspectedState && self <= max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_words_read_back_and_the_order_holds() {
        for s in Sensitivity::ALL {
            assert_eq!(Sensitivity::parse(s.as_str()), Some(s));
            assert_eq!(Sensitivity::parse(s.key()), Some(s));
        }
        assert!(Sensitivity::Privacy.may_go_to(Sensitivity::Minor));
        assert!(!Sensitivity::Minor.may_go_to(Sensitivity::Privacy));
        assert!(!Sensitivity::SuspectedState.may_go_to(Sensitivity::SuspectedState));
        assert_eq!(Sensitivity::parse("secret"), None);
    }
}
