//! A merchant's shop for development, no part of Stripe: one mug, several test cards. The browser calls this server
//! only, which pays through the gateway with an API key that the browser never sees.

use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;

use crate::config::Shop;
use crate::http;
use crate::http::{Request, Response};
use crate::simulator::Simulator;

const PAGE: &str = include_str!("shop/shop.html");
const SCRIPT: &str = include_str!("shop/shop.js");
const STYLE: &str = include_str!("shop/shop.css");

const PRICE_IN_CENTS: u32 = 1_800;
const ANSWER_LIMIT: usize = 1 << 20;

/// Answers a request under `/shop`.
pub(crate) async fn answer(simulator: &Simulator, request: &Request) -> Response {
    let segments = request.segments();
    match (request.method.as_str(), &segments[1..]) {
        ("GET", []) => http::page("text/html; charset=utf-8", PAGE),
        ("GET", ["shop.js"]) => http::page("text/javascript; charset=utf-8", SCRIPT),
        ("GET", ["shop.css"]) => http::page("text/css; charset=utf-8", STYLE),
        (_, ["api", rest @ ..]) => match &simulator.config.shop {
            Some(shop) => pay(simulator, shop, request, rest).await,
            None => http::fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "The shop has no gateway: set SHOP_GATEWAY_URL and SHOP_API_KEY.",
            ),
        },
        _ => http::not_found(),
    }
}

/// One click on "Buy".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    payment_method: String,
}

async fn pay(simulator: &Simulator, shop: &Shop, request: &Request, path: &[&str]) -> Response {
    match (request.method.as_str(), path) {
        // The form of another site cannot post JSON, so that no other page can buy here.
        ("POST", ["payments"]) if request.header("content-type") == Some("application/json") => {
            let Ok(order) = serde_json::from_slice::<Order>(&request.body) else {
                return http::fault(StatusCode::BAD_REQUEST, "Say which payment_method.");
            };
            let Some(key) = request.header("idempotency-key") else {
                return http::fault(
                    StatusCode::BAD_REQUEST,
                    "Each click brings its Idempotency-Key.",
                );
            };
            let body = json!({
                "amount": PRICE_IN_CENTS,
                "currency": "usd",
                "payment_method": order.payment_method,
                "confirm": true,
                "return_url": format!("{}/shop", public_url(simulator, request)),
                "description": "One mug",
            });
            forward(
                simulator,
                shop,
                Method::POST,
                "payments",
                Some((key, body.to_string())),
            )
            .await
        }
        ("GET", [kind @ ("payments" | "payment_intents"), id]) if is_id(id) => {
            forward(simulator, shop, Method::GET, &format!("{kind}/{id}"), None).await
        }
        ("GET", ["payments", id, "events"]) if is_id(id) => {
            let path = format!("payments/{id}/events?limit=100");
            forward(simulator, shop, Method::GET, &path, None).await
        }
        _ => http::not_found(),
    }
}

fn is_id(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// The address of the shop for the browser.
fn public_url(simulator: &Simulator, request: &Request) -> String {
    match (&simulator.config.public_url, request.header("host")) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, host) => format!("http://{}", host.unwrap_or("127.0.0.1:12111")),
    }
}

/// Sends a request to the gateway and passes its answer on.
async fn forward(
    simulator: &Simulator,
    shop: &Shop,
    method: Method,
    path: &str,
    order: Option<(&str, String)>,
) -> Response {
    let unreachable = || {
        http::fault(
            StatusCode::BAD_GATEWAY,
            "The gateway does not answer. Is it running?",
        )
    };
    let url = format!("{}/api/v1/{path}", shop.gateway_url.trim_end_matches('/'));
    let Ok(uri) = url.parse::<Uri>() else {
        return unreachable();
    };
    let mut asked = hyper::Request::builder()
        .method(method)
        .uri(uri)
        .header("x-api-key", &shop.api_key);
    let mut body = Full::default();
    if let Some((key, json)) = order {
        asked = asked
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .header("prefer", "wait=5");
        body = Full::from(json);
    }
    let Ok(asked) = asked.body(body) else {
        return unreachable();
    };
    let Ok(answer) = simulator.client.request(asked).await else {
        return unreachable();
    };
    let status = answer.status();
    match Limited::new(answer.into_body(), ANSWER_LIMIT)
        .collect()
        .await
    {
        Ok(body) => http::response(status, "application/json", body.to_bytes()),
        Err(_) => unreachable(),
    }
}
