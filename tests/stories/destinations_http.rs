//! Destinations that speak HTTP beside S3 over plain lines: tus against a real server, certificates of our own, proxies.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::destination_conformance;
use crate::support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use destination_conformance::{PART, assert_proven, conforms, read_all};
use evidock::deliver::azure::{AzureDestination, AzureOptions, Policy};
use evidock::deliver::http::{ClientCertificate, HttpOptions, Proxy};
use evidock::deliver::prove::{How, Verdict, prove};
use evidock::deliver::s3::{S3Destination, S3Options};
use evidock::deliver::tus::{TusDestination, TusOptions};
use evidock::deliver::webdav::{WebdavDestination, WebdavOptions};
use evidock::deliver::{Keys, Secret};
use evidock::domain::clip::ProofLevel;
use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::{Destination, SendError};
use evidock::domain::time::UtcMs;
use evidock::runtime::clock;
use evidock::runtime::task::spawn_named;
use support::liar::{HONEST, Liar};
use support::proxy::FaultProxy;
use support::quirky::{Habits, Quirky};
use support::station::{Station, dsj};
use support::tus::{Tus, with_book};
use support::weed::Weed;
use support::{Sample, footage, named, station};
use tokio::sync::OnceCell;

/// One server for the whole file; its guard ends it with the process.
async fn tus() -> &'static Tus {
    static TUS: OnceCell<Tus> = OnceCell::const_new();
    TUS.get_or_init(Tus::node).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tus_conforms() {
    let (dest, _) = with_book(tus().await.options());
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack, "{}", abilities.detail);
    assert!(abilities.in_order && !abilities.lock);
    assert!(abilities.detail.contains("checks no SHA-256"), "{}", abilities.detail);
}

#[tokio::test]
async fn a_part_that_is_cut_goes_on_where_the_server_stopped() {
    let proxy = FaultProxy::start(tus().await.address()).await;
    let (dest, _) = with_book(tus().await.options_at(&proxy.endpoint()));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize + 7, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let mut receipts = vec![(sample.parts[0], sample.send(&dest, &session, 0).await.unwrap())];
    proxy.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(proxy.fired(), 1);
    // The server may still be writing down what it received.
    support::until("it tells what it kept", async || {
        dest.held_parts(&sample.object, &session).await.is_ok_and(|held| held.len() == 1)
    })
    .await;
    let before = proxy.bytes_up();
    receipts.push((sample.parts[1], sample.send(&dest, &session, 1).await.unwrap()));
    let again = proxy.bytes_up() - before;
    assert!(again < PART, "{again} bytes were sent for the rest of a part of {PART}");
    receipts.push((sample.parts[2], sample.send(&dest, &session, 2).await.unwrap()));
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
}

#[tokio::test]
async fn an_answer_that_is_lost_costs_no_byte() {
    let proxy = FaultProxy::start(tus().await.address()).await;
    let (dest, _) = with_book(tus().await.options_at(&proxy.endpoint()));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 7, 2), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    proxy.set(|rules| rules.cut_down_after = Some(0));
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    let before = proxy.bytes_up();
    let mut receipts = Vec::new();
    for (n, part) in sample.parts.iter().enumerate() {
        receipts.push((*part, sample.send(&dest, &session, n).await.unwrap()));
    }
    assert!(proxy.bytes_up() - before < PART, "what was taken was sent again");
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_bit_that_flips_on_the_way_is_found_by_reading_back() {
    let proxy = FaultProxy::start(tus().await.address()).await;
    let (dest, _) = with_book(tus().await.options_at(&proxy.endpoint()));
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize, 3), PART);
    proxy.set(|rules| rules.flip_up_at = Some(PART / 2));
    // This server checks nothing: it takes the part.
    sample.upload(&dest).await.unwrap();
    assert_eq!(proxy.fired(), 1);
    let (verdict, _) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
    sample.upload(&dest).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_server_that_is_killed_takes_up_the_upload_when_it_is_back() {
    let tus = Tus::node().await;
    let (dest, book) = with_book(tus.options());
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 100, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    tus.kill();
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    tus.start_again().await;
    let second = sample.send(&dest, &session, 1).await.unwrap();
    dest.complete(&sample.object, &session, &[(sample.parts[0], first), (sample.parts[1], second)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;

    // The book is the only memory: another process with it finds everything, one without it finds nothing.
    let later = TusDestination::new(tus.options(), book).unwrap();
    assert!(read_all(&later, "v1/x").await.unwrap() == sample.bytes);
    let (stranger, _) = with_book(tus.options());
    assert_eq!(stranger.head("v1/x").await.unwrap(), None);
    assert_eq!(stranger.list("v1/", None).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_asks_for_patience_is_understood_by_every_kind() {
    support::install_tls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let busy = || async { (axum::http::StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "later") };
    let app = axum::Router::new().fallback(busy);
    spawn_named("busy", async move { axum::serve(listener, app).await.unwrap() });
    let keys = || Keys::fixed("station", Secret::new("c2VjcmV0"));
    let (name, station, http) = (named("busy"), station(), HttpOptions::default());
    let azure = AzureDestination::new(AzureOptions {
        name: name.clone(),
        station: station.clone(),
        endpoint: endpoint.clone(),
        container: "evidence".to_owned(),
        keys: keys(),
        http: http.clone(),
        lock: Policy::Off,
        proof: None,
    });
    let webdav = WebdavDestination::new(WebdavOptions {
        name,
        station,
        endpoint: endpoint.clone(),
        root: "/".to_owned(),
        keys: Some(keys()),
        http,
    });
    let (tus, _) = with_book(TusOptions { endpoint, ..tus().await.options() });
    let all: [Box<dyn Destination>; 3] = [Box::new(azure.unwrap()), Box::new(webdav.unwrap()), Box::new(tus)];
    for dest in all {
        let error = dest.put_small("v1/s/record", Bytes::from_static(b"{}"), "text/plain", None).await.unwrap_err();
        assert!(matches!(error, SendError::Busy { retry_after_ms: Some(7_000), .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_mere_door_is_sent_to_and_never_proven() {
    let door = Tus::door().await;
    let (dest, book) = with_book(door.options());
    let abilities = dest.probe().await.unwrap();
    assert!(!abilities.proof.proves(), "{abilities:?}");
    assert!(abilities.detail.contains("gives no bytes back"), "{}", abilities.detail);
    let sample = Sample::new("v1/x", footage(PART as usize + 7, 1), PART);
    sample.upload(&dest).await.unwrap();
    for dest in [&dest, &TusDestination::new(door.options(), Arc::clone(&book)).unwrap()] {
        let (verdict, remote) = prove(dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
        assert_eq!((verdict, remote.unwrap().size_bytes), (Verdict::Unproven, sample.object.size_bytes));
        let Err(error) = dest.read("v1/x", None).await else { panic!("a door gave bytes back") };
        assert!(matches!(&error, SendError::Refused { what, .. } if what.contains("gives no bytes back")), "{error:?}");
    }
    // Small objects keep their keys all the same.
    dest.put_small("v1/r", Bytes::from_static(b"one"), "t/t", None).await.unwrap();
    dest.put_small("v1/r", Bytes::from_static(b"one"), "t/t", None).await.unwrap();
    let error = dest.put_small("v1/r", Bytes::from_static(b"two"), "t/t", None).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_tus_server_is_for_a_person() {
    let tus = tus().await;
    let (_, other) = Liar::start().await;
    let nowhere = TusOptions { endpoint: format!("http://{other}/files"), ..tus.options() };
    let (dest, _) = with_book(nowhere);
    let error = dest.probe().await.unwrap_err();
    assert_ne!(error.retry(), Retry::Transient, "{error:?}");
    let [port] = support::guarded::free_ports::<1>();
    let closed = TusOptions { endpoint: format!("http://127.0.0.1:{port}/files"), ..tus.options() };
    let (dest, _) = with_book(closed);
    assert!(matches!(dest.probe().await.unwrap_err(), SendError::Unreachable { .. }));
}

/// An honest S3 server over TLS that wants a client certificate of its own authority; a directory with the certificates.
async fn behind_mutual_tls() -> (SocketAddr, tempfile::TempDir) {
    support::install_tls();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: String| std::fs::write(dir.path().join(name), pem).unwrap();
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, strange) = (authority("ours"), authority("strange"));
    for (issuer, name) in [(&ours, "station"), (&strange, "stranger")] {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}-key.pem"), key.serialize_pem());
    }
    let served = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    write("server.pem", served.cert.pem());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ours.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(served.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![served.cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    let app = Liar::default().router();
    spawn_named("mutual tls", async move { server.serve(app.into_make_service()).await.unwrap() });
    (address, dir)
}

#[tokio::test]
async fn a_certificate_of_our_own_is_shown_to_who_asks_for_it() {
    let (address, dir) = behind_mutual_tls().await;
    let options = |own: Option<&str>| {
        let keys = Keys::fixed("key", Secret::new("secret"));
        let mut options = S3Options::new(named("cloud"), station(), &format!("https://{address}"), HONEST, keys);
        let path = |name: String| Path::new(dir.path()).join(name);
        options.http.ca_file = Some(path("server.pem".to_owned()));
        options.http.client_certificate = own.map(|name| ClientCertificate {
            certificate: path(format!("{name}.pem")),
            key: path(format!("{name}-key.pem")),
        });
        options
    };
    let dest = S3Destination::new(options(Some("station"))).unwrap();
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(1000, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
    for own in [None, Some("stranger")] {
        let error = S3Destination::new(options(own)).unwrap().probe().await.unwrap_err();
        assert!(matches!(&error, SendError::Refused { what, .. } if what.contains("client_certificate")), "{error:?}");
        assert_eq!(error.retry(), Retry::Operator);
    }
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_configured() {
    let weed = Weed::start().await;
    weed.make_bucket("by-proxy").await;
    // To whom it is addressed nobody knows but the proxy.
    let proxy = FaultProxy::start(weed.address()).await;
    let mut options = weed.options_at("http://s3.station.invalid", "by-proxy");
    options.http = HttpOptions { proxy: Proxy::Via(proxy.endpoint()), ..HttpOptions::default() };
    options.path_style = Some(true);
    let dest = S3Destination::new(options.clone()).unwrap();
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/中", footage(PART as usize + 7, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
    assert!(proxy.requests().iter().all(|line| line.contains(" http://s3.station.invalid/by-proxy/")));

    // Straight to it there is no way.
    options.http.proxy = Proxy::Direct;
    let error = S3Destination::new(options).unwrap().probe().await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    // A proxy that is gone is a line that is cut.
    let mut options = weed.options("by-proxy");
    options.http.proxy = Proxy::Via(proxy.endpoint());
    drop(proxy);
    let dest = S3Destination::new(options).unwrap();
    support::until("the proxy is gone", async || dest.head("v1/x").await.is_err()).await;
    assert!(matches!(dest.probe().await.unwrap_err(), SendError::Unreachable { .. }));
}

fn through(server: SocketAddr, endpoint: &str, path_style: Option<bool>) -> S3Destination {
    let keys = Keys::fixed("key", Secret::new("secret"));
    let mut options = S3Options::new(named("quirky"), station(), endpoint, "bucket", keys);
    options.http.proxy = Proxy::Via(format!("http://{server}"));
    options.path_style = path_style;
    S3Destination::new(options).unwrap()
}

/// Habits as they were recorded of services that nobody here has run against: what is negotiated with each.
#[tokio::test]
async fn what_a_service_is_known_to_do_is_what_is_negotiated() {
    let all = Habits { sha256: true, crc64: true, conditions: true, ..Habits::default() };
    let none = Habits::default();
    let by_host = Habits { by_host_only: true, ..none };
    let table = [
        // Amazon S3 and MinIO: SHA-256, composite over parts; conditions.
        ("amazon", "http://s3.eu-central-1.amazonaws.com", all, ProofLevel::RemoteChecksum, "compares SHA-256"),
        ("minio", "http://minio.example.org:9000", all, ProofLevel::RemoteChecksum, "compares SHA-256"),
        // One that tells CRC only, and one that says no to what it does not know.
        (
            "crc alone",
            "http://s3.example.org",
            Habits { crc64: true, ..none },
            ProofLevel::RemoteChecksum,
            "compares CRC-64/NVME",
        ),
        (
            "crc alone, strict",
            "http://s3.example.org",
            Habits { crc64: true, refuses_unknown: true, ..none },
            ProofLevel::RemoteChecksum,
            "compares CRC-64/NVME",
        ),
        // OSS, OBS and COS through their S3 interfaces: by host, no checksum headers, no conditions.
        ("oss", "http://oss-cn-beijing.aliyuncs.com", by_host, ProofLevel::ReadBack, "compares MD5"),
        ("obs", "http://obs.cn-north-4.myhuaweicloud.com", by_host, ProofLevel::ReadBack, "compares MD5"),
        ("cos", "http://cos.ap-beijing.myqcloud.com", by_host, ProofLevel::ReadBack, "compares MD5"),
    ];
    for (name, endpoint, habits, proof, words) in table {
        let (quirky, server) = Quirky::start(habits).await;
        let dest = through(server, endpoint, None);
        let abilities = dest.probe().await.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(abilities.proof, proof, "{name}: {}", abilities.detail);
        assert!(abilities.detail.contains(words), "{name}: {}", abilities.detail);
        assert_eq!(abilities.detail.contains("keeps keys from being overwritten"), habits.conditions, "{name}");
        for size in [1000, 2 * PART + 7] {
            let sample = Sample::new(&format!("v1/{size}"), footage(size as usize, 1), PART);
            sample.upload(&dest).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            let how = assert_proven(&dest, &sample, &abilities).await;
            let wanted = match (words, size > PART) {
                ("compares SHA-256", true) => How::Composite,
                ("compares SHA-256", false) => How::Whole,
                ("compares CRC-64/NVME", _) => How::Crc64,
                _ => How::ReadBack,
            };
            assert_eq!(how, wanted, "{name}");
        }
        let hosts = quirky.hosts();
        assert!(
            hosts.iter().all(|host| host.starts_with("bucket.") == (name != "minio" && !name.starts_with("crc"))),
            "{name}: {hosts:?}"
        );
        // A bucket in the path, where only the host is taken: told at the first write, not at the first clip.
        if habits.by_host_only {
            let error = through(server, endpoint, Some(true)).probe().await.unwrap_err();
            assert_eq!(error.retry(), Retry::Operator, "{name}: {error:?}");
        }
    }
}

/// A part without a CRC of intake (a clip of an older version) goes up by CRC all the same.
#[tokio::test]
async fn a_part_whose_crc_is_not_known_is_read_for_it() {
    let (_, server) = Quirky::start(Habits { crc64: true, ..Habits::default() }).await;
    let dest = through(server, "http://s3.example.org", None);
    let abilities = dest.probe().await.unwrap();
    let mut sample = Sample::new("v1/x", footage(PART as usize + 7, 1), PART);
    for part in &mut sample.parts {
        part.crc64 = None;
    }
    sample.upload(&dest).await.unwrap();
    // Without ours there is nothing to compare theirs with: the bytes decide.
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
}

/// Lies that no conversation gives away, one by one: none ends as proven.
#[tokio::test]
async fn what_is_only_claimed_is_not_believed() {
    // The right ETag of other bytes, at a server that knows no checksums.
    let (_, server) = Quirky::start(Habits { spoils: true, ..Habits::default() }).await;
    let abilities = through(server, "http://s3.example.org", None).probe().await.unwrap();
    assert_eq!(abilities.proof, ProofLevel::None, "{}", abilities.detail);
    // The right checksum of other bytes, computed on arrival and told for ever: seen when the bytes come back.
    let (_, server) = Quirky::start(Habits { spoils: true, sha256: true, crc64: true, ..Habits::default() }).await;
    let abilities = through(server, "http://s3.example.org", None).probe().await.unwrap();
    assert_eq!(abilities.proof, ProofLevel::None, "{}", abilities.detail);

    // Locks that are claimed, taken and not kept: an error that says so, at the lock and at the hold.
    let habits = Habits { sha256: true, claims_locks: true, ..Habits::default() };
    let (_, server) = Quirky::start(habits).await;
    let dest = through(server, "http://s3.example.org", None);
    assert!(dest.probe().await.unwrap().lock);
    dest.put_small("v1/x", Bytes::from_static(b"x"), "t/t", None).await.unwrap();
    for error in [
        dest.retain("v1/x", UtcMs(clock::wall().0 + 86_400_000)).await.unwrap_err(),
        dest.hold("v1/x", true).await.unwrap_err(),
    ] {
        assert!(matches!(&error, SendError::Protocol { what, .. } if what.contains("keeps none")), "{error:?}");
    }

    // A clock an hour off: what refuses is not the key.
    let (_, server) = Quirky::start(Habits { behind_s: 3600, ..Habits::default() }).await;
    let error = through(server, "http://s3.example.org", None).probe().await.unwrap_err();
    let ahead =
        |what: &str| what.contains("RequestTimeTooSkewed") && what.contains("clock is 3") && what.contains("ahead");
    assert!(matches!(&error, SendError::Refused { what, .. } if ahead(what)), "{error:?}");
}

/// Uploads that were begun and forgotten are listed with their age, so that they can be given up.
#[tokio::test]
async fn uploads_that_nobody_knows_are_found_in_the_bucket() {
    let weed = Weed::start().await;
    weed.make_bucket("forgotten").await;
    let dest = S3Destination::new(weed.options("forgotten")).unwrap();
    let sample = Sample::new("v1/test-01/clips/x/master", footage(PART as usize + 7, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    sample.send(&dest, &session, 0).await.unwrap();
    let open = dest.open_sessions("v1/test-01/").await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((&open[0].key, &open[0].session), (&sample.object.key, &session));
    let age = clock::wall().0 - open[0].begun.expect("SeaweedFS tells when").0;
    assert!((-60_000..600_000).contains(&age), "{age} ms");
    assert_eq!(dest.open_sessions("v1/other/").await.unwrap(), vec![]);
    dest.abort(&sample.object, &open[0].session).await.unwrap();
    assert_eq!(dest.open_sessions("v1/").await.unwrap(), vec![]);
}

/// The real program: proven at a server that gives bytes back, sent and unproven at a door, and known again after a kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_station_sends_to_tus_servers_and_knows_after_a_kill_what_stands_there() {
    let (tus, door) = (tus().await, Tus::door().await);
    let mut station = Station::new("");
    let section = |name: &str, server: &Tus, required: bool| {
        let endpoint = server.options().endpoint;
        format!(
            "[[destination]]\nname = \"{name}\"\nkind = \"tus\"\nendpoint = \"{endpoint}\"\nrequired = {required}\n"
        )
    };
    station.configure(&(section("province", tus, true) + &section("door", &door, false)));
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), footage((8 << 20) + 999, 1), 60);
    station.start();
    station.dock("a");
    station.until_proven(1);
    let at_the_door = "SELECT state, reason, proof FROM delivery WHERE destination = 'door'";
    station.until("the door has it all", |s| {
        s.query(at_the_door, &[]).iter().any(|row| row[0] == "sent" && row[1].contains("sent, unproven"))
    });
    assert_eq!(station.query(at_the_door, &[])[0][2], "", "a door proves nothing");
    station.kill();
    station.start();
    let (verified, _) = station.refused(1, ["verify", "--all", "--remote"]);
    let copies = verified[0]["copies"].as_array().unwrap();
    let result = |name: &str| copies.iter().find(|copy| copy["destination"] == name).unwrap()["result"].clone();
    assert_eq!((result("province"), result("door")), ("same".into(), "unreachable".into()), "{copies:?}");
}
