//! Typefaces: which characters a file has, and how wide they are. Reads the tables of OpenType that say so (`cmap` 4 and 12,
//! `head`, `hhea`, `hmtx`), in files and collections; shaping and subsetting are krilla's. Of several faces the first that
//! has a character prints it.

use std::collections::HashMap;

/// Characters of one face that are kept at most: more than Unicode has assigned.
const MOST: usize = 400_000;

/// What a Chinese list needs; a typeface without any of these is none for us.
const NEEDED: &str = "案件证据目录移交登记表执法派生〔〕。，、：0123456789ABCDEFabcdef#-";

/// The advance of what no face has, in parts of the size.
const UNKNOWN: f32 = 1.0;

/// Typefaces in the order in which they are asked.
#[derive(Clone)]
pub struct Typeface {
    faces: Vec<Face>,
}

impl std::fmt::Debug for Typeface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typeface").field("faces", &self.faces.len()).finish()
    }
}

#[derive(Clone)]
struct Face {
    font: krilla::text::Font,
    /// Advance by character, in parts of the size.
    advances: HashMap<char, f32>,
}

/// Why a typeface cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypefaceError {
    /// Not a font, or one of another kind.
    #[error("it is no OpenType font that can be read")]
    Foreign,
    /// It lacks what Chinese lists need.
    #[error("it lacks characters that Chinese lists need, as {0:?}")]
    Lacks(char),
}

impl Typeface {
    /// Of these files, each with the number of its face in a collection.
    pub fn new(files: Vec<(Vec<u8>, u32)>) -> Result<Self, TypefaceError> {
        let faces: Vec<Face> = files
            .into_iter()
            .map(|(bytes, index)| Face::read(bytes, index))
            .collect::<Option<_>>()
            .ok_or(TypefaceError::Foreign)?;
        let typeface = Self { faces };
        match NEEDED.chars().find(|c| typeface.face_of(*c).is_none()) {
            Some(lacking) => Err(TypefaceError::Lacks(lacking)),
            None => Ok(typeface),
        }
    }

    /// The face that prints a character.
    pub(super) fn face_of(&self, c: char) -> Option<usize> {
        self.faces.iter().position(|face| face.advances.contains_key(&c))
    }

    /// How wide a character is, in parts of the size.
    pub(super) fn advance(&self, c: char) -> f32 {
        self.faces.iter().find_map(|face| face.advances.get(&c)).copied().unwrap_or(UNKNOWN)
    }

    pub(super) fn font(&self, face: usize) -> Option<krilla::text::Font> {
        self.faces.get(face).map(|face| face.font.clone())
    }
}

impl Face {
    fn read(bytes: Vec<u8>, index: u32) -> Option<Self> {
        let advances = advances(&bytes, index)?;
        let font = krilla::text::Font::new(bytes.into(), index)?;
        Some(Self { font, advances })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A table of the face (OpenType, "Organization of an OpenType Font").
fn table<'a>(bytes: &'a [u8], index: u32, tag: &[u8; 4]) -> Option<&'a [u8]> {
    let base = match bytes.get(..4)? {
        b"ttcf" => u32_at(bytes, 12 + 4 * index as usize)? as usize,
        _ if index == 0 => 0,
        _ => return None,
    };
    let tables = u16_at(bytes, base + 4)? as usize;
    (0..tables).map(|n| base + 12 + 16 * n).find_map(|at| {
        let (offset, len) = (u32_at(bytes, at + 8)? as usize, u32_at(bytes, at + 12)? as usize);
        (bytes.get(at..at + 4)? == tag).then(|| bytes.get(offset..offset.checked_add(len)?)).flatten()
    })
}

fn advances(bytes: &[u8], index: u32) -> Option<HashMap<char, f32>> {
    let units = f32::from(u16_at(table(bytes, index, b"head")?, 18)?);
    let metrics = u16_at(table(bytes, index, b"hhea")?, 34)?.checked_sub(1)? as usize;
    let hmtx = table(bytes, index, b"hmtx")?;
    // Glyphs beyond the last one have its advance.
    let advance = |glyph: u32| Some(f32::from(u16_at(hmtx, 4 * (glyph as usize).min(metrics))?) / units);
    let cmap = table(bytes, index, b"cmap")?;
    let mut found: Vec<(u16, usize)> = Vec::new();
    for n in 0..u16_at(cmap, 2)? as usize {
        let at = 4 + 8 * n;
        let (platform, encoding) = (u16_at(cmap, at)?, u16_at(cmap, at + 2)?);
        let offset = u32_at(cmap, at + 4)? as usize;
        if platform == 0 || platform == 3 && matches!(encoding, 1 | 10) {
            found.push((u16_at(cmap, offset)?, offset));
        }
    }
    let mut all = HashMap::new();
    let mut put = |code: u32, glyph: u32| {
        if glyph != 0
            && all.len() < MOST
            && let (Some(c), Some(advance)) = (char::from_u32(code), advance(glyph))
        {
            all.entry(c).or_insert(advance);
        }
    };
    if let Some((_, at)) = found.iter().find(|(format, _)| *format == 12) {
        for n in 0..u32_at(cmap, at + 12)? as usize {
            let group = at + 16 + 12 * n;
            let (from, to, glyph) = (u32_at(cmap, group)?, u32_at(cmap, group + 4)?, u32_at(cmap, group + 8)?);
            (from..=to.min(0x10_ffff)).for_each(|code| put(code, glyph.saturating_add(code - from)));
        }
    } else {
        let (_, at) = found.iter().find(|(format, _)| *format == 4)?;
        let segments = u16_at(cmap, at + 6)? as usize / 2;
        let (ends, starts) = (at + 14, at + 16 + 2 * segments);
        let (deltas, ranges) = (starts + 2 * segments, starts + 4 * segments);
        for n in 0..segments {
            let (start, end) = (u16_at(cmap, starts + 2 * n)?, u16_at(cmap, ends + 2 * n)?);
            let (delta, range) = (u16_at(cmap, deltas + 2 * n)?, u16_at(cmap, ranges + 2 * n)?);
            for code in start..=end {
                let glyph = match range {
                    0 => code.wrapping_add(delta),
                    // The offset counts from its own place (OpenType, "cmap", format 4).
                    _ => {
                        let at = ranges + 2 * n + usize::from(range) + 2 * usize::from(code - start);
                        match u16_at(cmap, at) {
                            Some(0) | None => 0,
                            Some(glyph) => glyph.wrapping_add(delta),
                        }
                    }
                };
                put(code.into(), glyph.into());
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_font_is_refused() {
        for odd in [&b""[..], b"ttcf", b"\0\x01\0\0\xff\xff", b"<!doctype html>", &[0xff; 4096]] {
            assert_eq!(Typeface::new(vec![(odd.to_vec(), 0)]).unwrap_err(), TypefaceError::Foreign);
        }
        assert_eq!(Typeface::new(Vec::new()).unwrap_err(), TypefaceError::Lacks('案'));
    }
}
