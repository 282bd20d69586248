//! Words of programs' tokens on the page of accounts: a catalogue of their own beside [`Words`], under the same rule that a
//! word missing in one language does not compile.

use super::{Lang, Words};

macro_rules! tokens {
    ($($name:ident => $zh:literal, $en:literal;)+) => {
        /// Words of tokens in one language. Each field's documentation is its English.
        #[derive(Debug)]
        pub struct TokenWords {
            $(#[doc = concat!("`", $en, "`")] pub $name: &'static str,)+
        }

        static ZH: TokenWords = TokenWords { $($name: $zh,)+ };
        static EN: TokenWords = TokenWords { $($name: $en,)+ };

        /// Name, Chinese and English of every word.
        pub const TOKENS: &[(&str, &str, &str)] = &[$((stringify!($name), $zh, $en),)+];
    };
}

tokens! {
    title => "程序令牌", "Tokens of programs";
    about => "平台、大屏和监控程序用令牌调用接口。令牌只有一个角色，不能管理账号；日志中按令牌编号记录。", "Platforms, boards and monitoring use the API with a token. It acts with one role, never manages accounts, and stands in the log by its number.";
    none => "还没有令牌。", "No token yet.";
    none_detail => "在上面为每个程序各建一个令牌；它的用途、角色和最近使用时间会列在这里。", "Make one for each program above; what it is for, its role and its last use are listed here.";
    add => "新建令牌", "New token";
    name => "用途", "What it is for";
    role => "角色", "Role";
    days => "有效天数", "Days it holds";
    scopes => "仅限以下操作（不选则为该角色的全部操作）", "Only these of the role's actions; none ticked means all of them";
    scopes_hint => "只勾选程序确实需要的操作；所选角色没有的操作会被拒绝，并提示可选项。", "Tick only what the program needs. What the role may not do is refused, with what it may.";
    every_action => "该角色的全部操作", "everything its role may do";
    made => "令牌已建立。它只显示这一次，请立即复制到程序的配置中。", "The token is made. It is shown this once: copy it into the program's configuration now.";
    made_by => "建立人", "Made by";
    used => "最近使用", "Last used";
    never_used => "从未使用", "never used";
    until => "有效期至", "Holds until";
    holds => "有效", "holds";
    over => "已过期", "over";
    ended => "已停用", "ended";
    end => "停用令牌", "End the token";
    now_ended => "令牌已停用，程序不能再用它。", "The token is ended; no program gets in with it any more.";
    who_signed_in => "登录列表", "Where it is signed in";
}

impl Words {
    /// Words of programs' tokens.
    pub fn tokens(&self) -> &'static TokenWords {
        match self.lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_empty_or_left_untranslated() {
        for (name, zh, en) in TOKENS {
            assert!(!zh.trim().is_empty() && !en.trim().is_empty() && en.is_ascii(), "{name}: {en}");
            assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name}: {zh}");
        }
    }
}
