//! XML as recorders send it in SOAP: into a small tree, within limits. Pure. Namespaces are left out of it: makers differ
//! in their prefixes, and the names that are asked for are one each where they are looked for.
//!
//! A document type declaration is refused (it is what entities, and the bombs made of them, are declared in), depth and
//! number of elements are bounded; the bytes were bounded before.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

/// Deepest nesting. A deep ONVIF answer (event results) has about 12 levels.
const DEPTH: usize = 40;
/// Most elements. A list of a thousand recordings with three tracks each has about 25,000.
const ELEMENTS: usize = 200_000;
/// Longest text of one element.
const TEXT_BYTES: usize = 16 << 10;

/// Why a document is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadXml {
    /// It is none.
    #[error("it answered something that is no XML ({0})")]
    Odd(String),
    /// It is beyond a limit.
    #[error("it answered XML with more {0} than anything sensible")]
    Long(&'static str),
    /// It declares a document type.
    #[error("it answered XML with a document type declaration, which SOAP forbids")]
    Doctype,
}

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name without prefix.
    pub name: String,
    /// Attributes, names without prefix.
    attributes: Vec<(String, String)>,
    /// Its own text, trimmed.
    pub text: String,
    /// What stands in it.
    pub children: Vec<Node>,
}

impl Node {
    /// Reads a document; gives its outermost element.
    pub fn read(bytes: &[u8]) -> Result<Self, BadXml> {
        let odd = |e: &dyn std::fmt::Display| BadXml::Odd(e.to_string());
        // What is not UTF-8 is none of the few words that are looked for.
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader::from_str(&text);
        let mut open: Vec<Self> = Vec::new();
        let mut elements = 0usize;
        loop {
            match reader.read_event().map_err(|e| odd(&e))? {
                Event::DocType(_) => return Err(BadXml::Doctype),
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    elements += 1;
                    if elements > ELEMENTS {
                        return Err(BadXml::Long("elements"));
                    }
                    if open.len() >= DEPTH {
                        return Err(BadXml::Long("levels"));
                    }
                    let empty = matches!(event, Event::Empty(_));
                    let (Event::Start(tag) | Event::Empty(tag)) = event else { continue };
                    let mut node = Self { name: tag.local_name().as_ref().to_owned(), ..Self::default() };
                    for attribute in tag.attributes().take(64) {
                        let attribute = attribute.map_err(|e| odd(&e))?;
                        let value = unescape(&attribute.value).map_err(|e| odd(&e))?.into_owned();
                        node.attributes.push((attribute.key.local_name().as_ref().to_owned(), value));
                    }
                    open.push(node);
                    if empty && let Some(whole) = close(&mut open) {
                        return Ok(whole);
                    }
                }
                Event::End(_) => {
                    if let Some(whole) = close(&mut open) {
                        return Ok(whole);
                    }
                }
                Event::Text(text) => say(&mut open, &text)?,
                Event::CData(text) => say(&mut open, &text)?,
                // `&amp;` and numbers; names that nobody declared mean nothing.
                Event::GeneralRef(entity) => {
                    let entity = format!("&{};", &*entity);
                    say(&mut open, &unescape(&entity).map_err(|e| odd(&e))?)?;
                }
                Event::Eof => return Err(BadXml::Odd("it ends early".to_owned())),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }

    /// Every child of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The element at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    /// The text at the end of a path of names; nothing where it is empty.
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|n| n.text.as_str()).filter(|t| !t.is_empty())
    }

    /// The first element of this name, however deep.
    pub fn find(&self, name: &str) -> Option<&Self> {
        // Depth is bounded, and so is this recursion.
        self.children.iter().find_map(|c| if c.name == name { Some(c) } else { c.find(name) })
    }
}

fn say(open: &mut [Node], text: &str) -> Result<(), BadXml> {
    let Some(node) = open.last_mut() else { return Ok(()) };
    if node.text.len() + text.len() > TEXT_BYTES {
        return Err(BadXml::Long("text"));
    }
    node.text.push_str(text);
    Ok(())
}

/// Ends the innermost element; gives the outermost once that ends.
fn close(open: &mut Vec<Node>) -> Option<Node> {
    let mut node = open.pop()?;
    node.text = node.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) => {
            parent.children.push(node);
            None
        }
        None => Some(node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tree_without_prefixes() {
        let node = Node::read(
            b"<?xml version=\"1.0\"?><!-- x --><s:a xmlns:s=\"u\"><b k=\"1 &lt; 2\"> x &amp; <![CDATA[<y>]]> &#65; </b><t:b/><c><d>e</d></c></s:a>",
        )
        .unwrap();
        assert_eq!(node.name, "a");
        assert_eq!(node.child("b").unwrap().text, "x & <y> A");
        assert_eq!(node.child("b").unwrap().attribute("k"), Some("1 < 2"));
        assert_eq!((node.all("b").count(), node.text_at(&["c", "d"]), node.text_at(&["b2"])), (2, Some("e"), None));
        assert_eq!(node.find("d").map(|n| n.text.as_str()), Some("e"));
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let deep = "<a>".repeat(100_000);
        assert_eq!(Node::read(deep.as_bytes()), Err(BadXml::Long("levels")));
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS));
        assert_eq!(Node::read(wide.as_bytes()), Err(BadXml::Long("elements")));
        let long = format!("<a>{}</a>", "x".repeat(TEXT_BYTES + 1));
        assert_eq!(Node::read(long.as_bytes()), Err(BadXml::Long("text")));
        let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>";
        assert_eq!(Node::read(bomb.as_bytes()), Err(BadXml::Doctype));
        for odd in ["", "x", "<a>", "<a></b>", "<a>&nobody;</a>", "<a b=c>"] {
            assert!(
                matches!(Node::read(odd.as_bytes()), Err(BadXml::Odd(_))),
                "{odd:?}: {:?}",
                Node::read(odd.as_bytes())
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Node::read(&bytes);
        }

        #[test]
        fn mutated_documents_end(at in 0usize..80, with in any::<u8>()) {
            let mut bytes = b"<s:a xmlns:s=\"u\"><b k=\"1\">x &amp; y</b><t:b/><c><![CDATA[<d>]]></c></s:a>".to_vec();
            let n = bytes.len();
            bytes[at % n] = with;
            let _ = Node::read(&bytes);
        }
    }
}
