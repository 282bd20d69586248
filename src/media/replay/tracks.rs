//! The tracks of a description, and GStreamer's elements that turn their packets into samples: in the thread that brings
//! the packets, one after the other, so that the same packets give the same samples in the same order. Runs inside a worker.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_sdp::SDPMessage;

use super::message::Malformed;
use super::rtsp::range_of;
use super::soap::AskError;
use crate::domain::replay::Timeline;
use crate::domain::stream::Track;
use crate::media::stream::pipeline::{Event, offered, take_apart};

/// Samples that one packet can hold at most: 65,535 bytes of NAL units of three bytes each (RFC 6184, 5.7.1).
const QUEUE: usize = 32_768;
/// Most tracks: each takes two of 256 channels.
const MAX_TRACKS: usize = 16;

/// A track that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// As RTP names it.
    pub encoding: String,
    /// A picture.
    pub picture: bool,
    /// Ticks of RTP time a second.
    pub rate: u32,
    /// Its address in the description.
    pub control: String,
    /// GStreamer's form of its packets.
    caps: gst::Caps,
}

/// What a description offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Every track.
    pub tracks: Vec<Track>,
    /// Those that are fetched.
    pub lanes: Vec<Lane>,
    /// From when to when, where it tells.
    pub range: Option<(Timeline, i64, i64)>,
}

impl Offer {
    /// Reads a description (RFC 4566).
    pub fn read(sdp: &[u8]) -> Result<Self, AskError> {
        let odd = |what| AskError::Malformed(Malformed::Odd(what));
        // RFC 4566, 5; GStreamer takes other bytes, and then complains about each.
        if std::str::from_utf8(sdp).is_err() {
            return Err(odd("a description that is no text"));
        }
        let sdp = SDPMessage::parse_buffer(sdp).map_err(|_| odd("a description that cannot be read"))?;
        let (tracks, numbers) = offered(&sdp);
        if tracks.len() > MAX_TRACKS {
            return Err(odd("a description of more tracks than anything sensible"));
        }
        let mut lanes = Vec::new();
        for (media, number) in sdp.medias().zip(&numbers) {
            if number.is_none() {
                continue;
            }
            let format = media.format(0).and_then(|f| f.parse::<i32>().ok()).unwrap_or(-1);
            let mut caps =
                media.caps_from_media(format).unwrap_or_else(|| gst::Caps::new_empty_simple("application/x-rtp"));
            let kind = media.media().unwrap_or_default().to_owned();
            let caps = {
                let made = caps.make_mut();
                // caps_from_media says that it does not know which protocol brings them.
                made.iter_mut().for_each(|s| s.set_name("application/x-rtp"));
                media.attributes_to_caps(made).map_err(|_| odd("a track that cannot be read"))?;
                if let Some(s) = made.structure_mut(0) {
                    s.set("media", &kind);
                    // Static payload types of RFC 3551 need no more than their number.
                    if s.get::<i32>("clock-rate").is_err() {
                        s.set("clock-rate", 8_000i32);
                    }
                    if s.get::<String>("encoding-name").is_err() {
                        s.set("encoding-name", if format == 0 { "PCMU" } else { "PCMA" });
                    }
                }
                caps
            };
            let structure = caps.structure(0);
            let rate = structure.and_then(|s| s.get::<i32>("clock-rate").ok()).and_then(|r| u32::try_from(r).ok());
            let encoding = structure.and_then(|s| s.get::<String>("encoding-name").ok()).unwrap_or_default();
            lanes.push(Lane {
                encoding: encoding.to_uppercase(),
                picture: kind == "video",
                rate: rate.unwrap_or(90_000).max(1),
                control: media.attribute_val("control").unwrap_or_default().to_owned(),
                caps,
            });
        }
        let range = sdp.attribute_val("range").and_then(range_of);
        let range = range.or_else(|| sdp.medias().find_map(|m| m.attribute_val("range").and_then(range_of)));
        Ok(Self { tracks, lanes, range })
    }
}

/// Elements for every lane, running.
pub struct TakenApart {
    pipeline: gst::Pipeline,
    pads: Vec<gst::Pad>,
    /// What came out.
    pub events: Receiver<Event>,
}

impl TakenApart {
    /// For these lanes.
    pub fn new(lanes: &[Lane]) -> Result<Self, Box<dyn std::error::Error>> {
        let pipeline = gst::Pipeline::new();
        let (to, events) = sync_channel(QUEUE);
        pipeline.set_state(gst::State::Playing)?;
        let mut this = Self { pipeline, pads: Vec::new(), events };
        for (n, lane) in lanes.iter().enumerate() {
            let pad = this.lane(n, lane, to.clone())?;
            this.pads.push(pad);
        }
        if let Some(bus) = this.pipeline.bus() {
            // What elements complain about shows in what does not come out of them.
            bus.set_sync_handler(|_, _| gst::BusSyncReply::Drop);
        }
        Ok(this)
    }

    fn lane(&self, n: usize, lane: &Lane, to: SyncSender<Event>) -> Result<gst::Pad, Box<dyn std::error::Error>> {
        let first = take_apart(&self.pipeline, &lane.encoding, n, to, None)?;
        let pad = gst::Pad::builder(gst::PadDirection::Src).name(format!("lane_{n}")).build();
        pad.set_active(true)?;
        pad.link(&first)?;
        pad.push_event(gst::event::StreamStart::new(&format!("lane-{n}")));
        pad.push_event(gst::event::Caps::new(&lane.caps));
        pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        Ok(pad)
    }

    /// A packet of a lane, with its moment on the pipeline's time line. `false` where its elements take no more.
    pub fn push(&self, lane: usize, packet: &[u8], at_ns: u64) -> bool {
        let Some(pad) = self.pads.get(lane) else { return false };
        let mut buffer = gst::Buffer::from_slice(packet.to_vec());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(at_ns));
        }
        pad.push(buffer).is_ok()
    }

    /// Nothing follows: what elements keep back comes out.
    pub fn end(&self) {
        for pad in &self.pads {
            pad.push_event(gst::event::Eos::new());
        }
    }
}

impl Drop for TakenApart {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=range:npt=0-12.5\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\na=control:stream=0\r\n\
        m=audio 0 RTP/AVP 8\r\na=control:stream=1\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\na=control:stream=2\r\n";

    #[test]
    fn what_a_description_offers() {
        gst::init().unwrap();
        let offer = Offer::read(SDP.as_bytes()).unwrap();
        assert_eq!(offer.range, Some((Timeline::Npt, 0, 12_500)));
        assert_eq!(offer.tracks.iter().map(|t| t.kept).collect::<Vec<_>>(), [true, true, false]);
        let lanes: Vec<_> =
            offer.lanes.iter().map(|l| (l.encoding.as_str(), l.picture, l.rate, l.control.as_str())).collect();
        assert_eq!(lanes, [("H264", true, 90_000, "stream=0"), ("PCMA", false, 8_000, "stream=1")]);
        assert!(TakenApart::new(&offer.lanes).is_ok());
        let many = format!("{SDP}{}", "m=audio 0 RTP/AVP 8\r\n".repeat(40));
        assert!(Offer::read(many.as_bytes()).is_err());
    }

    #[test]
    fn packets_of_sound_come_out_in_the_thread_that_brings_them() {
        gst::init().unwrap();
        let offer = Offer::read(SDP.as_bytes()).unwrap();
        let apart = TakenApart::new(&offer.lanes).unwrap();
        let mut packet = vec![0x80, 8, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
        packet.extend_from_slice(&[0xd5; 160]);
        assert!(apart.push(1, &packet, 40_000_000));
        let came: Vec<Event> = apart.events.try_iter().collect();
        assert!(matches!(came[0], Event::Codec(1, _)));
        let Event::Sample { lane: 1, sample, .. } = &came[1] else { panic!() };
        assert_eq!((sample.pts_ns, sample.data.len()), (40_000_000, 160));
        assert!(!apart.push(9, &packet, 0));
    }

    proptest! {
        #[test]
        fn mutated_descriptions_end(at in 0usize..400, with in any::<u8>(), cut in 1usize..400) {
            gst::init().unwrap();
            let mut bytes = SDP.as_bytes().to_vec();
            let n = bytes.len();
            bytes[at % n] = with;
            bytes.truncate(cut.max(n / 3));
            if let Ok(offer) = Offer::read(&bytes) {
                let _ = TakenApart::new(&offer.lanes);
            }
        }
    }
}
