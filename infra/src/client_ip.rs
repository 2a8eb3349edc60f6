//! Whose request it is: the address of the client behind the proxies that we trust.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::Env;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The header in which a back end names its own user's address.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The proxies whose word about the client is believed. Nobody else's is.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`: addresses and networks (`10.0.0.0/8`) with commas between. Nobody is trusted without it.
    pub fn from_env(env: &mut Env) -> Self {
        let list = env.optional("TRUSTED_PROXIES").unwrap_or_default();
        let mut networks = Vec::new();
        for part in list
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let network = part
                .parse()
                .or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            match network {
                Ok(network) => networks.push(network),
                Err(_) => env.fault(format!(
                    "TRUSTED_PROXIES holds {part:?}, which is neither an address nor a network such as 10.0.0.0/8"
                )),
            }
        }
        Self(networks)
    }

    /// The client's address: the peer's own, or if the peer is a trusted proxy, the rightmost hop that is not one.
    ///
    /// `X-Forwarded-For` and `Forwarded` (RFC 7239) tell the hops; `X-Real-IP` counts where neither is present. What is
    /// left of the first hop that cannot be read may be anybody's invention and is not looked at. If the two kinds of
    /// list name different clients, one of them was forged, and the answer is the peer.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let forwarded_for = self.last_untrusted(peer, headers, &X_FORWARDED_FOR, address);
        let forwarded = self.last_untrusted(peer, headers, &header::FORWARDED, |hop| {
            hop.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("for")
                    .then(|| address(value.trim().trim_matches('"')))?
            })
        });
        match (forwarded_for, forwarded) {
            (Some(one), Some(other)) if one != other => peer,
            (Some(client), _) | (None, Some(client)) => client,
            (None, None) => named(headers).unwrap_or(peer),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Walks a list of hops from its right end; nothing if the header is not there.
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
            // A line that is no text was not written by a proxy of ours.
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

/// The one address in `X-Real-IP`, whoever sent it. Ask only where the sender has proven that it may say so.
#[must_use]
pub fn named(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all(X_REAL_IP).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| address(value.trim()))?
}

/// The part of an address that a limit is kept for: an IPv4 address whole, of IPv6 the /64 that one customer gets.
#[must_use]
pub fn limited(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[4..].fill(0);
            IpAddr::V6(Ipv6Addr::from(segments))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// An address as proxies write it: bare, with a port, or an IPv6 one in brackets.
fn address(text: &str) -> Option<IpAddr> {
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

    fn seen(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let trusted =
            TrustedProxies::from_env(&mut Env::of([("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7")]));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        trusted.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn a_stranger_speaks_for_nobody() {
        for header in ["x-forwarded-for", "x-real-ip"] {
            assert_eq!(seen("203.0.113.9", &[(header, "1.2.3.4")]), "203.0.113.9");
        }
        assert_eq!(
            seen("203.0.113.9", &[("forwarded", "for=1.2.3.4")]),
            "203.0.113.9"
        );
    }

    #[test]
    fn the_rightmost_hop_that_is_no_proxy_counts() {
        let thousand = "6.6.6.6, ".repeat(1000) + "1.2.3.4";
        for (headers, client) in [
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
            assert_eq!(seen(PROXY, &headers), client, "{headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_contradicts_leads_back_to_the_proxy() {
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
            assert_eq!(seen(PROXY, &headers), PROXY, "{headers:?}");
        }
    }

    #[test]
    fn a_limit_is_kept_for_a_whole_customer() {
        for (address, kept) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ] {
            assert_eq!(limited(address.parse().unwrap()).to_string(), kept);
        }
    }

    #[test]
    fn a_network_that_is_none_is_a_fault() {
        let mut env = Env::of([("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/99")]);
        TrustedProxies::from_env(&mut env);
        let said = env.finish().unwrap_err().to_string();
        assert!(said.contains("10.0.0.0/99"), "{said}");
    }
}
