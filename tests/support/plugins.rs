//! GStreamer's registry of plug-ins, made once for all stations: one that finds it at its first start asks no plug-in
//! what it is, which costs half a second of computing each time. `scripts/demo`, `tests/media.rs` and stations
//! under a tracer begin without.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Lays the registry into a state directory that has none; the directory is made where it can be. Where it is older than a plug-in, GStreamer makes it anew.
pub fn known(state: &Path) {
    static MAKING: Mutex<()> = Mutex::new(());
    let at = state.join("gstreamer-registry.bin");
    if at.exists() || !(state.is_dir() || fs::create_dir(state).is_ok()) {
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gstreamer-registry.bin");
    let making = MAKING.lock().unwrap_or_else(|e| e.into_inner());
    if !kept.exists() {
        // Other suites make it, too; whole or not at all.
        let mine = kept.with_extension(std::process::id().to_string());
        let made = Command::new("gst-inspect-1.0")
            .env_clear()
            .envs([
                ("GST_REGISTRY", mine.as_os_str()),
                ("PATH", "/usr/bin:/bin".as_ref()),
                ("LANG", "C.UTF-8".as_ref()),
            ])
            .output()
            .expect("gst-inspect-1.0 runs: `scripts/setup test`");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::rename(&mine, &kept).unwrap();
    }
    drop(making);
    // A disk that takes nothing more is a scene of some tests; the station goes on without.
    if fs::copy(kept, &at).is_err() {
        let _ = fs::remove_file(at);
    }
}
