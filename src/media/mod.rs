//! GStreamer and MP4 probing and thumbnails. Runs only inside worker processes: what it reads may be hostile.
