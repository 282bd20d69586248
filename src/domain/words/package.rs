//! Sentences of evidence packages: what they show, what they do not, and how each reader checks them with tools of their
//! own. Read by courts and archives; nothing here may promise more than the package holds.

use super::{Lang, Words};

impl Words {
    /// What is in a package, and how much.
    pub fn package_content(&self, clips: u64, bytes: u64) -> String {
        let (clips, size) = (self.videos(clips), self.size(bytes));
        match self.lang {
            Lang::Zh => format!("{clips}，共 {size}"),
            Lang::En => format!("{clips}, {size}"),
        }
    }

    /// Clips of the case that are not in the package.
    pub fn package_without(&self, isolated: u64, unsealed: u64, disposed: u64) -> Option<String> {
        let told = [self.package_kept_back(isolated, unsealed), self.package_disposed(disposed)];
        let told: Vec<String> = told.into_iter().flatten().collect();
        let between = if self.lang == Lang::Zh { "" } else { " " };
        (!told.is_empty()).then(|| told.join(between))
    }

    fn package_disposed(&self, disposed: u64) -> Option<String> {
        let n = self.number(disposed);
        (disposed > 0).then(|| match self.lang {
            Lang::Zh => format!(
                "本案另有 {n} 个资料经鉴定已销毁，不在本包内；其入库、关联和销毁的日志条目在 custody/events 中。"
            ),
            Lang::En => format!(
                "{n} more of the case were disposed of after appraisal and are not in this package; the log's entries of their sealing, links and disposal are in custody/events."
            ),
        })
    }

    fn package_kept_back(&self, isolated: u64, unsealed: u64) -> Option<String> {
        let (i, u) = (self.number(isolated), self.number(unsealed));
        Some(match (self.lang, isolated, unsealed) {
            (_, 0, 0) => return None,
            (Lang::Zh, 0, _) => format!("另有 {u} 个资料尚未入库，不在本包内。"),
            (Lang::Zh, _, 0) => format!("另有 {i} 个资料疑似涉密已隔离，不在本包内。"),
            (Lang::Zh, ..) => format!("另有 {i} 个资料疑似涉密已隔离、{u} 个尚未入库，不在本包内。"),
            (Lang::En, 0, _) => format!("{u} more of the case are still being copied and are not in this package."),
            (Lang::En, _, 0) => {
                format!("{i} more of the case are isolated as suspected classified and are not in this package.")
            }
            (Lang::En, ..) => format!(
                "{i} more of the case are isolated as suspected classified and {u} are still being copied; they are not in this package."
            ),
        })
    }

    /// What the package shows.
    pub fn package_shows(&self) -> &'static [&'static str] {
        match self.lang {
            Lang::Zh => &[
                "data/clips 中的每个文件，与采集站从记录仪取得并入库时逐字节相同：入库时的校验值写在保管日志的条目里，条目原文在 custody/events 中。",
                "这些条目确实在采集站的保管日志中：custody/proofs 为每一条给出证明，指向 custody/checkpoint 中已签名的检查点。",
                "检查点由 custody/keys.txt 中的密钥签名；如配置了见证站或时间戳机构，检查点下方有见证签名，custody/timestamps 中有 RFC 3161 时间戳。",
                "本包由该采集站制作并签名，谁、何时、为何、依据什么导出，也是日志中的条目。",
            ],
            Lang::En => &[
                "Each file in data/clips is, byte for byte, what the station took from a recorder and sealed: its digests at that moment stand in an entry of the custody log, whose stored bytes are in custody/events.",
                "These entries stand in the station's custody log: custody/proofs has a proof of each, which leads to the signed checkpoint in custody/checkpoint.",
                "The checkpoint is signed by a key of custody/keys.txt; where witnesses or a timestamp authority are configured, their signatures stand below it, and RFC 3161 timestamps in custody/timestamps.",
                "This package was made and signed by that station; who asked for it, when, why and on what basis is an entry of the log as well.",
            ],
        }
    }

    /// What the package does not show.
    pub fn package_shows_not(&self) -> &'static [&'static str] {
        match self.lang {
            Lang::Zh => &[
                "文件进入采集站之前是否被改动过：证明从入库时开始。",
                "记录的内容（地点、人员、证明对象）是否属实：它们是登记的内容及其来源。",
                "公钥属于谁：请向采集站所属单位核对公钥，不要只用包内的公钥。",
                "采集站的签名不是执法机关的电子印章；需要盖章的文书请在本单位的电子签章系统中办理。",
                "持有该采集站密钥的人可以改写从未离开过本机的日志。见证签名、时间戳和云端检查点才能排除这一点；没有它们时，请以云端检查点为准。",
            ],
            Lang::En => &[
                "Whether a file was changed before it came to the station: the proof begins with the seal.",
                "Whether what the records say (place, persons, what is proven) is true: they are what was entered, with its origin.",
                "Whose key it is: compare the public key with the agency that runs the station, and do not rely on the one in the package alone.",
                "The station's signature is not the agency's seal; documents that need one are stamped in the agency's own system.",
                "Whoever holds the station's key can rewrite a log that never left the box. Signatures of witnesses, timestamps and checkpoints in the cloud rule that out; without them, ask for the checkpoints in the cloud.",
            ],
        }
    }

    /// How to check it, with whose tools.
    pub fn package_how(&self) -> &'static [&'static str] {
        match self.lang {
            Lang::Zh => &[
                "双击 4-CHECK.html，把整个文件夹拖进去：在浏览器内核对每个文件，不联网。",
                "sha256sum -c manifest-sha256.txt；b3sum -c blake3sums.txt。",
                "bagit.py --validate（BagIt，RFC 8493）。",
                "evidock import-check 文件夹 --trust 公钥文件：核对签名、日志证明和每个文件。",
                "openssl ts -verify -in custody/timestamps/….tsr -data custody/timestamps/….txt -CAfile 时间戳机构证书。",
            ],
            Lang::En => &[
                "Double click 4-CHECK.html and drop the whole folder there: every file is compared inside the browser, offline.",
                "sha256sum -c manifest-sha256.txt; b3sum -c blake3sums.txt.",
                "bagit.py --validate (BagIt, RFC 8493).",
                "evidock import-check FOLDER --trust KEY: signatures, proofs of the log, and every file.",
                "openssl ts -verify -in custody/timestamps/....tsr -data custody/timestamps/....txt -CAfile CERTIFICATES.",
            ],
        }
    }

    /// A package is finished.
    pub fn package_made(&self, to: &str, clips: u64, bytes: u64) -> String {
        let content = self.package_content(clips, bytes);
        match self.lang {
            Lang::Zh => format!("证据包已完成：{to}（{content}）"),
            Lang::En => format!("the evidence package is finished: {to} ({content})"),
        }
    }
}
