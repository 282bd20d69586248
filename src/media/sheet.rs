//! A contact sheet: pictures evenly spread over a clip, in one JPEG. Runs inside a worker; decodes hostile bytes. A
//! derived picture, never evidence (invariant 6).

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use super::decoded::{Decoded, Wanted};
use super::structure::ReadAt;
use crate::domain::derived::{SHEET_COLUMNS, SHEET_PICTURES, TILE_HEIGHT_PX, TILE_WIDTH_PX, sheet_points};
use crate::runtime::clock::monotonic;

/// Nobody waits longer than this for a sheet; pictures that were not made by then stay empty.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a pixel in the form that tiles have.
const PIXEL_BYTES: usize = 4;

/// A sheet of a clip of so many milliseconds (its own word, where that is not known); `None` where no picture can be had.
pub fn sheet<F: ReadAt + Send + Sync + 'static>(file: Arc<F>, clip_ms: Option<u64>) -> Option<Vec<u8>> {
    let decoded = Decoded::open(
        file,
        &Wanted {
            // Scaled before it is turned: only the decoder holds pictures of full size. Then fitted into the tile.
            pictures: Some(format!(
                "videoconvertscale ! video/x-raw,format=I420,pixel-aspect-ratio=1/1,width=[16,{TILE_WIDTH_PX}],height=[16,{TILE_WIDTH_PX}] \
                 ! videoflip video-direction=auto ! videoconvertscale add-borders=true \
                 ! video/x-raw,format=RGBx,pixel-aspect-ratio=1/1,width={TILE_WIDTH_PX},height={TILE_HEIGHT_PX}"
            )),
            sound: None,
            threads: 1,
            mark: None,
        },
    )?;
    let pictures = decoded.pictures.as_ref()?;
    let length_ms = clip_ms.or_else(|| decoded.length().map(gst::ClockTime::mseconds))?;
    let begun = monotonic();
    let mut canvas = Canvas::new();
    for (n, at_ms) in sheet_points(length_ms).into_iter().enumerate() {
        if begun.elapsed() > PATIENCE {
            break;
        }
        if !decoded.seek(gst::SeekFlags::KEY_UNIT, gst::ClockTime::from_mseconds(at_ms), None) {
            continue;
        }
        let sample = pictures.try_pull_preroll(gst::ClockTime::ZERO);
        if let Some(map) = sample.as_ref().and_then(|s| s.buffer()).and_then(|b| b.map_readable().ok()) {
            canvas.place(n, &map);
        }
    }
    drop(decoded);
    (canvas.placed > 0).then(|| jpeg(canvas.pixels)).flatten()
}

struct Canvas {
    pixels: Vec<u8>,
    placed: u32,
}

const ROWS: u32 = SHEET_PICTURES.div_ceil(SHEET_COLUMNS);
const WIDTH_PX: u32 = SHEET_COLUMNS * TILE_WIDTH_PX;
const HEIGHT_PX: u32 = ROWS * TILE_HEIGHT_PX;

impl Canvas {
    fn new() -> Self {
        Self { pixels: vec![24; WIDTH_PX as usize * HEIGHT_PX as usize * PIXEL_BYTES], placed: 0 }
    }

    /// Copies a tile of exactly the tiles' size to its place; any other is left out.
    fn place(&mut self, n: usize, tile: &[u8]) {
        let (row_bytes, rows) = (TILE_WIDTH_PX as usize * PIXEL_BYTES, TILE_HEIGHT_PX as usize);
        if tile.len() != row_bytes * rows {
            return;
        }
        let columns = SHEET_COLUMNS as usize;
        let (left, top) = (n % columns * row_bytes, n / columns * rows);
        let canvas_row = WIDTH_PX as usize * PIXEL_BYTES;
        for (y, row) in tile.chunks_exact(row_bytes).enumerate() {
            let at = (top + y) * canvas_row + left;
            if let Some(place) = self.pixels.get_mut(at..at + row_bytes) {
                place.copy_from_slice(row);
            }
        }
        self.placed += 1;
    }
}

fn jpeg(pixels: Vec<u8>) -> Option<Vec<u8>> {
    let description = format!(
        "appsrc name=source format=time ! video/x-raw,format=RGBx,width={WIDTH_PX},height={HEIGHT_PX},framerate=0/1 \
         ! videoconvertscale ! video/x-raw,format=I420 ! jpegenc quality=80 ! appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&description).ok()?.downcast::<gst::Pipeline>().ok()?;
    let source = pipeline.by_name("source")?.downcast::<AppSrc>().ok()?;
    let sink = pipeline.by_name("sink")?.downcast::<AppSink>().ok()?;
    pipeline.set_state(gst::State::Playing).ok()?;
    let pushed = source.push_buffer(gst::Buffer::from_mut_slice(pixels)).and_then(|_| source.end_of_stream());
    let sample = pushed.ok().and_then(|_| sink.try_pull_sample(gst::ClockTime::from_seconds(5)));
    let bytes = sample.as_ref().and_then(|s| s.buffer()).and_then(|b| b.map_readable().ok()).map(|b| b.to_vec());
    let _ = pipeline.set_state(gst::State::Null);
    bytes.filter(|b| !b.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_stand_where_the_page_looks_for_them() {
        let mut canvas = Canvas::new();
        let tile = vec![200; TILE_WIDTH_PX as usize * TILE_HEIGHT_PX as usize * PIXEL_BYTES];
        canvas.place(SHEET_COLUMNS as usize + 1, &tile);
        canvas.place(0, &tile[1..]);
        assert_eq!(canvas.placed, 1, "a tile of another size is none");
        let pixel = |x: u32, y: u32| canvas.pixels[(y * WIDTH_PX + x) as usize * PIXEL_BYTES];
        assert_eq!(pixel(TILE_WIDTH_PX, TILE_HEIGHT_PX), 200);
        assert_eq!(pixel(2 * TILE_WIDTH_PX - 1, 2 * TILE_HEIGHT_PX - 1), 200);
        assert_eq!((pixel(0, 0), pixel(TILE_WIDTH_PX - 1, TILE_HEIGHT_PX)), (24, 24));
    }
}
