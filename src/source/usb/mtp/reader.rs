//! One job each, on the recorder that the first job brought. Runs in a reader; keeps the session and where paths led.

use std::fs::File;
use std::time::Duration;

use super::device::{Device, DeviceError, Fault, Objects};
use super::link::OpenError;
use super::walk::{self, Folder, Known, Walk};
use super::wire::{Answer, BLOCK_BYTES, Job, Opened, StorageTold, Trouble};
use crate::domain::error::chain;
use crate::runtime::clock::monotonic;

/// A page of a listing is handed out after so long at the latest, so that the daemon sees that it goes on.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// The state between jobs.
#[derive(Default)]
pub struct Reader {
    open: Option<Open>,
}

struct Open {
    device: Device,
    read_only: bool,
    roots: Vec<Folder>,
    known: Known,
    walk: Option<Walk>,
}

type Answered = Result<(Answer, Vec<u8>), Trouble>;

impl Reader {
    /// Does one job.
    pub fn handle(&mut self, job: Job, file: Option<File>) -> (Answer, Vec<u8>) {
        self.answer(job, file).unwrap_or_else(|trouble| (Answer::Trouble(trouble), Vec::new()))
    }

    fn answer(&mut self, job: Job, file: Option<File>) -> Answered {
        if let Job::Open { read_only } = job {
            let Some(file) = file else { return Err(Trouble::Denied("no descriptor came with the job".to_owned())) };
            let (open, opened) = Open::new(file, read_only)?;
            self.open = Some(open);
            return Ok((Answer::Opened(opened), Vec::new()));
        }
        let Some(open) = &mut self.open else { return Err(Trouble::Failed("no recorder is open".to_owned())) };
        match job {
            Job::Open { .. } | Job::List => {
                open.look_for_storages()?;
                open.walk = Some(Walk::new(&open.roots));
                open.page()
            }
            Job::More => open.page(),
            Job::Stat { path } => {
                let found = open.find(&path)?;
                let entry = found.and_then(|(_, info)| walk::entry(&path, &info));
                Ok((Answer::Entry(entry), Vec::new()))
            }
            Job::Read { path, offset, len, size_bytes } => open.read(&path, offset, len, size_bytes),
            Job::Erase { path, size_bytes } => open.erase(&path, size_bytes),
        }
    }
}

impl Open {
    fn new(file: File, read_only: bool) -> Result<(Self, Opened), Trouble> {
        let mut device = Device::open(file).map_err(refused)?;
        let storages = storages(&mut device)?;
        let about = device.about().clone();
        let opened = Opened {
            manufacturer: about.manufacturer,
            model: about.model,
            serial: about.serial,
            clock: device.clock(),
            storages: storages.clone(),
        };
        let open = Self { device, read_only, roots: walk::roots(&storages), known: Known::default(), walk: None };
        Ok((open, opened))
    }

    /// A card may have been put in or a screen locked since.
    fn look_for_storages(&mut self) -> Result<(), Trouble> {
        let roots = walk::roots(&storages(&mut self.device)?);
        if roots != self.roots {
            self.roots = roots;
            self.known = Known::default();
        }
        Ok(())
    }

    fn page(&mut self) -> Answered {
        let Some(walk) = &mut self.walk else { return Err(Trouble::Failed("no listing was begun".to_owned())) };
        let until = monotonic() + PAGE_TIME;
        let (page, more) = walk.page(&mut self.device, &mut || monotonic() >= until)?;
        if !more && let Some(walk) = self.walk.take() {
            self.known = walk.into_known();
        }
        let body = serde_json::to_vec(&page).map_err(|e| Trouble::Failed(e.to_string()))?;
        Ok((Answer::Page { more }, body))
    }

    fn find(&mut self, path: &[u8]) -> Result<Option<(walk::Place, super::dataset::Info)>, Trouble> {
        Ok(self.known.find(&mut self.device, &self.roots, path)?)
    }

    fn read(&mut self, path: &[u8], offset: u64, len: u32, size_bytes: u64) -> Answered {
        let (place, info) = self.find(path)?.ok_or(Trouble::Missing)?;
        let now = info.size_bytes.unwrap_or(0);
        let end = offset.checked_add(len.into()).filter(|end| len <= BLOCK_BYTES && *end <= size_bytes);
        if end.is_none() {
            return Err(Trouble::Unsupported("read past the end of a file".to_owned()));
        }
        if now < size_bytes {
            return Err(Trouble::Changed(format!("it had {size_bytes} bytes and now has {now}")));
        }
        let bytes = self.device.read(place.handle, offset, len, now)?;
        Ok((Answer::Bytes, bytes))
    }

    fn erase(&mut self, path: &[u8], size_bytes: u64) -> Answered {
        if self.read_only {
            return Err(Trouble::Unsupported("erase: it is read-only to us".to_owned()));
        }
        let (place, info) = self.find(path)?.ok_or(Trouble::Missing)?;
        if info.size_bytes != Some(size_bytes) {
            return Err(Trouble::Changed(format!("{size_bytes} bytes were proven and it has {:?}", info.size_bytes)));
        }
        if !place.alone {
            // Which of two has the plain name may change when the folder does.
            return Err(Trouble::Unsupported("erase one of several files of the same name".to_owned()));
        }
        self.device.delete(place.handle)?;
        self.known.forget(path);
        match self.device.info(place.handle) {
            Err(Fault::NotThere) => {}
            Err(fault) => return Err(fault.into()),
            Ok(_) => return Err(Trouble::Failed("it says that it erased a file and has it still".to_owned())),
        }
        match self.find(path)? {
            None => Ok((Answer::Erased, Vec::new())),
            Some(_) => Err(Trouble::Failed("after it was erased, a file of the same name stands there".to_owned())),
        }
    }
}

fn storages(device: &mut Device) -> Result<Vec<StorageTold>, Trouble> {
    let storages = device.storages()?;
    if storages.is_empty() { Err(Trouble::NoStorage) } else { Ok(storages) }
}

fn refused(error: DeviceError) -> Trouble {
    use mtp_rs::ptp::PtpError;
    match error {
        DeviceError::Session(fault) => fault.into(),
        DeviceError::Link(OpenError::Interface(PtpError::Disconnected)) => Trouble::Gone("it is gone".to_owned()),
        other => Trouble::Denied(chain(&other)),
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Gone(why) => Self::Gone(why),
            Fault::NotThere => Self::Missing,
            refused @ Fault::Refused(_) => Self::Failed(refused.to_string()),
            broken @ Fault::Broken(_) => Self::Failed(broken.to_string()),
        }
    }
}
