//! The client's IP address, behind the proxies that are trusted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::Env;
use crate::env::variable::{network, parts};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The header in which a back end states its own user's address.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The proxies whose headers about the client are trusted. Nobody else's are.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`: addresses and networks (`10.0.0.0/8`) separated by commas. Without it no proxy is trusted.
    pub fn from_env(env: &Env) -> Self {
        let list = env.optional("TRUSTED_PROXIES").unwrap_or_default();
        Self(parts(&list).filter_map(network).collect())
    }

    /// The client's address: the peer's own or, if the peer is a trusted proxy, the rightmost hop that is not trusted.
    ///
    /// `X-Forwarded-For` and `Forwarded` (RFC 7239) list the hops; `X-Real-IP` is used only without them. Hops to the left
    /// of one that cannot be parsed are ignored, because anybody may have written them. If the two headers lead to different
    /// clients, one of them was forged, and the result is the peer.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let forwarded_for = self.last_untrusted(peer, headers, &X_FORWARDED_FOR, parse_address);
        let forwarded = self.last_untrusted(peer, headers, &header::FORWARDED, |hop| {
            hop.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("for")
                    .then(|| parse_address(value.trim().trim_matches('"')))?
            })
        });
        match (forwarded_for, forwarded) {
            (Some(one), Some(other)) if one != other => peer,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => real_ip(headers).unwrap_or(peer),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The last hop, from the right, that is not trusted; `None` without the header.
    fn last_untrusted(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        name: &HeaderName,
        read: impl Fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let mut client = None;
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        for line in lines.into_iter().rev() {
            // A line that is not text was not written by a trusted proxy.
            let Ok(line) = line.to_str() else {
                return client.or(Some(peer));
            };
            for hop in line.rsplit(',') {
                let Some(hop) = read(hop.trim()) else {
                    return client.or(Some(peer));
                };
                client = Some(hop);
                if !self.trusts(hop) {
                    return client;
                }
            }
        }
        client
    }
}

/// The single address in `X-Real-IP`, whoever sent it. Use it only for senders that are allowed to state it.
#[must_use]
pub fn real_ip(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all(X_REAL_IP).iter();
    let value = values.next()?.to_str().ok()?;
    values
        .next()
        .is_none()
        .then(|| parse_address(value.trim()))?
}

/// The part of an address to which a rate limit applies: the whole IPv4 address, or the IPv6 /64 that one customer gets.
#[must_use]
pub fn rate_limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[4..].fill(0);
            IpAddr::V6(Ipv6Addr::from(segments))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Parses an address as proxies write it: bare, with a port, or IPv6 in brackets.
fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted = TrustedProxies::from_env(&Env::from_pairs([(
            "TRUSTED_PROXIES",
            "10.0.0.0/8, 192.0.2.7",
        )]));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        trusted.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        for header in ["x-forwarded-for", "x-real-ip"] {
            assert_eq!(client("203.0.113.9", &[(header, "1.2.3.4")]), "203.0.113.9");
        }
        assert_eq!(
            client("203.0.113.9", &[("forwarded", "for=1.2.3.4")]),
            "203.0.113.9"
        );
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        let thousand = "6.6.6.6, ".repeat(1000) + "1.2.3.4";
        for (headers, expected) in [
            (vec![], PROXY),
            (vec![("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
            (vec![("x-forwarded-for", "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
            (
                vec![("x-forwarded-for", "1.2.3.4, 10.9.9.9, 192.0.2.7")],
                "1.2.3.4",
            ),
            (
                vec![
                    ("x-forwarded-for", "6.6.6.6"),
                    ("x-forwarded-for", "1.2.3.4"),
                ],
                "1.2.3.4",
            ),
            (vec![("x-forwarded-for", thousand.as_str())], "1.2.3.4"),
            (vec![("x-forwarded-for", "1.2.3.4:5678")], "1.2.3.4"),
            (vec![("x-forwarded-for", "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
            (
                vec![(
                    "forwarded",
                    "for=6.6.6.6, for=\"[2001:db8::1]:99\";proto=https",
                )],
                "2001:db8::1",
            ),
            (vec![("x-real-ip", "1.2.3.4")], "1.2.3.4"),
            (
                vec![("x-real-ip", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4")],
                "1.2.3.4",
            ),
        ] {
            assert_eq!(client(PROXY, &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn unreadable_or_contradicting_headers_lead_to_the_proxy() {
        for headers in [
            vec![("x-forwarded-for", "garbage")],
            vec![("x-forwarded-for", "1.2.3.4, ")],
            vec![("x-forwarded-for", "1.2.3.4, unknown")],
            vec![("x-forwarded-for", "1.2.3.4, \u{e9}")],
            vec![("forwarded", "for=_hidden")],
            vec![("forwarded", "by=1.2.3.4")],
            vec![("x-real-ip", "1.2.3.4"), ("x-real-ip", "1.2.3.5")],
            vec![("x-real-ip", "not an address")],
            vec![("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=6.6.6.6")],
        ] {
            assert_eq!(client(PROXY, &headers), PROXY, "{headers:?}");
        }
    }

    #[test]
    fn a_rate_limit_applies_to_a_whole_ipv6_network() {
        for (address, kept) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ] {
            assert_eq!(rate_limit_key(address.parse().unwrap()).to_string(), kept);
        }
    }

    #[test]
    fn an_invalid_network_is_a_fault() {
        let env = Env::from_pairs([("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/99")]);
        TrustedProxies::from_env(&env);
        let said = env.finish().unwrap_err().to_string();
        assert!(said.contains("10.0.0.0/99"), "{said}");
    }
}
