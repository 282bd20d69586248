//! Who is there: WS-Discovery (OASIS, 1.0 of April 2005, as ONVIF uses it) by UDP, inside the configured networks alone.
//! Runs inside a worker.
//!
//! A probe goes out from the box's own address in each network; what answers from outside of them, or tells an address
//! outside of them, is passed over. Finding is not trusting: what is found waits for a person.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use super::soap::printable;
use super::xml::Node;
use crate::domain::replay::{Find, MAX_FINDS, Network};
use crate::runtime::clock::monotonic;

/// WS-Discovery's own group and port.
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 3702);
/// A datagram that is longer is no answer that a recorder gives.
const DATAGRAM_BYTES: usize = 32 << 10;
/// Answers that are looked at: a network full of talkers must end, too.
const MAX_ANSWERS: usize = 4_096;

/// Asks in every network and waits for answers; each recorder once.
pub fn discover(networks: &[(Ipv4Addr, Network)], wait: Duration) -> io::Result<Vec<Find>> {
    let mut sockets = Vec::new();
    for (own, _) in networks {
        // Bound to its own address, a multicast datagram leaves where that address is.
        let socket = UdpSocket::bind(SocketAddrV4::new(*own, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let id = rand::random::<u128>();
        socket.send_to(probe(id).as_bytes(), GROUP)?;
        sockets.push((socket, id));
    }
    let until = monotonic() + wait;
    let (mut found, mut answers) = (BTreeMap::new(), 0);
    let mut buf = vec![0; DATAGRAM_BYTES];
    while monotonic() < until && answers < MAX_ANSWERS && !sockets.is_empty() {
        for (socket, id) in &sockets {
            let Ok((n, SocketAddr::V4(from))) = socket.recv_from(&mut buf) else { continue };
            answers += 1;
            if !networks.iter().any(|(_, network)| network.holds(*from.ip())) || found.len() >= MAX_FINDS {
                continue;
            }
            for find in matches(&buf[..n], *id, |ip| networks.iter().any(|(_, network)| network.holds(ip))) {
                found.entry(find.address.clone()).or_insert(find);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// A probe for what transmits video over a network (ONVIF Core Specification, 7.3.1.1: recorders are of this type, too).
fn probe(id: u128) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\"><s:Header><a:Action s:mustUnderstand=\"1\">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>\
         <a:MessageID>{}</a:MessageID><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>\
         <a:To s:mustUnderstand=\"1\">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>\
         <s:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>",
        urn(id)
    )
}

fn urn(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What a datagram tells, where it answers our probe.
fn matches(bytes: &[u8], id: u128, inside: impl Fn(Ipv4Addr) -> bool) -> Vec<Find> {
    let Ok(node) = Node::read(bytes) else { return Vec::new() };
    let relates = node.text_at(&["Header", "RelatesTo"]).is_some_and(|to| to.eq_ignore_ascii_case(&urn(id)));
    let Some(list) = node.at(&["Body", "ProbeMatches"]).filter(|_| relates) else { return Vec::new() };
    list.all("ProbeMatch")
        .take(8)
        .filter_map(|one| {
            let address = one.text_at(&["XAddrs"])?.split_whitespace().find(|address| {
                let uri: Option<http::Uri> = address.parse().ok();
                let http = uri.as_ref().is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")));
                let host = uri.as_ref().and_then(|u| u.host()?.parse::<Ipv4Addr>().ok());
                http && host.is_some_and(&inside)
            })?;
            let scope = |kind: &str| {
                let scopes = one.text_at(&["Scopes"]).unwrap_or_default();
                let prefix = format!("onvif://www.onvif.org/{kind}/");
                let value = scopes.split_whitespace().find_map(|s| s.strip_prefix(prefix.as_str())).unwrap_or_default();
                printable(&percent_encoding::percent_decode_str(value).decode_utf8_lossy())
            };
            Some(Find {
                address: printable(address),
                endpoint: one.text_at(&["EndpointReference", "Address"]).map(printable).unwrap_or_default(),
                name: scope("name"),
                hardware: scope("hardware"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

    fn answer(to: &str, addresses: &str) -> String {
        format!(
            "<s:Envelope xmlns:s=\"u\"><s:Header><a:RelatesTo>{to}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>\
             <a:EndpointReference><a:Address>urn:uuid:1</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>\
             <d:Scopes>onvif://www.onvif.org/Profile/G onvif://www.onvif.org/name/DSJ%20V8 onvif://www.onvif.org/hardware/V8</d:Scopes>\
             <d:XAddrs>{addresses}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
        )
    }

    #[test]
    fn only_answers_to_our_probe_from_our_networks_count() {
        let inside = |ip: Ipv4Addr| ip.octets()[0] == 10;
        let found = |to: &str, addresses: &str| matches(answer(to, addresses).as_bytes(), ID, inside);
        let ours = urn(ID);
        let one = found(&ours, "http://192.0.2.9/x http://10.0.0.9/onvif/device_service");
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].address, "http://10.0.0.9/onvif/device_service");
        assert_eq!((one[0].name.as_str(), one[0].hardware.as_str()), ("DSJ V8", "V8"));
        assert!(found("urn:uuid:other", "http://10.0.0.9/").is_empty());
        for address in ["http://192.0.2.9/", "ftp://10.0.0.9/", "http://recorder.example/", "x", ""] {
            assert!(found(&ours, address).is_empty(), "{address}");
        }
    }

    #[test]
    fn a_probe_is_a_document() {
        let node = Node::read(probe(ID).as_bytes()).unwrap();
        assert_eq!(node.text_at(&["Header", "MessageID"]), Some("urn:uuid:01234567-89ab-cdef-0123-456789abcdef"));
        assert_eq!(node.text_at(&["Body", "Probe", "Types"]), Some("dn:NetworkVideoTransmitter"));
    }

    proptest! {
        #[test]
        fn mutated_answers_end(at in 0usize..600, with in any::<u8>()) {
            let mut bytes = answer(&urn(ID), "http://10.0.0.9/").into_bytes();
            let n = bytes.len();
            bytes[at % n] = with;
            prop_assert!(matches(&bytes, ID, |_| true).len() <= 1);
        }
    }
}
