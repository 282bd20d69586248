//! The FTP form of destination against real servers: vsftpd without encryption, with explicit and with implicit TLS, and one
//! that lists for machines. Each test has a server of its own, which ends with it.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::destination_conformance;
use crate::support;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use destination_conformance::{PART, assert_proven, conforms, read_all};
use evidock::config::SecretFile;
use evidock::deliver::ftp::{FtpDestination, FtpOptions, FtpTls};
use evidock::deliver::prove::{How, Verdict, prove, read_back};
use evidock::domain::clip::ProofLevel;
use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::{Destination, PartReceipt, PartSpec, SendError, SessionId};
use support::file_servers::{FileServer, PASSWORD};
use support::guarded::free_ports;
use support::proxy::FaultProxy;
use support::{Sample, footage};

fn destination(options: FtpOptions) -> FtpDestination {
    FtpDestination::new(options).unwrap()
}

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
    assert_eq!(error.retry(), Retry::Transient);
}

/// vsftpd behind two proxies, one before its control connections, one before the one port of its data connections. They
/// listen at another address of loopback, under the server's own port numbers, as a forwarding router does.
async fn behind_proxies() -> (FileServer, FaultProxy, FaultProxy, FtpDestination) {
    let [data_port] = free_ports::<1>();
    let server = FileServer::vsftpd(FtpTls::Off, data_port).await;
    let at = |host: u8, port: u16| SocketAddr::from(([127, 0, 0, host], port));
    let control = FaultProxy::start_at(at(2, server.address().port()), server.address()).await;
    let data = FaultProxy::start_at(at(2, data_port), at(1, data_port)).await;
    let idle_timeout = Duration::from_secs(6);
    let dest = destination(FtpOptions { host: "127.0.0.2".to_owned(), idle_timeout, ..server.ftp(FtpTls::Off) });
    (server, control, data, dest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vsftpd_with_tls_conforms() {
    let server = FileServer::vsftpd(FtpTls::Explicit, 0).await;
    let abilities = conforms(&destination(server.ftp(FtpTls::Explicit)), "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.in_order && !abilities.lock);
    assert!(abilities.detail.contains("FTP over TLS"), "{}", abilities.detail);
    assert_eq!(server.uploads(), Vec::<String>::new(), "something was left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vsftpd_without_encryption_conforms() {
    let server = FileServer::vsftpd(FtpTls::Off, 0).await;
    let abilities = conforms(&destination(server.ftp(FtpTls::Off)), "v1/t").await;
    assert!(abilities.detail.contains("without encryption"), "{}", abilities.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lists_for_machines_conforms() {
    let server = FileServer::plain_ftp().await;
    let abilities = conforms(&destination(server.ftp(FtpTls::Off)), "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
}

#[tokio::test]
async fn vsftpd_with_implicit_tls_proves() {
    let server = FileServer::vsftpd(FtpTls::Implicit, 0).await;
    let dest = destination(server.ftp(FtpTls::Implicit));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize + 5, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
    dest.put_small("v1/s", Bytes::from_static(b"one"), "t/t", None).await.unwrap();
    assert_eq!(dest.list("v1/s", None).await.unwrap(), ["v1/s"]);
}

#[tokio::test]
async fn tls_is_what_was_asked_for_or_nothing() {
    let server = FileServer::vsftpd(FtpTls::Explicit, 0).await;
    // Whom nobody vouches for.
    let stranger = FtpOptions { ca_file: Some(server.path("client.pem")), ..server.ftp(FtpTls::Explicit) };
    refused(&destination(stranger).probe().await.unwrap_err(), "certificate");
    // A server without TLS is not sent a password.
    let plain = FileServer::plain_ftp().await;
    let ca_file = Some(server.path("cert.pem"));
    let asked = FtpOptions { ca_file: ca_file.clone(), ..plain.ftp(FtpTls::Off) };
    let asked = FtpOptions { tls: FtpTls::Explicit, ..asked };
    refused(&destination(asked).probe().await.unwrap_err(), "it offers no TLS");
    // A server that wants TLS says so.
    refused(&destination(server.ftp(FtpTls::Off)).probe().await.unwrap_err(), "it does not let ftp in");
    let no_file = FtpOptions { ca_file: Some(server.path("gone")), ..server.ftp(FtpTls::Explicit) };
    assert!(FtpDestination::new(no_file).is_err());
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let server = FileServer::vsftpd(FtpTls::Off, 0).await;
    std::fs::write(server.path("wrong"), "hunter2").unwrap();
    let wrong = FtpOptions { password: SecretFile::new(server.path("wrong")), ..server.ftp(FtpTls::Off) };
    let error = destination(wrong.clone()).probe().await.unwrap_err();
    refused(&error, "it does not let ftp in (530");
    assert!(!format!("{error:?} {wrong:?}").contains("hunter2"));
    let gone = FtpOptions { password: SecretFile::new(server.path("gone")), ..server.ftp(FtpTls::Off) };
    refused(&destination(gone).probe().await.unwrap_err(), "cannot be read");
    let root = server.data().join("没有").display().to_string();
    let error = destination(FtpOptions { root, ..server.ftp(FtpTls::Off) }).probe().await.unwrap_err();
    refused(&error, "there is no directory");
    let closed = FtpOptions { port: free_ports::<1>()[0], ..server.ftp(FtpTls::Off) };
    unreachable(&destination(closed).probe().await.unwrap_err(), "127.0.0.1:");
}

#[tokio::test]
async fn a_cut_is_continued_within_the_part() {
    let (server, control, data, dest) = behind_proxies().await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    data.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    support::until("the server writes what it got", async || {
        std::fs::metadata(server.upload()).unwrap().len() > PART + PART / 4
    })
    .await;
    let before = data.bytes_up();
    let second = sample.send(&dest, &session, 1).await.unwrap();
    let again = data.bytes_up() - before;
    assert!(again < PART * 3 / 4, "{again} bytes were sent for the rest of the part");
    let receipts = [(sample.parts[0], first), (sample.parts[1], second)];
    // The answer to completing is lost; asking settles it.
    control.set(|rules| rules.cut_down_after = Some(0));
    let error = dest.complete(&sample.object, &session, &receipts).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    match dest.complete(&sample.object, &session, &receipts).await {
        Ok(()) | Err(SendError::SessionLost { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_line_that_is_dead_is_told_from_a_no() {
    let (server, control, data, dest) = behind_proxies().await;
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    data.set(|rules| rules.black_hole = true);
    unreachable(&sample.send(&dest, &session, 0).await.unwrap_err(), "nothing moved for 6 s");
    data.set(|rules| rules.black_hole = false);
    control.set(|rules| rules.black_hole = true);
    let error = dest.head("v1/x").await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    control.set(|rules| rules.black_hole = false);
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    // A flipped bit on an unprotected line: nothing but reading back finds it, and it does.
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/y", footage(PART as usize, 2), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    data.set(|rules| rules.flip_up_at = Some(PART / 2));
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    let (verdict, _) = prove(&dest, "v1/y", &sample.expected(), abilities.proof).await.unwrap();
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
    drop(server);
}

#[tokio::test]
async fn a_server_that_is_killed_takes_up_the_session_when_it_is_back() {
    let server = FileServer::vsftpd(FtpTls::Explicit, 0).await;
    let dest = destination(server.ftp(FtpTls::Explicit));
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
async fn full_disks_and_directories_that_may_not_be_written_are_told_apart() {
    let server = FileServer::vsftpd(FtpTls::Off, 0).await;
    let dest = destination(server.ftp(FtpTls::Off));
    dest.put_small("v1/small", Bytes::from_static(b"x"), "t/t", None).await.unwrap();
    let uploads = server.data().join("evidock-uploads");
    std::fs::set_permissions(&uploads, PermissionsExt::from_mode(0o555)).unwrap();
    let sample = Sample::new("v1/x", footage(100, 1), PART);
    refused(&dest.begin(&sample.object).await.unwrap_err(), "553");
    std::fs::set_permissions(&uploads, PermissionsExt::from_mode(0o755)).unwrap();
    sample.upload(&dest).await.unwrap();

    // In the middle of a part, in the server's words.
    let plain = FileServer::plain_ftp().await;
    let dest = destination(plain.ftp(FtpTls::Off));
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    plain.order("full");
    unreachable(&sample.send(&dest, &session, 0).await.unwrap_err(), "transfer aborted");
    plain.end("full");
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_resume_is_appended_to() {
    let server = FileServer::plain_ftp().await;
    server.order("no-rest");
    let dest = destination(server.ftp(FtpTls::Off));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize + 9, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_server_that_lies_makes_nothing_proven() {
    let server = FileServer::plain_ftp().await;
    let dest = destination(server.ftp(FtpTls::Off));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    // It takes an upload and keeps nothing of it.
    server.order("deaf");
    let session = dest.begin(&sample.object).await.unwrap();
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    let error = dest.put_small("v1/s", Bytes::from_static(b"one"), "t/t", None).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    server.end("deaf");
    dest.abort(&sample.object, &session).await.unwrap();
    // It tells every file longer than it is.
    server.order("long");
    let outcome = sample.upload(&dest).await;
    assert!(matches!(outcome, Err(SendError::Mismatch { .. })), "{outcome:?}");
    server.end("long");

    sample.upload(&dest).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
    // It breaks downloads off: no proof, and nothing disproven either.
    server.order("short");
    let error = read_back(&dest, "v1/x", &sample.expected()).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    server.end("short");
    let object = server.data().join("v1/x");
    let length = std::fs::metadata(&object).unwrap().len();
    std::fs::File::options().write(true).open(&object).unwrap().set_len(length / 2).unwrap();
    std::fs::File::options().write(true).open(&object).unwrap().set_len(length).unwrap();
    let (verdict, remote) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert_eq!(remote.unwrap().size_bytes, length);
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
}

#[tokio::test]
async fn what_the_server_lost_of_an_upload_is_noticed() {
    let server = FileServer::vsftpd(FtpTls::Off, 0).await;
    let dest = destination(server.ftp(FtpTls::Off));
    let sample = Sample::new("v1/x", footage(2 * PART as usize + 1, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let mut receipts = Vec::new();
    for n in 0..3 {
        receipts.push((sample.parts[n], sample.send(&dest, &session, n).await.unwrap()));
    }
    let set_length = |to: u64| std::fs::File::options().write(true).open(server.upload()).unwrap().set_len(to).unwrap();
    set_length(PART);
    let error = sample.send(&dest, &session, 2).await.unwrap_err();
    assert!(matches!(error, SendError::SessionLost { .. }), "{error:?}");
    set_length(2 * PART);
    let error = dest.complete(&sample.object, &session, &receipts).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    assert_eq!(server.uploads(), Vec::<String>::new(), "what is of no use was left over");
    dest.abort(&sample.object, &session).await.unwrap();
    assert_eq!(server.uploads(), Vec::<String>::new());
}

#[tokio::test]
async fn other_bytes_under_the_key_are_set_aside_and_kept() {
    let server = FileServer::vsftpd(FtpTls::Off, 0).await;
    let dest = destination(server.ftp(FtpTls::Off));
    dest.put_small("v1/x", Bytes::from_static(b"rotten"), "t/t", None).await.unwrap();
    let sample = Sample::new("v1/x", footage(1000, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    assert_eq!(read_all(&dest, "v1/x").await.unwrap(), sample.bytes);
    assert_eq!(std::fs::read(server.data().join("evidock-replaced").join(&session.0)).unwrap(), b"rotten");
    assert_eq!(dest.list("", None).await.unwrap(), ["v1/x"], "what is not an object is not listed");
}
