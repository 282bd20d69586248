//! A proof that an entry stands in the log, as a text of its own (C2SP tlog-proof): with the entry's bytes and the
//! log's key it is all that anybody needs, offline, for ever.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! index <position>
//! <hash, base64>            the audit path of RFC 6962, 2.1.1, nearest sibling first; as many lines as it has
//!
//! <checkpoint>              the signed note that the path leads to, with whoever cosigned it
//! ```
//!
//! An `extra` line before the index is read and kept; ours have none. Whether the note's signatures are true is for
//! `custody` to say.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::merkle::{Hash, verify_inclusion};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A tree below 2^63 leaves has no longer paths.
const MAX_PATH: usize = 63;

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque to everybody but whoever put it there; authenticated by nobody.
    pub extra: Option<Vec<u8>>,
    /// Position of the entry, from 0.
    pub index: u64,
    /// The audit path.
    pub path: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

impl TlogProof {
    /// Whether its path leads from the entry with this leaf hash to the root of a tree of `size` entries.
    #[must_use]
    pub fn leads(&self, leaf: &Hash, size: u64, root: &Hash) -> bool {
        verify_inclusion(self.index, size, leaf, &self.path, root)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// A text that is no proof, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no proof of an entry in a log: {0}")]
pub struct NoProof(&'static str);

impl FromStr for TlogProof {
    type Err = NoProof;

    fn from_str(text: &str) -> Result<Self, NoProof> {
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or(NoProof("it has no empty line before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(NoProof("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(BASE64.decode(&line[6..]).map_err(|_| NoProof("its extra data is not base64"))?),
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(NoProof("it has no index"))?;
        let number: u64 = index.parse().map_err(|_| NoProof("its index is not a number"))?;
        if number.to_string() != index {
            return Err(NoProof("its index has leading zeroes or a sign"));
        }
        let hash = |line: &str| BASE64.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
        let path: Vec<Hash> = lines
            .map(|line| hash(line).ok_or(NoProof("a line of its path is not 32 bytes")))
            .collect::<Result<_, _>>()?;
        if path.len() > MAX_PATH {
            return Err(NoProof("its path is longer than any tree is high"));
        }
        if checkpoint.is_empty() {
            return Err(NoProof("it has no checkpoint"));
        }
        let read = Self { extra, index: number, path, checkpoint: checkpoint.to_owned() };
        // One spelling: what is checked is what is shown.
        if read.to_string() == text { Ok(read) } else { Err(NoProof("it has another spelling")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::merkle::{leaf_hash, node_hash};

    fn sample(extra: Option<Vec<u8>>) -> TlogProof {
        TlogProof { extra, index: 1, path: vec![leaf_hash(b"a")], checkpoint: "log\n2\nroot\n\n— log AAAA\n".into() }
    }

    #[test]
    fn form_is_frozen() {
        assert_eq!(
            sample(None).to_string(),
            "c2sp.org/tlog-proof@v1\nindex 1\nAippeebat6pa5MPl5F9+l3ESp+Y1k4INvsHsc4ok+Tw=\n\nlog\n2\nroot\n\n— log AAAA\n"
        );
    }

    #[test]
    fn read_as_written() {
        for proof in [sample(None), sample(Some(b"x".to_vec())), TlogProof { path: vec![], ..sample(None) }] {
            assert_eq!(proof.to_string().parse(), Ok(proof));
        }
    }

    #[test]
    fn leads_where_it_leads_and_nowhere_else() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let root = node_hash(&a, &b);
        let proof = sample(None);
        assert!(proof.leads(&b, 2, &root));
        assert!(!proof.leads(&a, 2, &root) && !proof.leads(&b, 3, &root) && !proof.leads(&b, 2, &a));
        assert!(!TlogProof { index: 0, ..proof }.leads(&b, 2, &root));
    }

    #[test]
    fn other_texts_are_refused() {
        let good = sample(None).to_string();
        let long = format!("{FIRST_LINE}\nindex 0\n{}\nx", format!("{}\n", BASE64.encode([0; 32])).repeat(64));
        for bad in [
            "",
            "c2sp.org/tlog-proof@v1\nindex 1\n",
            &good.replace("@v1", "@v2"),
            &good.replace("index 1", "index 01"),
            &good.replace("index 1", "index -1"),
            &good.replace("index 1", "index 18446744073709551616"),
            &good.replace("index 1\n", ""),
            &good.replace("+Tw=", "+Tw"),
            &good.replace("Aipp", ""),
            &good.replace("index 1", "extra *\nindex 1"),
            "c2sp.org/tlog-proof@v1\nindex 1\n\n",
            &long,
        ] {
            assert!(bad.parse::<TlogProof>().is_err(), "{bad:.80}");
        }
    }
}
