//! What programs, systems and servers said, as pages show it: in English as it stands; in Chinese behind a sentence that says
//! what it is about and whose words they are, in quotes. Nobody translates them.

use crate::domain::sentence::sentences;

sentences! {
    /// Somebody's own words. Each variant's documentation is its English.
    Quoted else
    /// Nothing was said.
    Nothing;

    Unreachable { words: String } => "连不上上传目标，或者它没有应答，会自动重试。对方或系统返回的原文：“{words}”", "{words}";
    Refusing { words: String } => "上传目标不接受本站的请求，须人工处理。对方或系统返回的原文：“{words}”", "{words}";
    NotDelivered { words: String } => "上传没有成功，等待人工处理。对方或系统返回的原文：“{words}”", "{words}";
    Probed { words: String } => "检测结果的原文：“{words}”", "{words}";
    Returned { words: String } => "对方或系统返回的原文：“{words}”", "{words}";
    FileUnread { words: String } => "读取文件出错，系统或记录仪返回的原文：“{words}”", "{words}";
    DeviceUnread { words: String } => "读取设备出错，系统返回的原文：“{words}”", "{words}";
    NotTold { words: String } => "通知没有送达，对方或系统返回的原文：“{words}”", "{words}";
    NotRecorded { words: String } => "没有录到画面，摄像机或程序的原文：“{words}”", "{words}";
    ExportWaits { words: String } => "导出暂时不能继续，会自动重试。程序的原文：“{words}”", "{words}";
    ExportFailed { words: String } => "导出没有完成。程序的原文：“{words}”", "{words}";
    DerivedFailed { words: String } => "派生文件没有制作成功，原件不受影响。程序的原文：“{words}”", "{words}";
    NotChecked { words: String } => "自检没有完成。程序的原文：“{words}”", "{words}";
    RulesNotTried { words: String } => "规则没有试运行完。程序的原文：“{words}”", "{words}";
    OfDaemon { words: String } => "程序的原文：“{words}”", "{words}";
}

#[cfg(test)]
mod tests {
    use super::super::Lang;
    use super::*;

    #[test]
    fn chinese_says_whose_words_they_are_and_english_repeats_them() {
        for (name, zh, en, _) in Quoted::each() {
            assert!(zh.contains("原文：“{words}”") && en == "{words}", "{name}");
        }
        let refusing = Quoted::Refusing { words: "403 {words}".into() };
        assert_eq!(
            refusing.told(Lang::Zh),
            "上传目标不接受本站的请求，须人工处理。对方或系统返回的原文：“403 {words}”"
        );
        assert_eq!(refusing.told(Lang::En), "403 {words}");
    }
}
