//! The WebDAV form of destination against real servers: Apache's mod_dav, which takes parts of files, and one that does
//! not. Each test has a server of its own, which ends with it.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::destination_conformance;
use crate::support;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use destination_conformance::{ODD, PART, assert_proven, conforms, conforms_with_names, read_all};
use evidock::deliver::prove::{How, Verdict, prove};
use evidock::deliver::webdav::{WebdavDestination, WebdavOptions};
use evidock::deliver::{Keys, Secret};
use evidock::domain::clip::ProofLevel;
use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::{Destination, PartReceipt, PartSpec, SendError, SessionId};
use support::file_servers::{FileServer, PASSWORD, USER};
use support::proxy::FaultProxy;
use support::{Sample, footage};

fn destination(options: WebdavOptions) -> WebdavDestination {
    WebdavDestination::new(options).unwrap()
}

/// A destination through a proxy, impatient.
async fn behind_proxy(server: &FileServer) -> (FaultProxy, WebdavDestination) {
    let proxy = FaultProxy::start(server.address()).await;
    let mut options = WebdavOptions { endpoint: proxy.endpoint(), ..server.webdav("http") };
    options.http.idle_timeout = Duration::from_secs(6);
    (proxy, destination(options))
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apache_conforms() {
    let server = FileServer::apache(false).await;
    let abilities = conforms(&destination(server.webdav("http")), "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.in_order && !abilities.lock);
    assert!(abilities.detail.contains("continues a file after a cut"), "{}", abilities.detail);
    assert_eq!(server.uploads(), Vec::<String>::new(), "something was left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_parts_of_files_conforms() {
    let server = FileServer::plain_webdav().await;
    // It cuts a new name at "?" and "#"; no key of ours has either, and it is found out.
    let dest = destination(server.webdav("http"));
    let abilities = conforms_with_names(&dest, "v1/t", &[ODD[0], ODD[2]]).await;
    let error = dest.put_small("v1/cut?off", Bytes::from_static(b"x"), "t/t", None).await.unwrap_err();
    assert!(matches!(&error, SendError::Protocol { what, .. } if what.contains("another name")), "{error:?}");
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.detail.contains("sent again whole"), "{}", abilities.detail);
    assert_eq!(server.uploads(), Vec::<String>::new(), "something was left over");
}

#[tokio::test]
async fn both_sides_show_certificates() {
    let server = FileServer::apache(true).await;
    let dest = destination(server.webdav("https"));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 5, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
    let mut nobody = server.webdav("https");
    nobody.http.client_certificate = None;
    let error = destination(nobody).probe().await.unwrap_err();
    assert!(matches!(error, SendError::Refused { .. } | SendError::Unreachable { .. }), "{error:?}");
    let mut stranger = server.webdav("https");
    stranger.http.ca_file = Some(server.path("client.pem"));
    refused(&destination(stranger).probe().await.unwrap_err(), "certificate is not trusted");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let server = FileServer::apache(false).await;
    let keys = |secret: &str| Some(Keys::fixed(USER, Secret::new(secret)));
    let wrong = WebdavOptions { keys: keys("hunter2"), ..server.webdav("http") };
    let error = destination(wrong.clone()).probe().await.unwrap_err();
    refused(&error, "it does not let us in");
    assert!(!format!("{error:?} {wrong:?}").contains("hunter2"));
    refused(&destination(WebdavOptions { keys: None, ..wrong }).probe().await.unwrap_err(), "it does not let us in");
    let root = format!("{}没有", server.webdav("http").root);
    let lost = WebdavOptions { root, ..server.webdav("http") };
    refused(&destination(lost).probe().await.unwrap_err(), "there is no folder");
    // Beside the part of the server that speaks WebDAV.
    let elsewhere = WebdavOptions { root: "/".to_owned(), ..server.webdav("http") };
    let error = destination(elsewhere).probe().await.unwrap_err();
    assert!(matches!(error, SendError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_cut_is_continued_within_the_part() {
    let server = FileServer::apache(false).await;
    let (proxy, dest) = behind_proxy(&server).await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    proxy.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    support::until("the server writes what it got", async || {
        std::fs::metadata(server.upload()).unwrap().len() > PART + PART / 4
    })
    .await;
    let before = proxy.bytes_up();
    let second = sample.send(&dest, &session, 1).await.unwrap();
    let again = proxy.bytes_up() - before;
    assert!(again < PART * 3 / 4 + 10_000, "{again} bytes were sent for the rest of the part");
    let receipts = [(sample.parts[0], first), (sample.parts[1], second)];
    // The answer to completing is lost; asking settles it.
    proxy.set(|rules| rules.lose_answer_to = Some("MOVE".to_owned()));
    let error = dest.complete(&sample.object, &session, &receipts).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn without_parts_a_cut_sends_all_of_it_again() {
    let server = FileServer::plain_webdav().await;
    let (proxy, dest) = behind_proxy(&server).await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    assert!(session.0.starts_with("w-"), "{session:?}");
    let before = proxy.bytes_up();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    assert!(proxy.bytes_up() - before < 10_000, "the first part went up on its own");
    proxy.set(|rules| rules.cut_up_after = Some(PART));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(dest.held_parts(&sample.object, &session).await.unwrap(), vec![]);
    send_rest(&dest, &sample, &session, vec![(sample.parts[0], first)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_line_that_is_dead_is_told_from_a_no() {
    let server = FileServer::apache(false).await;
    let (proxy, dest) = behind_proxy(&server).await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    proxy.set(|rules| rules.black_hole = true);
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable { what, .. } if what.contains("nothing moved")), "{error:?}");
    proxy.set(|rules| rules.black_hole = false);
    server.kill();
    let error = dest.head("v1/x").await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    server.start_again().await;
    // A flipped bit on an unprotected line: nothing but reading back finds it, and it does.
    proxy.set(|rules| rules.flip_up_at = Some(PART / 2));
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    let (verdict, _) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
}

#[tokio::test]
async fn full_disks_and_folders_that_may_not_be_written_are_told_apart() {
    let server = FileServer::apache(false).await;
    let dest = destination(server.webdav("http"));
    dest.probe().await.unwrap();
    let uploads = server.data().join("evidock-uploads");
    std::fs::set_permissions(&uploads, PermissionsExt::from_mode(0o555)).unwrap();
    let sample = Sample::new("v1/x", footage(100, 1), PART);
    let error = dest.begin(&sample.object).await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable { what, .. } if what.contains("may not write")), "{error:?}");
    std::fs::set_permissions(&uploads, PermissionsExt::from_mode(0o755)).unwrap();
    sample.upload(&dest).await.unwrap();

    let plain = FileServer::plain_webdav().await;
    let dest = destination(plain.webdav("http"));
    let session = dest.begin(&sample.object).await.unwrap();
    plain.order("full");
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable { what, .. } if what.contains("is full")), "{error:?}");
    plain.end("full");
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_lies_makes_nothing_proven() {
    let server = FileServer::plain_webdav().await;
    let dest = destination(server.webdav("http"));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 3, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    // 201 to an upload of which nothing is kept.
    server.order("deaf");
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    let error = dest.put_small("v1/s", Bytes::from_static(b"one"), "t/t", None).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. } | SendError::SessionLost { .. }), "{error:?}");
    server.end("deaf");
    send_rest(&dest, &sample, &session, vec![(sample.parts[0], first)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
    // The whole whatever range is asked for.
    server.order("no-range");
    let mut stream = dest.read("v1/x", Some(10..5000)).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(read, sample.bytes[10..5000]);
    server.end("no-range");
    let object = server.data().join("v1/x");
    let length = std::fs::metadata(&object).unwrap().len();
    std::fs::File::options().write(true).open(&object).unwrap().set_len(length / 2).unwrap();
    std::fs::File::options().write(true).open(&object).unwrap().set_len(length).unwrap();
    let (verdict, remote) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert_eq!(remote.unwrap().size_bytes, length);
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
}

#[tokio::test]
async fn other_bytes_under_the_key_are_set_aside_and_kept() {
    let server = FileServer::apache(false).await;
    let dest = destination(server.webdav("http"));
    dest.put_small("v1/x", Bytes::from_static(b"rotten"), "t/t", None).await.unwrap();
    let sample = Sample::new("v1/x", footage(1000, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    send_rest(&dest, &sample, &session, Vec::new()).await.unwrap();
    assert_eq!(read_all(&dest, "v1/x").await.unwrap(), sample.bytes);
    let name = session.0.split_once('-').unwrap().1;
    assert_eq!(std::fs::read(server.data().join("evidock-replaced").join(name)).unwrap(), b"rotten");
    assert_eq!(dest.list("", None).await.unwrap(), ["v1/x"], "what is not an object is not listed");
}
