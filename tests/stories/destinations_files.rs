//! The SFTP form of destination against real servers: OpenSSH's, and one without any extension. Each test has a server of
//! its own, which ends with it.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::destination_conformance;
use crate::support;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use bytes::Bytes;
use destination_conformance::{PART, assert_proven, conforms, read_all};
use evidock::config::SecretFile;
use evidock::deliver::prove::{How, Verdict, prove};
use evidock::deliver::sftp::{SftpDestination, SftpOptions};
use evidock::domain::clip::ProofLevel;
use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::{Destination, PartReceipt, PartSpec, SendError, SessionId};
use support::file_servers::{FileServer, PASSWORD, make_key};
use support::proxy::FaultProxy;
use support::station::{Station, dsj};
use support::{Sample, footage};

/// A line on which nothing moved for so long is dead: longer than a busy machine takes to let us in.
const IDLE: Duration = Duration::from_secs(6);

/// A destination through a proxy, impatient.
async fn behind_proxy(server: &FileServer) -> (FaultProxy, SftpDestination) {
    let proxy = FaultProxy::start(server.address()).await;
    let options = SftpOptions { port: proxy.address().port(), idle_timeout: IDLE, ..server.sftp() };
    (proxy, SftpDestination::new(options))
}

/// Sends all parts but those before `from`, and completes.
async fn send_rest(
    dest: &dyn Destination,
    sample: &Sample,
    session: &SessionId,
    mut receipts: Vec<(PartSpec, PartReceipt)>,
) -> Result<(), SendError> {
    for n in receipts.len()..sample.parts.len() {
        receipts.push((sample.parts[n], sample.send(dest, session, n).await?));
    }
    dest.complete(&sample.object, session, &receipts).await
}

fn refused(error: &SendError, words: &str) {
    assert!(matches!(error, SendError::Refused { what, .. } if what.contains(words)), "{words}: {error:?}");
    assert_eq!(error.retry(), Retry::Operator);
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

fn unreachable(error: &SendError, words: &str) {
    assert!(matches!(error, SendError::Unreachable { what, .. } if what.contains(words)), "{words}: {error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_conforms() {
    let server = FileServer::sshd("").await;
    let abilities = conforms(&SftpDestination::new(server.sftp()), "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.in_order && !abilities.lock);
    assert!(abilities.detail.contains("makes files durable"), "{}", abilities.detail);
    assert_eq!(server.uploads(), Vec::<String>::new(), "something was left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_extensions_conforms_and_takes_a_password() {
    let server = FileServer::plain_sftp().await;
    let abilities = conforms(&SftpDestination::new(server.sftp()), "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.detail.contains("cannot be asked"), "{}", abilities.detail);
}

#[tokio::test]
async fn openssh_that_denies_what_it_offers_is_used_all_the_same() {
    // It refuses the ordinary rename; what is left is the one that takes names over, after a look.
    let server = FileServer::sshd("rename,fsync,hardlink,statvfs,limits").await;
    let dest = SftpDestination::new(server.sftp());
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 5, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
    dest.put_small("v1/s", Bytes::from_static(b"one"), "t/t", None).await.unwrap();
    let error = dest.put_small("v1/s", Bytes::from_static(b"two"), "t/t", None).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn a_host_that_is_not_the_one_agreed_on_is_told_nothing() {
    let server = FileServer::plain_sftp().await;
    let unknown = SftpDestination::new(SftpOptions { host_key: None, ..server.sftp() });
    refused(&unknown.probe().await.unwrap_err(), &format!("write host_key = \"{}\"", server.fingerprint()));
    let other = format!("SHA256:{}", "A".repeat(43));
    let changed = SftpDestination::new(SftpOptions { host_key: Some(other.clone()), ..server.sftp() });
    let error = changed.probe().await.unwrap_err();
    refused(&error, server.fingerprint());
    refused(&error, &other);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let server = FileServer::plain_sftp().await;
    let written = |name: &str, text: &str| {
        std::fs::write(server.path(name), text).unwrap();
        Some(SecretFile::new(server.path(name)))
    };
    let wrong = SftpOptions { password: written("wrong", "hunter2"), ..server.sftp() };
    let error = SftpDestination::new(wrong.clone()).probe().await.unwrap_err();
    refused(&error, "it does not let station in (it takes password)");
    assert!(!format!("{error:?} {wrong:?}").contains("hunter2"));
    let gone = SftpOptions { password: Some(SecretFile::new(server.path("gone"))), ..server.sftp() };
    refused(&SftpDestination::new(gone).probe().await.unwrap_err(), "cannot be read");

    let sshd = FileServer::sshd("").await;
    make_key("ed25519", "", &sshd.path("stranger"));
    make_key("ed25519", "a passphrase", &sshd.path("locked"));
    for (name, words) in [("stranger", "it does not let"), ("locked", "passphrase"), ("password", "cannot be used")] {
        let options = SftpOptions { private_key: Some(SecretFile::new(sshd.path(name))), ..sshd.sftp() };
        refused(&SftpDestination::new(options).probe().await.unwrap_err(), words);
    }
}

#[tokio::test]
async fn a_root_that_is_not_there_is_not_made() {
    let server = FileServer::sshd("").await;
    let root = server.data().join("没有").display().to_string();
    let dest = SftpDestination::new(SftpOptions { root, ..server.sftp() });
    refused(&dest.probe().await.unwrap_err(), "there is no directory");
    assert!(!server.data().join("没有").exists());
}

#[tokio::test]
async fn a_cut_is_continued_within_the_part() {
    let server = FileServer::sshd("").await;
    let (proxy, dest) = behind_proxy(&server).await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    proxy.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    // What arrived may still be on its way to the disk.
    support::until("the server writes what it got", async || {
        std::fs::metadata(server.upload()).unwrap().len() > PART + PART / 4
    })
    .await;
    let held = dest.held_parts(&sample.object, &session).await.unwrap();
    assert_eq!(held.iter().map(|part| part.n).collect::<Vec<_>>(), [0], "half a part is no part");
    let before = proxy.bytes_up();
    let second = sample.send(&dest, &session, 1).await.unwrap();
    let again = proxy.bytes_up() - before;
    assert!(again < PART * 3 / 4 + (64 << 10), "{again} bytes were sent for the rest of the part");
    dest.complete(&sample.object, &session, &[(sample.parts[0], first), (sample.parts[1], second)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_line_that_is_dead_or_closed_is_told_apart_from_a_no() {
    let server = FileServer::sshd("").await;
    let (proxy, dest) = behind_proxy(&server).await;
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    proxy.set(|rules| rules.black_hole = true);
    unreachable(&sample.send(&dest, &session, 0).await.unwrap_err(), "nothing moved for 6 s");
    // A new connection into the same hole.
    unreachable(&dest.head("v1/x").await.unwrap_err(), "within 6 s");
    proxy.set(|rules| rules.black_hole = false);
    proxy.set(|rules| rules.refuse = true);
    let error = dest.head("v1/x").await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    proxy.set(|rules| rules.refuse = false);
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();

    let closed = SftpOptions { port: support::guarded::free_ports::<1>()[0], ..server.sftp() };
    let error = SftpDestination::new(closed).probe().await.unwrap_err();
    unreachable(&error, "127.0.0.1:");
    assert_eq!(error.retry(), Retry::Transient);
}

#[tokio::test]
async fn a_server_that_is_killed_takes_up_the_session_when_it_is_back() {
    let server = FileServer::sshd("").await;
    let dest = SftpDestination::new(SftpOptions { idle_timeout: Duration::from_secs(30), ..server.sftp() });
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 100, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    server.kill();
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    server.start_again().await;
    send_rest(&dest, &sample, &session, vec![(sample.parts[0], first)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn an_answer_to_completing_that_is_lost_is_settled_by_asking() {
    let server = FileServer::sshd("").await;
    let (_proxy, dest) = behind_proxy(&server).await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(100, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let receipt = sample.send(&dest, &session, 0).await.unwrap();
    dest.complete(&sample.object, &session, &[(sample.parts[0], receipt.clone())]).await.unwrap();
    // As after a lost answer: what is asked again finds no upload, and the object stands.
    let error = dest.complete(&sample.object, &session, &[(sample.parts[0], receipt)]).await.unwrap_err();
    assert!(matches!(error, SendError::SessionLost { .. }), "{error:?}");
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn full_disks_and_directories_that_may_not_be_written_are_told_apart() {
    let server = FileServer::sshd("").await;
    let dest = SftpDestination::new(server.sftp());
    dest.probe().await.unwrap();
    // A file that has no room, where the small object would be written first.
    let small = dest.put_small("v1/small", Bytes::from_static(b"x"), "t/t", None);
    small.await.unwrap();
    let name = blocked_name("v1/full");
    symlink("/dev/full", server.data().join("evidock-uploads").join(&name)).unwrap();
    let error = dest.put_small("v1/full", Bytes::from(vec![1; 100_000]), "t/t", None).await.unwrap_err();
    unreachable(&error, "a full quota does so");
    std::fs::remove_file(server.data().join("evidock-uploads").join(&name)).unwrap();
    dest.put_small("v1/full", Bytes::from(vec![1; 100_000]), "t/t", None).await.unwrap();

    let uploads = server.data().join("evidock-uploads");
    std::fs::set_permissions(&uploads, PermissionsExt::from_mode(0o555)).unwrap();
    let sample = Sample::new("v1/x", footage(100, 1), PART);
    refused(&dest.begin(&sample.object).await.unwrap_err(), "ermission denied");
    std::fs::set_permissions(&uploads, PermissionsExt::from_mode(0o755)).unwrap();
    sample.upload(&dest).await.unwrap();

    let plain = FileServer::plain_sftp().await;
    let dest = SftpDestination::new(plain.sftp());
    let session = dest.begin(&sample.object).await.unwrap();
    plain.order("full");
    unreachable(&sample.send(&dest, &session, 0).await.unwrap_err(), "a full or read-only disk does so");
    plain.end("full");
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
}

/// Where a small object is written before it gets its name (the head of `deliver::folders` documents it).
fn blocked_name(key: &str) -> String {
    let digest = support::sha256(key).to_string();
    format!("{}.new", &digest[..32])
}

#[tokio::test]
async fn a_server_that_lies_makes_nothing_proven() {
    let server = FileServer::plain_sftp().await;
    let dest = SftpDestination::new(SftpOptions { idle_timeout: IDLE, ..server.sftp() });
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(300_000, 1), PART);

    // It says yes to each write and keeps nothing.
    server.order("deaf");
    let session = dest.begin(&sample.object).await.unwrap();
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    server.end("deaf");
    dest.abort(&sample.object, &session).await.unwrap();

    // It tells every file longer than it is.
    server.order("long");
    let outcome = sample.upload(&dest).await;
    assert!(matches!(outcome, Err(SendError::Mismatch { .. })), "{outcome:?}");
    server.end("long");

    // It never answers a write.
    server.order("mute");
    let session = dest.begin(&sample.object).await.unwrap();
    unreachable(&sample.send(&dest, &session, 0).await.unwrap_err(), "nothing moved");
    server.end("mute");
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
    let object = server.data().join("v1/x");

    // The right length of other bytes: only reading back tells.
    let length = std::fs::metadata(&object).unwrap().len();
    std::fs::File::options().write(true).open(&object).unwrap().set_len(length / 2).unwrap();
    std::fs::File::options().write(true).open(&object).unwrap().set_len(length).unwrap();
    let (verdict, remote) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert_eq!(remote.unwrap().size_bytes, length);
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
}

#[tokio::test]
async fn what_the_server_lost_of_an_upload_is_noticed() {
    let server = FileServer::sshd("").await;
    let dest = SftpDestination::new(server.sftp());
    let sample = Sample::new("v1/x", footage(2 * PART as usize + 1, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let mut receipts = Vec::new();
    for n in 0..2 {
        receipts.push((sample.parts[n], sample.send(&dest, &session, n).await.unwrap()));
    }
    let shorten = |to: u64| std::fs::File::options().write(true).open(server.upload()).unwrap().set_len(to).unwrap();
    shorten(PART + 5);
    let error = sample.send(&dest, &session, 2).await.unwrap_err();
    assert!(matches!(error, SendError::SessionLost { .. }), "{error:?}");
    // The same lost only after the last part: nothing gets a name.
    receipts[1].1 = sample.send(&dest, &session, 1).await.unwrap();
    receipts.push((sample.parts[2], sample.send(&dest, &session, 2).await.unwrap()));
    shorten(2 * PART);
    let error = dest.complete(&sample.object, &session, &receipts).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    assert_eq!(dest.head("v1/x").await.unwrap(), None);
    dest.abort(&sample.object, &session).await.unwrap();
    assert_eq!(server.uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn other_bytes_under_the_key_are_set_aside_and_kept() {
    let server = FileServer::sshd("").await;
    let dest = SftpDestination::new(server.sftp());
    dest.put_small("v1/x", Bytes::from_static(b"rotten"), "t/t", None).await.unwrap();
    let sample = Sample::new("v1/x", footage(1000, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    assert_eq!(read_all(&dest, "v1/x").await.unwrap(), sample.bytes);
    assert_eq!(std::fs::read(server.data().join("evidock-replaced").join(&session.0)).unwrap(), b"rotten");
    assert_eq!(dest.list("", None).await.unwrap(), ["v1/x"], "what is not an object is not listed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_proves_its_clips_there() {
    let server = FileServer::sshd("").await;
    let mut station = Station::new("");
    let sftp = server.sftp();
    station.configure(&format!(
        "[[destination]]\nname = \"platform\"\nkind = \"sftp\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\n\
         host_key = \"{}\"\nprivate_key_file = \"{}\"\nroot = \"{}\"\n",
        sftp.port,
        sftp.user,
        server.fingerprint(),
        server.path("user").display(),
        sftp.root
    ));
    let card = station.card("a");
    let name = dsj("36NCC009910", "091200");
    card.sparse(&name, (8 << 20) + 4097);
    station.start();
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    let record = station.record(&clip);
    assert_eq!(record["copies"][0]["proof"], "read_back");
    assert_eq!(server.uploads(), Vec::<String>::new());
}
