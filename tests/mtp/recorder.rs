//! A recorder that speaks MTP, in memory: the device's side of the protocol (PIMA 15740 and MTP 1.1), written without
//! the library that the program uses. It is served on a socket in place of a USB device, and does on request what
//! recorders should not do.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType};

pub const STORAGE: u32 = 0x0001_0001;
const OK: u16 = 0x2001;
const BAD_HANDLE: u16 = 0x2009;
const NOT_SUPPORTED: u16 = 0x2005;
const DATA: u16 = 2;
const RESPONSE: u16 = 3;

pub const GET_HANDLES: u16 = 0x1007;
pub const GET_INFO: u16 = 0x1008;
pub const GET_OBJECT: u16 = 0x1009;
pub const DELETE: u16 = 0x100b;
pub const PARTIAL: u16 = 0x101b;
pub const PARTIAL64: u16 = 0x95c1;
pub const PROP_VALUE: u16 = 0x9803;

/// What a hook answers in place of the recorder.
pub enum Reply {
    /// Data, if any, and a response code.
    Plain(Option<Vec<u8>>, u16),
    /// These transfers, as they are.
    Raw(Vec<Vec<u8>>),
    /// Nothing at all.
    Silence,
}

pub type Hook = Box<dyn FnMut(u16, &[u32]) -> Option<Reply> + Send>;

/// How data that fills its last packet ends.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// With an empty packet, as USB has it.
    EmptyPacket,
    /// With nothing: the response comes in the same transfer.
    Merged,
}

pub struct State {
    pub objects: BTreeMap<u32, Object>,
    pub storages: Vec<(u32, &'static str)>,
    pub operations: Vec<u16>,
    pub clock: Option<&'static str>,
    /// Times get this at their end.
    pub zone: &'static str,
    /// What objects at the root say their parent is.
    pub root_marker: u32,
    /// Asked for the root, it lists everything.
    pub root_lists_all: bool,
    pub refuses_all_ones: bool,
    pub longest_piece: usize,
    pub end: End,
    pub hook: Option<Hook>,
    /// Operations asked for, in order.
    pub asked: Vec<(u16, Vec<u32>)>,
    next: u32,
    lines: Vec<(OwnedFd, Option<JoinHandle<()>>)>,
    pulled: bool,
}

#[derive(Clone)]
pub struct Object {
    pub storage: u32,
    pub parent: u32,
    pub name: Vec<u16>,
    pub folder: bool,
    pub bytes: Content,
    pub created: String,
    pub modified: String,
}

/// Bytes of a file, given or made up.
#[derive(Clone)]
pub enum Content {
    These(Vec<u8>),
    /// So many, each from its place: nobody keeps 5 GB in memory.
    Sparse(u64),
}

/// The byte of a made-up file at a place.
pub fn made_up(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Self::These(bytes) => bytes.len() as u64,
            Self::Sparse(len) => *len,
        }
    }

    fn at(&self, from: u64, to: u64) -> Vec<u8> {
        let (from, to) = (from.min(self.len()), to.min(self.len()));
        match self {
            Self::These(bytes) => bytes[from as usize..to as usize].to_vec(),
            Self::Sparse(_) => (from..to).map(made_up).collect(),
        }
    }
}

#[derive(Clone)]
pub struct Recorder(Arc<Mutex<State>>);

impl Recorder {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            storages: vec![(STORAGE, "Internal storage")],
            operations: vec![
                0x1001,
                0x1002,
                0x1003,
                0x1004,
                0x1005,
                GET_HANDLES,
                GET_INFO,
                GET_OBJECT,
                DELETE,
                0x1014,
                0x1015,
                PARTIAL,
                PARTIAL64,
                PROP_VALUE,
            ],
            clock: None,
            zone: "",
            root_marker: 0,
            root_lists_all: false,
            refuses_all_ones: false,
            longest_piece: usize::MAX,
            end: End::EmptyPacket,
            hook: None,
            asked: Vec::new(),
            next: 1,
            lines: Vec::new(),
            pulled: false,
        })))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn hook(&self, hook: impl FnMut(u16, &[u32]) -> Option<Reply> + Send + 'static) {
        self.state().hook = Some(Box::new(hook));
    }

    /// Puts a file, with the folders on its way; gives its handle.
    pub fn put(&self, path: &str, content: Content, created: &str, modified: &str) -> u32 {
        let mut state = self.state();
        let mut parent = 0;
        let mut components: Vec<&str> = path.split('/').collect();
        let name = components.pop().unwrap();
        for folder in components {
            let units: Vec<u16> = folder.encode_utf16().collect();
            let found = state.objects.iter().find(|(_, o)| o.folder && o.parent == parent && o.name == units);
            parent = match found {
                Some((handle, _)) => *handle,
                None => state.add(parent, units, true, Content::These(vec![]), "", ""),
            };
        }
        state.add(parent, name.encode_utf16().collect(), false, content, created, modified)
    }

    /// The handle of a file.
    pub fn find(&self, path: &str) -> u32 {
        let state = self.state();
        let mut at = 0;
        for component in path.split('/') {
            let units: Vec<u16> = component.encode_utf16().collect();
            at = *state.objects.iter().find(|(_, o)| o.parent == at && o.name == units).unwrap().0;
        }
        at
    }

    /// Plugs it in: the other end of a socket on which it answers.
    pub fn plug_in(&self) -> File {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        rustix::net::sockopt::set_socket_timeout(
            &theirs,
            rustix::net::sockopt::Timeout::Recv,
            Some(Duration::from_secs(5)),
        )
        .unwrap();
        if self.state().pulled {
            return File::from(theirs);
        }
        let (line, me) = (ours.try_clone().unwrap(), self.clone());
        let thread = std::thread::spawn(move || serve(&me, &line));
        self.state().lines.push((ours, Some(thread)));
        File::from(theirs)
    }

    /// Pulls it out.
    pub fn pull(&self) {
        let mut state = self.state();
        state.pulled = true;
        let lines = std::mem::take(&mut state.lines);
        drop(state);
        for (line, thread) in lines {
            let _ = rustix::net::shutdown(&line, Shutdown::Both);
            if let Some(thread) = thread {
                thread.join().unwrap();
            }
        }
    }
}

impl State {
    fn add(&mut self, parent: u32, name: Vec<u16>, folder: bool, bytes: Content, created: &str, modified: &str) -> u32 {
        let handle = self.next;
        self.next += 1;
        let (storage, created, modified) = (STORAGE, created.to_owned(), modified.to_owned());
        self.objects.insert(handle, Object { storage, parent, name, folder, bytes, created, modified });
        handle
    }

    fn answer(&mut self, operation: u16, params: &[u32]) -> (Option<Vec<u8>>, u16) {
        if !self.operations.contains(&operation) {
            return (None, NOT_SUPPORTED);
        }
        let param = |n: usize| params.get(n).copied().unwrap_or(0);
        let object = self.objects.get(&param(0));
        match operation {
            0x1001 => (Some(self.device_info()), OK),
            0x1002 | 0x1003 => (None, OK),
            0x1004 => (Some(numbers(self.storages.iter().map(|s| s.0))), OK),
            0x1005 => match self.storages.iter().find(|s| s.0 == param(0)) {
                Some((_, name)) => (Some(storage_info(name)), OK),
                None => (None, 0x2008),
            },
            GET_HANDLES => {
                let asked = param(2);
                if asked == u32::MAX && self.refuses_all_ones {
                    return (None, BAD_HANDLE);
                }
                let everything = match asked {
                    u32::MAX => self.root_lists_all,
                    0 => !self.refuses_all_ones,
                    _ => false,
                };
                let parent = if asked == u32::MAX { 0 } else { asked };
                if parent != 0 && !self.objects.get(&parent).is_some_and(|o| o.folder) {
                    return (None, BAD_HANDLE);
                }
                let here = self.objects.iter().filter(|(_, o)| o.storage == param(0));
                (Some(numbers(here.filter(|(_, o)| everything || o.parent == parent).map(|(h, _)| *h))), OK)
            }
            GET_INFO => match object {
                Some(object) => (Some(self.object_info(object)), OK),
                None => (None, BAD_HANDLE),
            },
            PROP_VALUE if param(1) == 0xdc04 => match object {
                Some(object) => (Some(object.bytes.len().to_le_bytes().to_vec()), OK),
                None => (None, BAD_HANDLE),
            },
            0x1015 => match self.clock {
                Some(clock) if param(0) == 0x5011 => (Some(string(clock)), OK),
                _ => (None, 0x200a),
            },
            GET_OBJECT => match object {
                Some(object) => (Some(object.bytes.at(0, u64::MAX)), OK),
                None => (None, BAD_HANDLE),
            },
            PARTIAL | PARTIAL64 => {
                let (offset, len) = match operation {
                    PARTIAL => (param(1).into(), param(2)),
                    _ => (u64::from(param(1)) | u64::from(param(2)) << 32, param(3)),
                };
                let len = u64::from(len).min(self.longest_piece as u64);
                match object {
                    Some(object) => (Some(object.bytes.at(offset, offset + len)), OK),
                    None => (None, BAD_HANDLE),
                }
            }
            DELETE => match self.objects.remove(&param(0)) {
                Some(_) => (None, OK),
                None if param(0) == u32::MAX => {
                    self.objects.clear();
                    (None, OK)
                }
                None => (None, BAD_HANDLE),
            },
            _ => (None, NOT_SUPPORTED),
        }
    }

    fn device_info(&self) -> Vec<u8> {
        let mut bytes = [&100u16.to_le_bytes()[..], &6u32.to_le_bytes(), &100u16.to_le_bytes()].concat();
        bytes.extend(string("microsoft.com: 1.0; android.com: 1.0;"));
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(codes(&self.operations));
        bytes.extend(codes(&[]));
        bytes.extend(codes(if self.clock.is_some() { &[0x5011] } else { &[] }));
        bytes.extend(codes(&[]));
        bytes.extend(codes(&[0x3001, 0xb982]));
        for text in ["Acme", "Recorder", "1.0", "SN-1"] {
            bytes.extend(string(text));
        }
        bytes
    }

    fn object_info(&self, object: &Object) -> Vec<u8> {
        let mut bytes = object.storage.to_le_bytes().to_vec();
        bytes.extend(if object.folder { 0x3001u16 } else { 0xb982 }.to_le_bytes());
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(u32::try_from(object.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend([0; 26]);
        bytes.extend(if object.parent == 0 { self.root_marker } else { object.parent }.to_le_bytes());
        bytes.extend(u16::from(object.folder).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(string_of(&object.name));
        for time in [&object.created, &object.modified] {
            bytes.extend(string(&if time.is_empty() { String::new() } else { format!("{time}{}", self.zone) }));
        }
        bytes.extend(string(""));
        bytes
    }
}

fn numbers(all: impl Iterator<Item = u32>) -> Vec<u8> {
    let all: Vec<u32> = all.collect();
    std::iter::once(all.len() as u32).chain(all).flat_map(u32::to_le_bytes).collect()
}

fn codes(all: &[u16]) -> Vec<u8> {
    [&(all.len() as u32).to_le_bytes()[..], &all.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<u8>>()].concat()
}

fn string(text: &str) -> Vec<u8> {
    string_of(&text.encode_utf16().collect::<Vec<u16>>())
}

fn string_of(units: &[u16]) -> Vec<u8> {
    if units.is_empty() {
        return vec![0];
    }
    assert!(units.len() <= 254, "MTP holds no longer text");
    let mut bytes = vec![units.len() as u8 + 1];
    bytes.extend(units.iter().chain(&[0]).flat_map(|u| u.to_le_bytes()));
    bytes
}

fn storage_info(name: &str) -> Vec<u8> {
    let mut bytes = [3u16.to_le_bytes(), 2u16.to_le_bytes(), 0u16.to_le_bytes()].concat();
    bytes.extend((64u64 << 30).to_le_bytes());
    bytes.extend((1u64 << 30).to_le_bytes());
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend(string(name));
    bytes.extend(string(""));
    bytes
}

/// A container.
pub fn container(kind: u16, code: u16, transaction: u32, payload: &[u8]) -> Vec<u8> {
    let length = 12 + payload.len() as u32;
    [&length.to_le_bytes()[..], &kind.to_le_bytes(), &code.to_le_bytes(), &transaction.to_le_bytes(), payload].concat()
}

fn serve(recorder: &Recorder, line: &OwnedFd) {
    let mut message = vec![0; 1 << 16];
    loop {
        let Ok(n @ 1..) = rustix::io::read(line, &mut message) else { return };
        if message[0] == 1 {
            // A cancelled transfer: everything that was to come has been sent by now, and is passed over.
            if rustix::io::write(line, &[1]).is_err() {
                return;
            }
            continue;
        }
        let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
        let (operation, transaction) = ((word(5) >> 16) as u16, word(9));
        let params: Vec<u32> = (13..n).step_by(4).map(word).collect();
        let mut state = recorder.state();
        state.asked.push((operation, params.clone()));
        let mut hook = state.hook.take();
        drop(state);
        let hooked = hook.as_mut().and_then(|hook| hook(operation, &params));
        let mut state = recorder.state();
        if state.hook.is_none() {
            state.hook = hook;
        }
        let (data, code) = match hooked {
            None => state.answer(operation, &params),
            Some(Reply::Plain(data, code)) => (data, code),
            Some(Reply::Raw(transfers)) => {
                drop(state);
                if transfers.iter().any(|t| transfer(line, t).is_err()) {
                    return;
                }
                continue;
            }
            Some(Reply::Silence) => continue,
        };
        let end = state.end;
        drop(state);
        let mut response = container(RESPONSE, code, transaction, &[]);
        if let Some(data) = data {
            let mut bytes = container(DATA, operation, transaction, &data);
            if bytes.len().is_multiple_of(512) {
                match end {
                    End::EmptyPacket => {}
                    End::Merged => bytes.append(&mut response),
                }
            }
            let whole = bytes.len().is_multiple_of(512);
            if transfer(line, &bytes).is_err() || (whole && rustix::io::write(line, &[0]).is_err()) {
                return;
            }
        }
        if !response.is_empty() && transfer(line, &response).is_err() {
            return;
        }
    }
}

/// Sends one transfer, in the pieces that the bus would make of it.
fn transfer(line: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<()> {
    for piece in bytes.chunks(64 << 10) {
        rustix::io::write(line, &[&[0], piece].concat())?;
    }
    Ok(())
}
