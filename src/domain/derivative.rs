//! Files of their own that somebody asks for of a clip: one picture, a stretch, a copy with a watermark. Owns what may be
//! asked, and the words under which it is stored. What is only looked at (previews, contact sheets) is
//! [`super::derived`]'s. A derivative is never evidence; its master stays what it is (invariant 6).

use super::ids::ClipId;
use super::why::{Why, in_words_of_why};

/// A clip is at most this long, milliseconds: 10 days.
const LONGEST_MS: u64 = 864_000_000;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the stored word back.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What is derived.
    Kind {
        /// One picture, as it is at a moment.
        Frame => "frame",
        /// A stretch.
        Trim => "trim",
        /// All of it or a stretch, with words over the picture that say for whom it was made, and when.
        Watermark => "watermark",
    }
}

words! {
    /// What kind of file it is; the word is its ending, too.
    Form {
        /// JPEG.
        Jpeg => "jpg",
        /// PNG.
        Png => "png",
        /// MP4 in fragments (ISO/IEC 14496-12).
        Mp4 => "mp4",
        /// Matroska.
        Mkv => "mkv",
        /// WebM.
        Webm => "webm",
    }
}

impl Form {
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Mp4 => "video/mp4",
            Self::Mkv => "video/x-matroska",
            Self::Webm => "video/webm",
        }
    }

    /// Whether a file may be one, by how it begins. Whoever made it may have been taken over: nothing passes that a
    /// browser would read as a page or a script.
    pub fn begins(self, bytes: &[u8]) -> bool {
        match self {
            Self::Jpeg => bytes.starts_with(b"\xff\xd8\xff"),
            Self::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Self::Mp4 => bytes.get(4..8) == Some(b"ftyp"),
            Self::Mkv | Self::Webm => bytes.starts_with(b"\x1a\x45\xdf\xa3"),
        }
    }
}

words! {
    /// How it was made: what a reader must know of it.
    Method {
        /// The picture was decoded and stored as a picture.
        Decoded => "decoded",
        /// Pictures and sound are those of the master, from key frame to key frame, not encoded again.
        Copied => "copied",
        /// Decoded and encoded again: exact to the picture, no picture as it was.
        Encoded => "encoded",
    }
}

words! {
    /// How far it is.
    State {
        /// It waits, or is being made.
        Making => "making",
        /// It stopped; in words why.
        Failed => "failed",
        /// It can be fetched.
        Ready => "ready",
        /// Its time is over, and its file is gone.
        Gone => "gone",
    }
}

/// What is asked for, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub kind: Kind,
    /// PNG instead of JPEG, of a frame.
    pub png: bool,
    /// The moment, or the begin of the stretch, milliseconds from the clip's start.
    pub from_ms: u64,
    /// The end of the stretch; `None` of a frame, or where all of it is asked for.
    pub to_ms: Option<u64>,
    /// To the picture, encoded again, where a stretch would else run from key frame to key frame.
    pub exact: bool,
}

/// Why something is not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderError {
    /// No such kind.
    Kind,
    /// No such form of a picture.
    Form,
    /// A trim without an end, or a frame with one.
    Range,
    /// It ends before it begins.
    Order,
}

in_words_of_why!(OrderError);

impl From<&OrderError> for Why {
    fn from(error: &OrderError) -> Self {
        match error {
            OrderError::Kind => Self::DerivedKind {},
            OrderError::Form => Self::FrameForm {},
            OrderError::Range => Self::FrameOrStretch {},
            OrderError::Order => Self::StretchOrder {},
        }
    }
}

impl Order {
    /// Checks what was asked for.
    pub fn new(
        kind: &str,
        form: Option<&str>,
        from_ms: Option<u64>,
        to_ms: Option<u64>,
        exact: bool,
    ) -> Result<Self, OrderError> {
        let kind = Kind::parse(kind).ok_or(OrderError::Kind)?;
        let png = match form.unwrap_or("jpg") {
            "png" => true,
            "jpg" | "" => false,
            _ => return Err(OrderError::Form),
        };
        match (kind, from_ms, to_ms) {
            (Kind::Frame, Some(_), None) | (Kind::Trim, _, Some(_)) | (Kind::Watermark, ..) => {}
            _ => return Err(OrderError::Range),
        }
        let from_ms = from_ms.unwrap_or(0);
        if from_ms > LONGEST_MS || to_ms.is_some_and(|to| to <= from_ms || to > LONGEST_MS) {
            return Err(OrderError::Order);
        }
        Ok(Self {
            kind,
            png: png && kind == Kind::Frame,
            from_ms,
            to_ms,
            exact: match kind {
                Kind::Frame | Kind::Watermark => true,
                Kind::Trim => exact,
            },
        })
    }
}

/// The name under which a derivative is given out: of what it is derived, what it is, and that it is derived.
pub fn file_name(clip: ClipId, kind: Kind, from_ms: u64, form: Form) -> String {
    let at = format!("{:05}.{:03}s", from_ms / 1000, from_ms % 1000);
    format!("derived-{clip}-{}-{at}.{}", kind.as_str(), form.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked() {
        let order = |kind, form, from, to| Order::new(kind, form, from, to, false);
        assert!(order("frame", Some("png"), Some(1_500), None).unwrap().png);
        assert!(!order("trim", None, None, Some(2_000)).unwrap().exact);
        assert!(order("watermark", None, None, None).unwrap().exact);
        for (kind, form, from, to, wrong) in [
            ("sheet", None, Some(0), None, OrderError::Kind),
            ("frame", Some("exe"), Some(0), None, OrderError::Form),
            ("frame", None, None, None, OrderError::Range),
            ("frame", None, Some(0), Some(1), OrderError::Range),
            ("trim", None, Some(0), None, OrderError::Range),
            ("trim", None, Some(5), Some(5), OrderError::Order),
            ("watermark", None, Some(u64::MAX), None, OrderError::Order),
        ] {
            assert_eq!(order(kind, form, from, to), Err(wrong), "{kind} {form:?} {from:?} {to:?}");
        }
    }

    #[test]
    fn a_page_is_no_picture() {
        for form in Form::ALL {
            assert!(!form.begins(b"<!doctype html><script>") && !form.begins(b""));
            assert_eq!(Form::parse(form.as_str()), Some(*form));
        }
        assert!(Form::Mp4.begins(b"\0\0\0\x20ftypiso5"));
    }
}
