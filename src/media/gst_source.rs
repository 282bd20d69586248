//! Hands bytes to a GStreamer pipeline without a name: the sandboxed worker cannot open files, it has only the descriptor
//! that came with the job, or a daemon that reads for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer_app::{AppSrc, AppSrcCallbacks, AppStreamType};

use super::structure::{Opened, ReadAt};

/// Most that is read at once, whatever a demuxer asks for (MP4 indexes are asked for whole).
const READ_MAX_BYTES: u32 = 256 << 20;

/// A larger picture is not decoded: 4K at 32 bits a pixel is half of it.
const PICTURE_MAX_BYTES: u64 = 64 << 20;

/// Makes `source` serve `file` with random access (GStreamer's pull mode, which demuxers of real files want).
pub fn serve<F: ReadAt + Send + Sync + 'static>(source: &AppSrc, file: Arc<F>) {
    source.set_format(gst::Format::Bytes);
    source.set_stream_type(AppStreamType::RandomAccess);
    source.set_size(i64::try_from(file.size_bytes()).unwrap_or(-1));
    let position = Arc::new(AtomicU64::new(0));
    let sought = Arc::clone(&position);
    source.set_callbacks(
        AppSrcCallbacks::builder()
            .seek_data(move |_, offset| {
                sought.store(offset, Ordering::SeqCst);
                true
            })
            .need_data(move |source, wanted| {
                let at = position.load(Ordering::SeqCst);
                // In push mode GStreamer names no length.
                let wanted = if wanted == u32::MAX { 64 << 10 } else { wanted.min(READ_MAX_BYTES) };
                let mut bytes = vec![0; wanted as usize];
                let n = file.read_at(at, &mut bytes).unwrap_or(0);
                bytes.truncate(n);
                let end = at + n as u64;
                position.store(end, Ordering::SeqCst);
                // A pipeline that is being torn down refuses; it asks no more.
                let _ = if n == 0 {
                    source.end_of_stream()
                } else {
                    let mut buffer = gst::Buffer::from_mut_slice(bytes);
                    if let Some(buffer) = buffer.get_mut() {
                        buffer.set_offset(at);
                        buffer.set_offset_end(end);
                    }
                    source.push_buffer(buffer)
                };
            })
            .build(),
    );
}

/// Makes `source` serve a small `file` as one buffer, for decoders that want a picture whole.
pub fn serve_in_one(source: &AppSrc, file: Arc<Opened>) {
    let callbacks = AppSrcCallbacks::builder().need_data(move |source, _| {
        let mut bytes = vec![0; usize::try_from(file.size_bytes.min(PICTURE_MAX_BYTES)).unwrap_or(0)];
        let n = file.read_at(0, &mut bytes).unwrap_or(0);
        bytes.truncate(n);
        let _ = source.push_buffer(gst::Buffer::from_mut_slice(bytes));
        let _ = source.end_of_stream();
    });
    source.set_callbacks(callbacks.build());
}
