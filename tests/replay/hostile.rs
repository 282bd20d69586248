//! Recorders that lie: every answer ends, within its time and its bounds, and says what is wrong.

use std::io::{Read, Write};
use std::net::TcpListener;

use evidock::runtime::clock::monotonic;
use evidock::source::replay;

use crate::onvif::{Answers, Onvif};
use crate::station::ways;
use crate::{BEGIN_MS, END_MS, PATIENCE, configured, fetch, program};

#[test]
fn answers_that_lie_or_never_end_are_given_up() {
    let looks: Vec<_> = [
        (Answers::TooLong, "does not answer"),
        (Answers::Huge, "longer than anything sensible"),
        (Answers::Endless, "longer than anything sensible"),
        (Answers::Bomb, "document type"),
        (Answers::Noise, "no XML"),
    ]
    .into_iter()
    .map(|(answers, wanted)| {
        std::thread::spawn(move || {
            let mut lies = ways(1, (BEGIN_MS, END_MS));
            (lies.user, lies.answers) = (None, answers);
            let onvif = Onvif::start(lies);
            let (_dir, program) = program();
            let begun = monotonic();
            let error = replay::look(&program, &configured(&onvif.url()), true, &|| false).unwrap_err().to_string();
            assert!(error.contains(wanted), "{answers:?}: {error}");
            assert!(begun.elapsed() < PATIENCE, "{answers:?} took {:?}", begun.elapsed());
        })
    })
    .collect();
    for look in looks {
        look.join().unwrap();
    }
    // A search without an end is ended, with what it brought.
    let mut lies = ways(1, (BEGIN_MS, END_MS));
    (lies.user, lies.answers) = (None, Answers::EndlessSearch);
    let onvif = Onvif::start(lies);
    let (_dir, program) = program();
    let looked = replay::look(&program, &configured(&onvif.url()), true, &|| false).unwrap();
    assert_eq!(looked.spans.len(), 1);
    assert!(onvif.asked().iter().filter(|a| *a == "GetRecordingSearchResults").count() < 10);
}

/// An RTSP server that says these things, one to each request, and then keeps still or ends.
fn speaks(answers: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            std::thread::spawn(move || {
                let mut buf = [0; 4096];
                for answer in answers {
                    let Ok(1..) = client.read(&mut buf) else { return };
                    if client.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
                let _ = client.read(&mut buf);
            });
        }
    });
    port
}

/// The answer to DESCRIBE of a recorder with one track of sound.
fn described() -> &'static str {
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\na=control:s0\r\n";
    let head = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n";
    String::leak(format!("{head}Content-Length: {}\r\n\r\n{sdp}", sdp.len()))
}

#[test]
fn servers_that_break_rtsp_are_told_apart_from_cut_lines() {
    let sdp = described();
    let table: [(&[&'static str], &str); 7] = [
        (&["HTTP/1.1 400 Bad Request\r\nCSeq: 1\r\n\r\n"], "400"),
        (&["RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n"], "longer than anything sensible"),
        (&["RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc"], "no track"),
        (&["RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"], "description"),
        (
            &[sdp, "RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=1-2\r\n\r\n"],
            "inside the connection",
        ),
        (&[sdp, "RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;interleaved=4-5\r\n\r\n"], "another channel"),
        (&[sdp, "RTSP/1.0 551 Option not supported\r\nCSeq: 2\r\n\r\n"], "551"),
    ];
    let tries: Vec<_> = table
        .into_iter()
        .map(|(answers, wanted)| {
            let answers: &'static [&'static str] = Vec::leak(answers.to_vec());
            std::thread::spawn(move || {
                let url = format!("rtsp://127.0.0.1:{}/x", speaks(answers));
                let fetched = fetch(&url, true, (BEGIN_MS, END_MS), |_| {});
                assert!(fetched.segments.is_empty() && fetched.words.contains(wanted), "{wanted}: {fetched:?}");
            })
        })
        .collect();
    for one in tries {
        one.join().unwrap();
    }
}
