//! The listing of a recorder: a walk over its folders that ends whatever the recorder says, and where everything that
//! was told is either a file or a path with the reason why it is none. Asks through [`Objects`] and keeps where each path
//! led, so that a file is found again without a search.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::dataset::Info;
use super::dates;
use super::device::{Fault, Objects, Parent, RESERVED_HANDLES};
use super::names::{self, Child};
use super::wire::{Entry, MAX_PATH_BYTES, PAGE_ENTRIES, PAGE_PATH_BYTES, Page, StorageTold};

/// Deepest folder that is listed. Recorders use two to four.
pub const MAX_DEPTH: usize = 32;

/// Most objects that one listing looks at, folders included: one question each, some milliseconds over the bus.
pub const MAX_ENTRIES: usize = 200_000;

/// Most storages; recorders have one or two.
pub const MAX_STORAGES: usize = 16;

/// Most bytes of all paths together: what a listing may take of the daemon's memory.
pub const MAX_ALL_PATH_BYTES: usize = 48 << 20;

/// So many unusable answers one after the other mean a broken link, not a broken object.
const MAX_BROKEN: u32 = 3;

/// A folder to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The storage it stands in.
    pub storage: u32,
    /// What to ask for.
    pub at: Parent,
    /// Its path; empty for the root of an only storage.
    pub path: Vec<u8>,
    /// 0 for the root of a storage.
    pub depth: usize,
}

/// The roots of a recorder's storages. Only where there are several does a path begin with the storage.
pub fn roots(storages: &[StorageTold]) -> Vec<Folder> {
    let root = |storage: &StorageTold, path| Folder { storage: storage.id, at: Parent::Root, path, depth: 0 };
    if let [only] = storages {
        return vec![root(only, Vec::new())];
    }
    let told: Vec<Vec<u16>> = storages
        .iter()
        .map(|s| match (s.description.trim(), s.volume.trim()) {
            ("", "") => format!("{:08x}", s.id),
            ("", volume) => volume.to_owned(),
            (description, _) => description.to_owned(),
        })
        .map(|name| name.encode_utf16().take(255).collect())
        .collect();
    let ids: Vec<String> = storages.iter().map(|s| format!("{:08x}", s.id)).collect();
    let children: Vec<Child<'_>> = storages
        .iter()
        .zip(&told)
        .zip(&ids)
        .map(|((s, name), id)| Child { name, created: id, modified: "", handle: s.id })
        .collect();
    let named = names::name(&children);
    storages.iter().zip(named).map(|(s, named)| root(s, named.component)).collect()
}

/// Where a path led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The object.
    pub handle: u32,
    /// No sibling bears the same name.
    pub alone: bool,
    folder: Option<Folder>,
    parent: u32,
    name: u64,
}

/// Every path of a listing, and where it led.
#[derive(Debug, Default)]
pub struct Known(HashMap<Vec<u8>, Place>);

impl Known {
    /// Forgets one that no longer stands there.
    pub fn forget(&mut self, path: &[u8]) {
        self.0.remove(path);
    }

    /// The file at `path` as the recorder describes it now, found where it stood, else searched for from the roots.
    pub fn find(
        &mut self,
        objects: &mut impl Objects,
        roots: &[Folder],
        path: &[u8],
    ) -> Result<Option<(Place, Info)>, Fault> {
        if let Some(found) = self.still_there(objects, path)? {
            return Ok(Some(found));
        }
        let Some(folder) = self.folder_of(objects, roots, path)? else { return Ok(None) };
        self.list_one(objects, folder)?;
        self.still_there(objects, path)
    }

    /// A handle may by now be another object, and a recorder may lie: name and folder must be those that were listed.
    fn still_there(&self, objects: &mut impl Objects, path: &[u8]) -> Result<Option<(Place, Info)>, Fault> {
        let Some(place) = self.0.get(path).filter(|place| place.folder.is_none()) else { return Ok(None) };
        match objects.info(place.handle) {
            Ok(info) if !info.folder && info.parent == place.parent && hash(&info.name) == place.name => {
                Ok(Some((place.clone(), info)))
            }
            Ok(_) | Err(Fault::NotThere) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The folder in which `path` stands or would stand.
    fn folder_of(
        &mut self,
        objects: &mut impl Objects,
        roots: &[Folder],
        path: &[u8],
    ) -> Result<Option<Folder>, Fault> {
        if path.len() > MAX_PATH_BYTES {
            return Ok(None);
        }
        let mut folders: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        folders.pop();
        let mut at: Vec<u8> = Vec::new();
        let mut here = roots.iter().find(|root| root.path.is_empty()).cloned();
        for component in folders {
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(component);
            if let Some(root) = roots.iter().find(|root| root.path == at && !at.is_empty()) {
                here = Some(root.clone());
                continue;
            }
            let known = |known: &Self| known.0.get(&at).and_then(|place| place.folder.clone());
            if known(self).is_none() {
                let Some(here) = here.take() else { return Ok(None) };
                self.list_one(objects, here)?;
            }
            here = known(self);
        }
        Ok(here)
    }

    fn list_one(&mut self, objects: &mut impl Objects, folder: Folder) -> Result<(), Fault> {
        let mut walk = Walk::over(vec![folder], false);
        match walk.step(objects, &mut Page::default(), usize::MAX, &mut || false) {
            // It went away, or shows nothing: nothing stands in it.
            Err(Fault::NotThere | Fault::Refused(_)) => Ok(()),
            Err(fault) => Err(fault),
            Ok(_) => {
                self.0.extend(walk.known.0);
                Ok(())
            }
        }
    }
}

fn hash(name: &[u16]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A listing under way.
#[derive(Debug)]
pub struct Walk {
    recurse: bool,
    storages: Vec<u32>,
    todo: Vec<Folder>,
    current: Option<Current>,
    ready: VecDeque<Ready>,
    /// Every object that has its place in the listing, and where loops end.
    seen: HashSet<u32>,
    /// Objects that a folder listed and that say they stand in another, which may still list them.
    elsewhere: BTreeMap<u32, (Folder, Info)>,
    known: Known,
    entries: usize,
    path_bytes: usize,
    broken: u32,
    roots_listed: usize,
    root_fault: Option<Fault>,
}

/// A folder of which the objects are being looked at. All are, before any gets its name.
#[derive(Debug)]
struct Current {
    folder: Folder,
    handles: VecDeque<u32>,
    answer: HashSet<u32>,
    got: Vec<(u32, Info)>,
}

#[derive(Debug)]
enum Ready {
    File(Entry),
    Note(Vec<u8>, String),
}

impl Walk {
    /// A walk over all of a recorder.
    pub fn new(roots: &[Folder]) -> Self {
        Self::over(roots.to_vec(), true)
    }

    fn over(mut todo: Vec<Folder>, recurse: bool) -> Self {
        let storages = todo.iter().map(|folder| folder.storage).collect();
        todo.reverse();
        Self {
            recurse,
            storages,
            todo,
            current: None,
            ready: VecDeque::new(),
            seen: HashSet::new(),
            elsewhere: BTreeMap::new(),
            known: Known::default(),
            entries: 0,
            path_bytes: 0,
            broken: 0,
            roots_listed: 0,
            root_fault: None,
        }
    }

    /// Where its paths led, once it has ended.
    pub fn into_known(self) -> Known {
        self.known
    }

    /// Goes on until the page is full, the time is over, or nothing is left (`false`).
    pub fn step(
        &mut self,
        objects: &mut impl Objects,
        page: &mut Page,
        page_entries: usize,
        time_over: &mut dyn FnMut() -> bool,
    ) -> Result<bool, Fault> {
        let mut page_bytes = 0;
        loop {
            while let Some(ready) = self.ready.pop_front() {
                if page_entries != usize::MAX {
                    page_bytes += ready.path().len();
                }
                match ready {
                    Ready::File(entry) => page.files.push(entry),
                    Ready::Note(path, reason) => page.unreadable.push((path, reason)),
                }
                if page.files.len() + page.unreadable.len() >= page_entries || page_bytes >= PAGE_PATH_BYTES {
                    return Ok(true);
                }
            }
            if time_over() {
                return Ok(true);
            }
            match self.current.as_mut().map(|current| current.handles.pop_front()) {
                Some(Some(handle)) => self.look_at(objects, handle)?,
                Some(None) => self.end_folder(),
                None => match self.todo.pop() {
                    Some(folder) => self.begin_folder(objects, folder)?,
                    // A look at one folder does not know what the others list.
                    None if self.recurse && !self.elsewhere.is_empty() => self.take_elsewhere(),
                    None => break,
                },
            }
        }
        match self.root_fault.take() {
            // Nothing of it could be listed: that is no empty recorder.
            Some(fault) if self.roots_listed == 0 => Err(fault),
            _ => Ok(false),
        }
    }

    /// One page of the usual size.
    pub fn page(
        &mut self,
        objects: &mut impl Objects,
        time_over: &mut dyn FnMut() -> bool,
    ) -> Result<(Page, bool), Fault> {
        let mut page = Page::default();
        let more = self.step(objects, &mut page, PAGE_ENTRIES, time_over)?;
        Ok((page, more))
    }

    fn begin_folder(&mut self, objects: &mut impl Objects, folder: Folder) -> Result<(), Fault> {
        match objects.handles(folder.storage, folder.at) {
            Ok(handles) => {
                self.roots_listed += usize::from(folder.depth == 0 || !self.recurse);
                let answer = handles.iter().copied().collect();
                self.current = Some(Current { folder, handles: handles.into(), answer, got: Vec::new() });
                Ok(())
            }
            Err(fault @ (Fault::Gone(_) | Fault::Broken(_))) => Err(fault),
            Err(fault) => {
                self.note(folder.path, fault.to_string());
                if folder.depth == 0 || !self.recurse {
                    self.root_fault = Some(fault);
                }
                Ok(())
            }
        }
    }

    fn look_at(&mut self, objects: &mut impl Objects, handle: u32) -> Result<(), Fault> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let unnamed = || join(&current.folder.path, format!("object {handle:08x}").as_bytes());
        if self.seen.contains(&handle) {
            return Ok(());
        }
        if RESERVED_HANDLES.contains(&handle) {
            let path = unnamed();
            self.note(path, "its handle is reserved for other uses".to_owned());
            return Ok(());
        }
        if let Some((_, info)) = self.elsewhere.remove(&handle) {
            self.place(handle, info);
            return Ok(());
        }
        self.entries += 1;
        if self.entries > MAX_ENTRIES || self.path_bytes > MAX_ALL_PATH_BYTES {
            let path = current.folder.path.clone();
            self.note(
                path,
                format!("the recorder lists more than {} objects; the rest was not listed", self.entries - 1),
            );
            current_is_all(self);
            return Ok(());
        }
        let info = match objects.info(handle) {
            Ok(info) => info,
            Err(fault @ Fault::Gone(_)) => return Err(fault),
            Err(fault) => {
                self.broken += u32::from(matches!(fault, Fault::Broken(_)));
                if self.broken >= MAX_BROKEN {
                    return Err(fault);
                }
                let path = unnamed();
                self.seen.insert(handle);
                self.note(path, fault.to_string());
                return Ok(());
            }
        };
        self.broken = 0;
        self.place(handle, info);
        Ok(())
    }

    /// Puts an object into the folder under way, or aside where another folder should list it.
    fn place(&mut self, handle: u32, info: Info) {
        let Some(current) = &mut self.current else { return };
        let root_marker = |p: u32| RESERVED_HANDLES.contains(&p) || (p == info.storage && !current.answer.contains(&p));
        let here = match current.folder.at {
            Parent::Folder(folder) => info.parent == folder,
            Parent::Root => root_marker(info.parent),
        };
        let other_storage = info.storage != current.folder.storage && self.storages.contains(&info.storage);
        let other_folder = !here && (current.answer.contains(&info.parent) || self.seen.contains(&info.parent));
        if other_storage || other_folder {
            self.elsewhere.insert(handle, (current.folder.clone(), info));
            return;
        }
        self.seen.insert(handle);
        current.got.push((handle, info));
    }

    /// Names what the folder holds, and hands it out.
    fn end_folder(&mut self) {
        let Some(Current { folder, got, .. }) = self.current.take() else { return };
        let children: Vec<Child<'_>> = got
            .iter()
            .map(|(handle, info)| Child {
                name: &info.name,
                created: &info.created,
                modified: &info.modified,
                handle: *handle,
            })
            .collect();
        let named = names::name(&children);
        for ((handle, info), named) in got.iter().zip(named) {
            let path = join(&folder.path, &named.component);
            if path.len() > MAX_PATH_BYTES {
                self.note(path, format!("its path is longer than {MAX_PATH_BYTES} bytes"));
                continue;
            }
            let inner = info.folder.then(|| Folder {
                storage: folder.storage,
                at: Parent::Folder(*handle),
                path: path.clone(),
                depth: folder.depth + 1,
            });
            let place = Place {
                handle: *handle,
                alone: named.alone,
                folder: inner.clone(),
                parent: info.parent,
                name: hash(&info.name),
            };
            self.known.0.insert(path.clone(), place);
            match inner {
                Some(inner) if inner.depth >= MAX_DEPTH => {
                    self.note(path, format!("deeper than {MAX_DEPTH} folders; not listed"));
                }
                Some(inner) if self.recurse => self.todo.push(inner),
                Some(_) => {}
                None => match entry(&path, info) {
                    Some(entry) => {
                        self.path_bytes += path.len();
                        self.ready.push_back(Ready::File(entry));
                    }
                    None => self.note(
                        path,
                        "4 GiB or larger, and the recorder does not tell how long it is; copy it by hand".to_owned(),
                    ),
                },
            }
        }
    }

    /// What no other folder listed stands where it was listed, whatever it says.
    fn take_elsewhere(&mut self) {
        let Some((_, (folder, _))) = self.elsewhere.first_key_value() else { return };
        let folder = folder.clone();
        let here: Vec<u32> = self.elsewhere.iter().filter(|(_, (f, _))| *f == folder).map(|(h, _)| *h).collect();
        let mut got = Vec::new();
        for handle in here {
            let Some((_, info)) = self.elsewhere.remove(&handle) else { continue };
            self.seen.insert(handle);
            let path = join(&folder.path, &names::component(&info.name));
            if self.known.0.contains_key(&path) {
                self.note(path, "another of this name stands there, and it says it stands elsewhere".to_owned());
            } else {
                got.push((handle, info));
            }
        }
        self.current = Some(Current { folder, handles: VecDeque::new(), answer: HashSet::new(), got });
    }

    fn note(&mut self, mut path: Vec<u8>, reason: String) {
        path.truncate(MAX_PATH_BYTES);
        self.path_bytes += path.len();
        self.ready.push_back(Ready::Note(path, reason));
    }
}

/// Ends a walk that has found too much.
fn current_is_all(walk: &mut Walk) {
    walk.todo.clear();
    walk.elsewhere.clear();
    if let Some(current) = &mut walk.current {
        current.handles.clear();
    }
}

impl Ready {
    fn path(&self) -> &[u8] {
        match self {
            Self::File(entry) => &entry.path,
            Self::Note(path, _) => path,
        }
    }
}

/// A file as it is listed; `None` where its length is not known.
pub fn entry(path: &[u8], info: &Info) -> Option<Entry> {
    let (modified_raw, modified_ms) = dates::modified(&info.modified);
    Some(Entry { path: path.to_vec(), size_bytes: info.size_bytes?, modified_raw, modified_ms })
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A recorder that says anything: what each folder holds (0 is the root), and what each object is.
    #[derive(Debug, Default)]
    struct Says {
        holds: HashMap<u32, Vec<u32>>,
        objects: HashMap<u32, Result<Info, Fault>>,
        told: HashSet<u32>,
        asked: usize,
    }

    impl Objects for Says {
        fn handles(&mut self, _: u32, parent: Parent) -> Result<Vec<u32>, Fault> {
            let folder = if let Parent::Folder(handle) = parent { handle } else { 0 };
            let handles = self.holds.get(&folder).cloned().unwrap_or_default();
            self.told.extend(&handles);
            Ok(handles)
        }

        fn info(&mut self, handle: u32) -> Result<Info, Fault> {
            self.asked += 1;
            self.objects.get(&handle).cloned().unwrap_or(Err(Fault::NotThere))
        }
    }

    fn root() -> Folder {
        Folder { storage: 1, at: Parent::Root, path: Vec::new(), depth: 0 }
    }

    fn info(parent: u32, folder: bool, name: &str) -> Info {
        Info {
            storage: 1,
            parent,
            folder,
            size_bytes: Some(1),
            name: name.encode_utf16().collect(),
            created: String::new(),
            modified: String::new(),
        }
    }

    fn all(says: &mut Says, page_entries: usize) -> Result<(Page, Known), Fault> {
        let (mut walk, mut all) = (Walk::new(&[root()]), Page::default());
        loop {
            let mut page = Page::default();
            let more = walk.step(says, &mut page, page_entries, &mut || false)?;
            assert!(page.files.len() + page.unreadable.len() <= page_entries);
            all.files.append(&mut page.files);
            all.unreadable.append(&mut page.unreadable);
            if !more {
                return Ok((all, walk.into_known()));
            }
        }
    }

    #[test]
    fn an_object_listed_in_the_wrong_folder_goes_to_its_own() {
        // The root lists everything, as some recorders do.
        let mut says = Says::default();
        says.holds.insert(0, vec![3, 1, 2, 4, 5]);
        says.holds.insert(1, vec![2]);
        says.objects.insert(1, Ok(info(0, true, "d")));
        says.objects.insert(2, Ok(info(1, false, "inner")));
        says.objects.insert(3, Ok(info(0, false, "outer")));
        // In a folder that does not list it: it stays where it was listed, if nothing else of its name is there.
        says.objects.insert(4, Ok(info(1, false, "lost")));
        says.objects.insert(5, Ok(info(1, false, "outer")));
        let (page, _) = all(&mut says, 10).unwrap();
        let paths: Vec<&[u8]> = page.files.iter().map(|e| e.path.as_slice()).collect();
        assert_eq!(paths, [&b"outer"[..], b"d/inner", b"lost"]);
        assert_eq!(page.unreadable.len(), 1);
        assert_eq!(page.unreadable[0].0, b"outer");
        assert_eq!(says.asked, 5, "each once");
    }

    #[test]
    fn a_link_that_gives_only_nonsense_is_no_listing() {
        let mut says = Says::default();
        says.holds.insert(0, (1..100).collect());
        says.objects = (1..100).map(|h| (h, Err(Fault::Broken("noise".into())))).collect();
        assert!(matches!(all(&mut says, 10), Err(Fault::Broken(_))));
        assert_eq!(says.asked, MAX_BROKEN as usize);
    }

    #[test]
    fn what_is_too_much_is_told() {
        let mut says = Says::default();
        let many = MAX_ENTRIES as u32 + 10;
        says.holds.insert(0, (1..=many).collect());
        says.objects = (1..=many).map(|h| (h, Ok(info(0, false, &format!("{h}"))))).collect();
        let (page, _) = all(&mut says, PAGE_ENTRIES).unwrap();
        assert_eq!(page.files.len(), MAX_ENTRIES);
        assert!(page.unreadable[0].1.contains("more than 200000"), "{:?}", page.unreadable);
    }

    #[test]
    fn a_page_ends_with_the_time() {
        let mut says = Says::default();
        says.holds.insert(0, vec![1, 2]);
        says.objects.insert(1, Ok(info(0, false, "a")));
        says.objects.insert(2, Ok(info(0, false, "b")));
        let mut walk = Walk::new(&[root()]);
        let mut pages = 0;
        let mut found = 0;
        loop {
            let mut asked = 0;
            let mut time_over = || {
                asked += 1;
                asked > 1
            };
            let (page, more) = walk.page(&mut says, &mut time_over).unwrap();
            (pages, found) = (pages + 1, found + page.files.len());
            if !more {
                break;
            }
        }
        assert!(pages >= 3 && found == 2, "{pages} pages, {found} files");
    }

    #[test]
    fn a_file_is_found_where_it_stands_now() {
        let mut says = Says::default();
        says.holds.insert(0, vec![1]);
        says.holds.insert(1, vec![2]);
        says.objects.insert(1, Ok(info(0, true, "d")));
        says.objects.insert(2, Ok(info(1, false, "a")));
        let (_, mut known) = all(&mut says, 10).unwrap();
        let roots = [root()];
        let find = |known: &mut Known, says: &mut Says, path: &[u8]| {
            known.find(says, &roots, path).unwrap().map(|(place, _)| place.handle)
        };
        let before = says.asked;
        assert_eq!(find(&mut known, &mut says, b"d/a"), Some(2));
        assert_eq!(says.asked, before + 1, "no search for what stands where it stood");
        // It gets another handle, and its old one becomes another file.
        says.holds.insert(1, vec![2, 3]);
        says.objects.insert(2, Ok(info(1, false, "b")));
        says.objects.insert(3, Ok(info(1, false, "a")));
        assert_eq!(find(&mut known, &mut says, b"d/a"), Some(3));
        assert_eq!(find(&mut known, &mut says, b"d/b"), Some(2));
        for nothing in [&b"d"[..], b"d/", b"/d/a", b"d//a", b"", b"..", b"d/../d/a", b"x/y"] {
            assert_eq!(find(&mut known, &mut says, nothing), None, "{nothing:?}");
        }
    }

    proptest! {
        /// Whatever a recorder says, the walk ends, no path comes twice, and every object that it told of is a file, a
        /// folder, or a path with a reason.
        #[test]
        fn nothing_is_left_out_in_silence(
            holds in prop::collection::hash_map(0u32..24, prop::collection::vec(0u32..24, 0..12), 0..16),
            objects in prop::collection::hash_map(0u32..24, (0u32..26, any::<bool>(), 0u8..10, 1u32..3), 0..24),
            page_entries in 1usize..8,
        ) {
            let mut says = Says { holds, ..Says::default() };
            for (handle, (parent, folder, kind, storage)) in objects {
                let parent = if parent == 25 { u32::MAX } else { parent };
                let mut info = info(parent, folder, &format!("n{handle:02}"));
                info.storage = storage;
                let answer = match kind {
                    0 => Err(Fault::Refused("no".into())),
                    1 => Ok(Info { size_bytes: None, ..info }),
                    _ => Ok(info),
                };
                says.objects.insert(handle, answer);
            }
            let (page, known) = all(&mut says, page_entries).unwrap();
            let mut paths: Vec<&Vec<u8>> = page.files.iter().map(|e| &e.path).collect();
            paths.sort();
            prop_assert!(paths.windows(2).all(|w| w[0] != w[1]));
            let placed: HashSet<u32> = known.0.values().map(|place| place.handle).collect();
            let noted: Vec<String> =
                page.unreadable.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect();
            for handle in &says.told {
                let names = [format!("n{handle:02}"), format!("object {handle:08x}")];
                let told = noted.iter().any(|path| names.iter().any(|name| path.ends_with(name.as_str())));
                prop_assert!(placed.contains(handle) || told, "{handle} is neither placed nor told: {noted:?}");
            }
        }
    }
}
