//! Deliveries go to the internet and nowhere else, whatever a merchant writes and whatever a name answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::delivery::{AddressError, Guard, NewEndpoint, Reach, Resolve, is_public};
use futures::FutureExt;
use reqwest::dns::{Addrs, Name, Resolving};
use tokio::net::TcpListener;

use super::deliveries;
use crate::world::World;

#[test]
fn only_addresses_of_the_internet_are_public() {
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.254",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(ip.parse::<IpAddr>().unwrap()), "{ip}");
    }
    for ip in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::200e",
    ] {
        assert!(is_public(ip.parse::<IpAddr>().unwrap()), "{ip}");
    }
}

/// Names that answer these addresses, one after the other; the last one stays. None is an unknown name.
struct Names {
    answers: Vec<&'static [&'static str]>,
    asked: AtomicUsize,
}

impl Names {
    fn of(answers: &[&'static [&'static str]]) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.to_vec(),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let at = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.answers[at.min(self.answers.len() - 1)];
        let found: Vec<SocketAddr> = found
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .collect();
        Box::pin(async move {
            if found.is_empty() {
                return Err("no such name".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[tokio::test]
async fn an_address_is_judged_by_what_it_says_and_where_it_leads() {
    let public = Guard::with_names(Reach::Public, Names::of(&[&["1.1.1.1"]]));
    for (url, expected) in [
        ("https://shop.example/hooks?a=b", None),
        ("https://shop.example:8443/", None),
        ("https://1.1.1.1/", None),
        ("https://[2606:4700::1111]/", None),
        ("http://shop.example/", Some(AddressError::Scheme)),
        ("ftp://shop.example/", Some(AddressError::Scheme)),
        ("file:///etc/passwd", Some(AddressError::Scheme)),
        ("shop.example/hooks", Some(AddressError::NotAUrl)),
        ("https://", Some(AddressError::NotAUrl)),
        ("", Some(AddressError::NotAUrl)),
        ("https://me@shop.example/", Some(AddressError::Credentials)),
        ("https://:x@shop.example/", Some(AddressError::Credentials)),
        ("https://shop.example/#x", Some(AddressError::Fragment)),
        ("https://127.0.0.1/", Some(AddressError::Unreachable)),
        ("https://127.1/", Some(AddressError::Unreachable)),
        ("https://2130706433/", Some(AddressError::Unreachable)),
        ("https://0x7f.0.0.1/", Some(AddressError::Unreachable)),
        ("https://0177.0.0.1/", Some(AddressError::Unreachable)),
        ("https://10.1.2.3:8080/", Some(AddressError::Unreachable)),
        (
            "https://169.254.169.254/latest",
            Some(AddressError::Unreachable),
        ),
        ("https://[::1]/", Some(AddressError::Unreachable)),
        (
            "https://[::ffff:10.0.0.1]/",
            Some(AddressError::Unreachable),
        ),
        ("https://[fd00::1]/", Some(AddressError::Unreachable)),
    ] {
        assert_eq!(public.check(url).await.err(), expected, "{url}");
    }
    let long = format!("https://shop.example/{}", "a".repeat(2048));
    assert_eq!(public.check(&long).await.err(), Some(AddressError::Long));

    let answers: [(&[&str], Option<AddressError>); 4] = [
        (&["192.168.0.1"], Some(AddressError::Unreachable)),
        (&["::1", "127.0.0.1"], Some(AddressError::Unreachable)),
        (&[], Some(AddressError::Unreachable)),
        (&["10.0.0.1", "1.1.1.1"], None),
    ];
    for (found, expected) in answers {
        let found: &'static [&'static str] = found.to_vec().leak();
        let guard = Guard::with_names(Reach::Public, Names::of(&[found]));
        let checked = guard.check("https://shop.example/").await;
        assert_eq!(checked.err(), expected, "{found:?}");
        // And a connection is offered none but the public ones.
        if let Ok(offered) = guard.resolve("shop.example".parse().unwrap()).await {
            let offered: Vec<IpAddr> = offered.map(|address| address.ip()).collect();
            assert_eq!(offered, ["1.1.1.1".parse::<IpAddr>().unwrap()]);
        }
    }
    let own = Guard::new(Reach::Public).check("https://localhost/").await;
    assert_eq!(own.err(), Some(AddressError::Unreachable));
    let anywhere = Guard::new(Reach::Anywhere);
    assert!(anywhere.check("http://127.0.0.1:9/hooks").await.is_ok());
}

/// What an endpoint that was saved in good faith comes to when its address leads inside at the moment of the call.
async fn inside(url: &str, names: Arc<Names>) -> (String, bool) {
    let world = World::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let guard = Guard::with_names(Reach::Public, names);
    let address = guard.check(&url.replace("PORT", &port.to_string())).await;
    let new = NewEndpoint {
        address: address.unwrap(),
        description: None,
        enabled_events: vec!["payment.created".into()],
    };
    let made = world.engine.add_webhook_endpoint(world.account, new).await;
    let endpoint = made.unwrap();
    if url.starts_with("https://1.1.1.1") {
        // The rules became stricter, or the row was changed: an address needs no resolver.
        let inside = format!("https://127.0.0.1:{port}/");
        sqlx::query("update webhook_endpoint set url = $1")
            .bind(inside)
            .execute(world.database.pool())
            .await
            .unwrap();
    }
    world.create("pm_card_visa").await;
    let worker = world.worker_with(guard, Duration::from_secs(5));
    worker.drain().await.unwrap();
    let delivery = &deliveries(&world, &endpoint).await[0];
    let read = world
        .engine
        .delivery(world.account, endpoint.id.uuid(), delivery.id.uuid());
    let log = read.await.unwrap().log.unwrap();
    let knocked = listener.accept().now_or_never().is_some();
    (log[0].error.clone().unwrap(), knocked)
}

#[tokio::test]
async fn a_name_that_leads_inside_when_it_is_called_is_not_called() {
    let rebinding = Names::of(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let (error, knocked) = inside("https://shop.example:PORT/", rebinding.clone()).await;
    assert_eq!(error, AddressError::Unreachable.to_string());
    assert!(!knocked);
    assert_eq!(rebinding.asked.load(Ordering::SeqCst), 2);

    let (error, knocked) = inside("https://1.1.1.1:PORT/", Names::of(&[&[]])).await;
    assert_eq!(error, AddressError::Unreachable.to_string());
    assert!(!knocked);
}
