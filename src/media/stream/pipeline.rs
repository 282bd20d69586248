//! The GStreamer pipeline of one RTSP connection: receive, put packets in order, take payloads apart, parse; every
//! sample, loss and message goes to one channel. Decodes nothing, writes nothing, decides nothing.
//!
//! What is set here and why: `buffer-mode=synced` (the others stretch times after a stall), `add-reference-timestamp-meta`
//! (the camera's own clock, from its RTCP sender reports), `rtcp-sync=initial` (sound and picture are aligned once; a
//! camera that sets its clock must not move them against each other later), `h264timestamper` (RTP carries no decoding
//! times), and no waiting for key frames in the depayloaders (at 1 % loss that throws most pictures away).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};
use gstreamer_rtp::RTPBuffer;
use gstreamer_sdp::SDPMessage;

use super::cutter::Incoming;
use super::fmp4::Codec;
use super::order::{Packets, Seen};
use super::trust;
use crate::domain::stream::{Source, Tell, Track, Transport};
use crate::runtime::clock::wall;

/// Packets may come this late and still find their place, milliseconds.
const TCP_LATENCY_MS: u32 = 200;
const UDP_LATENCY_MS: u32 = 500;
/// Seconds from 1900-01-01 (NTP) to 1970-01-01 (RFC 5905, 6).
const NTP_TO_UNIX_NS: u64 = 2_208_988_800 * 1_000_000_000;
/// The longest metadata document that is put together.
const DOCUMENT_BYTES: usize = 1 << 20;

/// What a pipeline tells.
pub enum Event {
    /// What the source offers, and of the lanes that are recorded whether each is a picture.
    Tracks(Vec<Track>, Vec<bool>),
    /// A lane's encoding.
    Codec(usize, Codec),
    /// A sample.
    Sample {
        /// Lane.
        lane: usize,
        /// The sample.
        sample: Incoming,
        /// The camera's clock, nanoseconds since the Unix epoch, once known.
        source_ns: Option<u64>,
        /// The station's clock when it came, milliseconds since the Unix epoch.
        came_ms: i64,
    },
    /// Packets of a lane never came: how many, and the running times of their neighbours, nanoseconds.
    Lost(usize, u64, u64, u64),
    /// The connection ended in order.
    Eos,
    /// It failed: in words, and whether trying again makes sense.
    Failed(String, bool),
    /// The daemon said something.
    Tell(Tell),
}

/// A running pipeline.
pub struct Pipeline {
    pipeline: gst::Pipeline,
    /// Packets that came, on all lanes.
    pub packets: Arc<AtomicU64>,
    /// Media bytes, likewise.
    pub bytes: Arc<AtomicU64>,
}

/// Why a pipeline cannot be made: something is not installed.
#[derive(Debug, thiserror::Error)]
#[error("a pipeline for this stream cannot be made; run `evidock doctor`")]
pub struct NoPipeline(#[from] glib::BoolError);

impl Pipeline {
    /// Connects.
    pub fn start(source: &Source, to: SyncSender<Event>) -> Result<Self, NoPipeline> {
        let pipeline = gst::Pipeline::new();
        let rtsp = make("rtspsrc")?;
        rtsp.set_property("location", &source.url);
        rtsp.set_property_from_str("protocols", if source.transport == Transport::Tcp { "tcp" } else { "udp" });
        rtsp.set_property("latency", if source.transport == Transport::Tcp { TCP_LATENCY_MS } else { UDP_LATENCY_MS });
        rtsp.set_property_from_str("buffer-mode", "synced");
        rtsp.set_property("add-reference-timestamp-meta", true);
        rtsp.set_property("user-agent", "evidock");
        // Microseconds. The watch over silence is ours; these end what hangs while connecting.
        rtsp.set_property("tcp-timeout", source.silence_ms * 1000);
        rtsp.set_property("timeout", source.silence_ms * 1000);
        if let Some(user) = &source.user {
            rtsp.set_property("user-id", user);
            rtsp.set_property("user-pw", source.password.as_deref().unwrap_or_default());
        }
        trust::judge(&rtsp, source);
        rtsp.connect("new-manager", false, |values| {
            if let Some(manager) = values.get(1).and_then(|m| m.get::<gst::Element>().ok()) {
                manager.set_property_from_str("rtcp-sync", "initial");
            }
            None
        });
        let lanes = Arc::new(std::sync::Mutex::new(Vec::<Option<usize>>::new()));
        let (known, told) = (Arc::clone(&lanes), to.clone());
        rtsp.connect("on-sdp", false, move |values| {
            let sdp = values.get(1)?.get::<SDPMessage>().ok()?;
            let (tracks, numbers) = offered(&sdp);
            let pictures = tracks.iter().filter(|t| t.kept).map(|t| t.media == "video").collect();
            *known.lock().unwrap_or_else(|e| e.into_inner()) = numbers;
            let _ = told.send(Event::Tracks(tracks, pictures));
            None
        });
        // What is not kept is not even asked for.
        let known = Arc::clone(&lanes);
        rtsp.connect("select-stream", false, move |values| {
            let n = values.get(1).and_then(|n| n.get::<u32>().ok()).unwrap_or(u32::MAX) as usize;
            let known = known.lock().unwrap_or_else(|e| e.into_inner());
            Some(known.get(n).copied().flatten().is_some().to_value())
        });
        let (packets, bytes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (weak, counted, summed, told) =
            (pipeline.downgrade(), Arc::clone(&packets), Arc::clone(&bytes), to.clone());
        rtsp.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            // recv_rtp_src_<stream>_<ssrc>_<payload type>
            let stream = pad.name().split('_').nth(3).and_then(|n| n.parse::<usize>().ok());
            let lane = stream.and_then(|n| lanes.lock().unwrap_or_else(|e| e.into_inner()).get(n).copied().flatten());
            let Some(lane) = lane else { return };
            watch_packets(pad, lane, Arc::clone(&counted), Arc::clone(&summed), told.clone());
            if let Err(error) = attach(&pipeline, pad, lane, told.clone()) {
                let _ = told.send(Event::Failed(format!("a track cannot be taken apart ({error})"), true));
            }
        });
        pipeline.add(&rtsp)?;
        if let Some(bus) = pipeline.bus() {
            bus.set_sync_handler(move |_, message| {
                heard(message, &to);
                gst::BusSyncReply::Drop
            });
        }
        let _ = pipeline.set_state(gst::State::Playing);
        Ok(Self { pipeline, packets, bytes })
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A source that hangs here is the daemon's to kill, with the whole process.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn make(factory: &str) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make(factory).build()
}

/// What a description offers, and the lane of each stream that is recorded.
pub fn offered(sdp: &SDPMessage) -> (Vec<Track>, Vec<Option<usize>>) {
    let mut lanes = 0;
    sdp.medias()
        .map(|media| {
            let kind = media.media().unwrap_or_default().to_owned();
            let format = media.format(0).and_then(|f| f.parse::<i32>().ok()).unwrap_or(-1);
            let named = media.caps_from_media(format);
            let named = named.as_ref().and_then(|c| c.structure(0)?.get::<String>("encoding-name").ok());
            // Static payload types of RFC 3551 need no name.
            let encoding = named.unwrap_or_else(|| match format {
                0 => "PCMU".to_owned(),
                8 => "PCMA".to_owned(),
                _ => "?".to_owned(),
            });
            let encoding: String = encoding.to_uppercase().chars().filter(|c| !c.is_control()).take(40).collect();
            let kept = chain(&encoding).is_some();
            let lane = kept.then_some(lanes);
            lanes += usize::from(kept);
            (Track { media: kind.chars().take(20).collect(), encoding, kept }, lane)
        })
        .unzip()
}

/// The elements that turn packets of an encoding into samples, and the form of those.
fn chain(encoding: &str) -> Option<(&'static [&'static str], &'static str)> {
    Some(match encoding {
        "H264" => (&["rtph264depay", "h264parse", "h264timestamper"], "video/x-h264,stream-format=avc,alignment=au"),
        "H265" => (&["rtph265depay", "h265parse", "h265timestamper"], "video/x-h265,stream-format=hvc1,alignment=au"),
        "MPEG4-GENERIC" => (&["rtpmp4gdepay", "aacparse"], "audio/mpeg,mpegversion=4,stream-format=raw"),
        "MP4A-LATM" => (&["rtpmp4adepay", "aacparse"], "audio/mpeg,mpegversion=4,stream-format=raw"),
        "PCMA" => (&["rtppcmadepay"], "audio/x-alaw"),
        "PCMU" => (&["rtppcmudepay"], "audio/x-mulaw"),
        "VND.ONVIF.METADATA" => (&[], "application/x-rtp"),
        _ => return None,
    })
}

fn attach(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    lane: usize,
    to: SyncSender<Event>,
) -> Result<(), Box<dyn std::error::Error>> {
    let caps = pad.current_caps().ok_or("it has no form")?;
    let encoding = caps.structure(0).and_then(|s| s.get::<String>("encoding-name").ok()).unwrap_or_default();
    let queue = make("queue")?;
    // The channel behind it is bounded; what does not fit waits in the connection, not in memory.
    queue.set_property("max-size-time", 2_000_000_000u64);
    queue.set_property("max-size-bytes", 16u32 << 20);
    queue.set_property("max-size-buffers", 0u32);
    pad.link(&take_apart(pipeline, &encoding, lane, to, Some(queue))?)?;
    Ok(())
}

/// Elements that turn packets of an encoding into samples, told on `to`; gives where the packets go in. Without a queue
/// they work in whichever thread brings the packets.
pub fn take_apart(
    pipeline: &gst::Pipeline,
    encoding: &str,
    lane: usize,
    to: SyncSender<Event>,
    queue: Option<gst::Element>,
) -> Result<gst::Pad, Box<dyn std::error::Error>> {
    let (elements, form) = chain(&encoding.to_uppercase()).ok_or("its encoding is not kept")?;
    let sink = AppSink::builder().sync(false).async_(false).max_buffers(0).caps(&form.parse::<gst::Caps>()?).build();
    if elements.is_empty() {
        let _ = to.send(Event::Codec(lane, Codec::Onvif));
    }
    let mut taker = Taker { lane, to, caps: None, document: Vec::new() };
    sink.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                taker.take(&sample).ok_or(gst::FlowError::Eos)
            })
            .build(),
    );
    let mut all = elements.iter().map(|name| make(name)).collect::<Result<Vec<_>, _>>()?;
    // Behind the parsers, so that threads change once a picture and not once a packet, of which there are some fifteen
    // times as many.
    all.extend(queue);
    all.push(sink.upcast());
    pipeline.add_many(&all)?;
    gst::Element::link_many(&all)?;
    for element in all.iter().rev() {
        element.sync_state_with_parent()?;
    }
    Ok(all[0].static_pad("sink").ok_or("it cannot be linked")?)
}

/// Turns a lane's buffers into samples.
struct Taker {
    lane: usize,
    to: SyncSender<Event>,
    caps: Option<gst::Caps>,
    document: Vec<u8>,
}

impl Taker {
    /// `None` when nobody listens any more.
    fn take(&mut self, sample: &gst::Sample) -> Option<gst::FlowSuccess> {
        let came_ms = wall().0;
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else { return Some(gst::FlowSuccess::Ok) };
        let metadata = caps.structure(0).is_some_and(|s| s.name() == "application/x-rtp");
        if !metadata && self.caps.as_deref() != Some(caps) {
            self.caps = Some(caps.to_owned());
            if let Some(codec) = codec_of(caps) {
                self.to.send(Event::Codec(self.lane, codec)).ok()?;
            }
        }
        // Without a time it has no place in a file. The timestampers shift their segment by a thousand hours, so that
        // decoding times need not be negative; running time is what all tracks share.
        let segment = sample.segment().and_then(|s| s.downcast_ref::<gst::ClockTime>());
        let (Some(stamp), Some(segment)) = (buffer.pts(), segment) else { return Some(gst::FlowSuccess::Ok) };
        let Some(pts) = segment.to_running_time(stamp) else { return Some(gst::FlowSuccess::Ok) };
        let ahead = stamp.nseconds().saturating_sub(buffer.dts().unwrap_or(stamp).nseconds());
        let source_ns = buffer
            .iter_meta::<gst::ReferenceTimestampMeta>()
            .find(|m| m.reference().structure(0).is_some_and(|s| s.name() == "timestamp/x-ntp"))
            .and_then(|m| m.timestamp().nseconds().checked_sub(NTP_TO_UNIX_NS));
        let data = if metadata { self.assemble(buffer)? } else { buffer.map_readable().ok()?.to_vec() };
        if data.is_empty() {
            return Some(gst::FlowSuccess::Ok);
        }
        let incoming = Incoming {
            pts_ns: pts.nseconds(),
            dts_ns: pts.nseconds().saturating_sub(ahead),
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            data,
        };
        self.to.send(Event::Sample { lane: self.lane, sample: incoming, source_ns, came_ms }).ok()?;
        Some(gst::FlowSuccess::Ok)
    }

    /// A document is whole with the packet that is marked (ONVIF Streaming Specification, 5.1.2.1.1).
    fn assemble(&mut self, buffer: &gst::BufferRef) -> Option<Vec<u8>> {
        let Ok(rtp) = RTPBuffer::from_buffer_readable(buffer) else { return Some(Vec::new()) };
        if let Ok(payload) = rtp.payload()
            && self.document.len() + payload.len() <= DOCUMENT_BYTES
        {
            self.document.extend_from_slice(payload);
        }
        Some(if rtp.is_marker() { std::mem::take(&mut self.document) } else { Vec::new() })
    }
}

fn codec_of(caps: &gst::CapsRef) -> Option<Codec> {
    let s = caps.structure(0)?;
    let config = || Some(s.get::<gst::Buffer>("codec_data").ok()?.map_readable().ok()?.to_vec());
    let whole = |name: &str| s.get::<i32>(name).ok().and_then(|n| u32::try_from(n).ok());
    let side = |name: &str| whole(name).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
    let channels = || whole("channels").and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
    Some(match s.name().as_str() {
        "video/x-h264" => Codec::H264 { width: side("width"), height: side("height"), config: config()? },
        "video/x-h265" => Codec::H265 { width: side("width"), height: side("height"), config: config()? },
        "audio/mpeg" => Codec::Aac { rate: whole("rate")?.max(1), channels: channels(), config: config()? },
        name @ ("audio/x-alaw" | "audio/x-mulaw") => Codec::G711 {
            a_law: name.ends_with("alaw"),
            rate: whole("rate").filter(|r| *r > 0).unwrap_or(8000),
            channels: channels(),
        },
        _ => return None,
    })
}

/// Counts packets where they leave the jitter buffer: in order, and for good.
fn watch_packets(pad: &gst::Pad, lane: usize, packets: Arc<AtomicU64>, bytes: Arc<AtomicU64>, to: SyncSender<Event>) {
    let seen = std::sync::Mutex::new(Packets::default());
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        let look = |buffer: &gst::BufferRef| {
            let (Ok(rtp), Some(pts)) = (RTPBuffer::from_buffer_readable(buffer), buffer.pts()) else { return };
            packets.fetch_add(1, Ordering::Relaxed);
            bytes.fetch_add(u64::from(rtp.payload_size()), Ordering::Relaxed);
            let mut seen = seen.lock().unwrap_or_else(|e| e.into_inner());
            if let Seen::Lost { count, from_ns } = seen.packet(rtp.seq(), pts.nseconds()) {
                let _ = to.send(Event::Lost(lane, count, from_ns, pts.nseconds()));
            }
        };
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => look(buffer),
            Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(look),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn heard(message: &gst::Message, to: &SyncSender<Event>) {
    use gst::MessageView as M;
    let told = match message.view() {
        M::Eos(_) => Event::Eos,
        M::Error(e) => {
            let error = e.error();
            let refused = error.matches(gst::ResourceError::NotAuthorized)
                || error.matches(gst::ResourceError::NotFound)
                || error.matches(gst::StreamError::CodecNotFound);
            // The last line of the details is what the server or the system said.
            let detail = e.debug().unwrap_or_default();
            let detail = detail.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default();
            let words = format!("{error} ({detail})");
            Event::Failed(words.chars().filter(|c| !c.is_control()).take(300).collect(), refused)
        }
        _ => return,
    };
    // From a streaming thread: where the channel is full, an earlier word says the same.
    let _ = to.try_send(told);
}
