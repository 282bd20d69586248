//! The full form's servers: Azurite, the second tus server, Ceph's object gateway. `scripts/test --full` runs this suite,
//! or its name; `scripts/setup full` installs what it starts.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::destination_conformance;
use crate::support;

use bytes::Bytes;
use destination_conformance::{PART, assert_proven, conforms, read_all};
use evidock::deliver::azure::{AzureDestination, AzureOptions};
use evidock::deliver::prove::{How, Verdict, prove};
use evidock::deliver::s3::S3Destination;
use evidock::deliver::tus::TusOptions;
use evidock::deliver::{Keys, Secret};
use evidock::domain::clip::ProofLevel;
use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::{Destination, SendError};
use support::azurite::{ACCOUNT, Azurite};
use support::ceph::Ceph;
use support::proxy::FaultProxy;
use support::tus::{Tus, with_book};
use support::{Sample, footage};
use tokio::sync::OnceCell;

async fn azurite() -> &'static Azurite {
    static AZURITE: OnceCell<Azurite> = OnceCell::const_new();
    AZURITE.get_or_init(Azurite::start).await
}

async fn ceph() -> &'static Ceph {
    static CEPH: OnceCell<Ceph> = OnceCell::const_new();
    CEPH.get_or_init(Ceph::start).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azurite_conforms() {
    let azurite = azurite().await;
    azurite.make_container("plain").await;
    let dest = AzureDestination::new(azurite.options("plain")).unwrap();
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack, "{}", abilities.detail);
    assert!(!abilities.lock && !abilities.in_order, "{}", abilities.detail);
}

#[tokio::test]
async fn azurite_takes_a_shared_access_signature() {
    let azurite = azurite().await;
    azurite.make_container("shared").await;
    let signature = azurite.shared_access("shared").await;
    let options =
        |secret: &str| AzureOptions { keys: Keys::fixed("", Secret::new(secret)), ..azurite.options("shared") };
    for written in [signature.clone(), format!("?{signature}\n")] {
        let dest = AzureDestination::new(options(&written)).unwrap();
        let abilities = dest.probe().await.unwrap();
        let sample = Sample::new("v1/中 x", footage(PART as usize + 7, 1), PART);
        sample.upload(&dest).await.unwrap();
        assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
        assert!(read_all(&dest, "v1/中 x").await.unwrap() == sample.bytes);
    }
    let spoiled = signature.replace("sig=", "sig=AA");
    let error = AzureDestination::new(options(&spoiled)).unwrap().probe().await.unwrap_err();
    assert!(matches!(error, SendError::Refused { .. }), "{error:?}");
    assert!(!error.to_string().contains("sig="), "{error}");
}

#[tokio::test]
async fn azurite_refuses_wrong_keys_and_containers_in_words_for_a_person() {
    let azurite = azurite().await;
    azurite.make_container("refused").await;
    let wrong = Keys::fixed(ACCOUNT, Secret::new("bm90IHRoZSBrZXk="));
    let odd = Keys::fixed(ACCOUNT, Secret::new("this is not Base64!"));
    for (options, word) in [
        (AzureOptions { keys: wrong, ..azurite.options("refused") }, "403"),
        (AzureOptions { keys: odd, ..azurite.options("refused") }, "Base64"),
        (azurite.options("never-made"), "ContainerNotFound"),
    ] {
        let error = AzureDestination::new(options).unwrap().probe().await.unwrap_err();
        assert!(matches!(&error, SendError::Refused { what, .. } if what.contains(word)), "{word}: {error:?}");
        assert_eq!(error.retry(), Retry::Operator);
    }
}

#[tokio::test]
async fn azurite_over_a_line_that_fails() {
    let azurite = azurite().await;
    azurite.make_container("line").await;
    let proxy = FaultProxy::start(azurite.address()).await;
    let dest = AzureDestination::new(azurite.options_at(&proxy.endpoint(), "line")).unwrap();
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    // Cut, then damaged on the way, then right.
    proxy.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    proxy.set(|rules| rules.flip_up_at = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    let second = sample.send(&dest, &session, 1).await.unwrap();
    let receipts = [(sample.parts[0], first), (sample.parts[1], second)];
    // The answer to completing is lost; asking again finds what stands there to be its own.
    proxy.set(|rules| rules.cut_down_after = Some(0));
    let error = dest.complete(&sample.object, &session, &receipts).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;

    // What is spoiled at rest is found, and healed by the next upload.
    azurite.spoil("line", "v1/x", Bytes::from(vec![0; 2 * PART as usize])).await;
    let (verdict, _) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
    sample.upload(&dest).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_tus_server_conforms_and_checks() {
    let tus = Tus::rust().await;
    let token = |text: &str| Some(Keys::fixed("", Secret::new(text)));
    let (dest, _) = with_book(TusOptions { keys: token(Tus::TOKEN), ..tus.options() });
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack, "{}", abilities.detail);
    assert!(abilities.detail.contains("checks the SHA-256 of parts"), "{}", abilities.detail);
    for keys in [None, token("not-the-token")] {
        let (dest, _) = with_book(TusOptions { keys, ..tus.options() });
        let error = dest.probe().await.unwrap_err();
        assert!(matches!(error, SendError::Refused { .. }), "{error:?}");
        assert!(!error.to_string().contains("not-the-token"));
    }
}

#[tokio::test]
async fn the_second_tus_server_refuses_what_changes_on_the_way() {
    let tus = Tus::rust().await;
    let proxy = FaultProxy::start(tus.address()).await;
    let keys = Some(Keys::fixed("", Secret::new(Tus::TOKEN)));
    let (dest, _) = with_book(TusOptions { keys, ..tus.options_at(&proxy.endpoint()) });
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 7, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    proxy.set(|rules| rules.flip_up_at = Some(PART / 2));
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    proxy.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    let mut receipts = Vec::new();
    for (n, part) in sample.parts.iter().enumerate() {
        receipts.push((*part, sample.send(&dest, &session, n).await.unwrap()));
    }
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceph_conforms() {
    let ceph = ceph().await;
    ceph.make_bucket("plain").await;
    let dest = S3Destination::new(ceph.options("plain")).unwrap();
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack, "{}", abilities.detail);
    assert!(abilities.detail.contains("compares MD5"), "{}", abilities.detail);
    assert!(!abilities.lock, "{}", abilities.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceph_with_locks_conforms_over_tls() {
    let ceph = ceph().await;
    ceph.make_locking_bucket("locking").await;
    let dest = S3Destination::new(ceph.options_tls("locking")).unwrap();
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack, "{}", abilities.detail);
    assert!(abilities.lock, "{}", abilities.detail);
}
