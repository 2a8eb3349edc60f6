//! Disputes over the API: listed, answered with evidence, accepted, and what they mean for refunds.

use infra::testing::unique;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::moving::{eventually, moving, waiting};
use crate::stage::{PAYMENTS, Stage, body, path_of, problem};

const DISPUTES: &str = "/api/v1/disputes";
const UNKNOWN: &str = "/api/v1/disputes/dp_01h2xcejqtf2nbrexx3vqjhp41";

/// A payment with this method, which its customer disputes afterwards, and the dispute.
async fn disputed(stage: &Stage, method: &str) -> (Value, Value) {
    let sent =
        json!({"amount": 1099, "currency": "eur", "payment_method": method, "confirm": true});
    let payment = body(waiting(stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    let of_payment = format!("{DISPUTES}?payment={}", payment["id"].as_str().unwrap());
    let listed = eventually(stage, &of_payment, |list| {
        let dispute = &list["data"][0];
        dispute["status"] == "warning_needs_response" || dispute["funds"] == "withdrawn"
    })
    .await;
    (payment, listed["data"][0].clone())
}

fn path_of_dispute(dispute: &Value, below: &str) -> String {
    format!("{DISPUTES}/{}{below}", dispute["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_dispute_is_answered_with_evidence_and_won() {
    let stage = moving().await;
    let (payment, dispute) = disputed(&stage, "pm_card_createDisputeProductNotReceived").await;
    for (field, value) in [
        ("object", json!("dispute")),
        ("payment_id", payment["id"].clone()),
        ("status", json!("needs_response")),
        ("amount", json!(1099)),
        ("currency", json!("eur")),
        ("reason", json!("product_not_received")),
        ("evidence", json!("none")),
        ("open_call", json!(null)),
        ("error", json!(null)),
    ] {
        assert_eq!(dispute[field], value, "{field}");
    }
    assert!(dispute["evidence_due_by"].is_string(), "{dispute}");
    let path = path_of_dispute(&dispute, "");
    let read = body(stage.get(&path).await, StatusCode::OK).await;
    assert_eq!(read["id"], dispute["id"]);
    let whole = body(stage.get(&path_of(&payment, "")).await, StatusCode::OK).await;
    assert_eq!(whole["disputed"], true);
    let refund = stage.post(&path_of(&payment, "/refunds"), &json!({})).await;
    problem(refund, 409, "disputed", None).await;

    let evidence = path_of_dispute(&dispute, "/evidence");
    let staged =
        json!({"evidence": {"customer_name": "Ada", "receipt": "file_1"}, "submit": false});
    let response = waiting(&stage, &evidence, &staged).await;
    assert_eq!(response.headers()["preference-applied"], "wait=20");
    assert_eq!(response.headers()["location"], path.as_str());
    let staged = body(response, StatusCode::OK).await;
    assert_eq!(
        (&staged["status"], &staged["evidence"], &staged["open_call"]),
        (&json!("needs_response"), &json!("staged"), &json!(null))
    );
    let sent = json!({"evidence": {"uncategorized_text": "winning_evidence"}});
    let sent = body(waiting(&stage, &evidence, &sent).await, StatusCode::OK).await;
    assert_eq!(sent["evidence"], "submitted");
    eventually(&stage, &path, |dispute| {
        dispute["status"] == "won" && dispute["funds"] == "reinstated"
    })
    .await;
    let again = stage.post(&evidence, &json!({"submit": true})).await;
    problem(again, 409, "unexpected_state", None).await;
    let refund = stage.post(&path_of(&payment, "/refunds"), &json!({})).await;
    assert_eq!(refund.status(), StatusCode::CREATED);
    let after = body(stage.get(&path_of(&payment, "")).await, StatusCode::OK).await;
    assert_eq!(after["disputed"], false);
}

#[tokio::test]
async fn a_dispute_is_accepted_once_and_lost() {
    let stage = moving().await;
    let (payment, dispute) = disputed(&stage, "pm_card_createDispute").await;
    let path = path_of_dispute(&dispute, "/accept");
    let key = unique("key");
    let first = body(stage.post_raw(&path, &key, "").await, StatusCode::OK).await;
    assert_eq!(first["open_call"], "close_dispute");
    let again = stage.post_raw(&path, &key, "").await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(body(again, StatusCode::OK).await, first);
    let lost = path_of_dispute(&dispute, "");
    eventually(&stage, &lost, |it| it["status"] == "lost").await;
    problem(
        stage.post(&path, &json!({})).await,
        409,
        "unexpected_state",
        None,
    )
    .await;
    let refund = stage.post(&path_of(&payment, "/refunds"), &json!({})).await;
    problem(refund, 409, "disputed", None).await;
    let whole = body(stage.get(&path_of(&payment, "")).await, StatusCode::OK).await;
    assert_eq!(whole["disputed"], true);
}

#[tokio::test]
async fn an_inquiry_blocks_no_refund() {
    let stage = moving().await;
    let (payment, inquiry) = disputed(&stage, "pm_card_createDisputeInquiry").await;
    assert_eq!(inquiry["funds"], "none");
    let whole = body(stage.get(&path_of(&payment, "")).await, StatusCode::OK).await;
    assert_eq!(whole["disputed"], false);
    let refund = json!({"amount": 99});
    let refund = waiting(&stage, &path_of(&payment, "/refunds"), &refund).await;
    let refund = body(refund, StatusCode::CREATED).await;
    assert_eq!(refund["status"], "succeeded");
}

#[tokio::test]
async fn disputes_are_listed_and_those_of_another_account_do_not_exist() {
    let stage = moving().await;
    let (_, older) = disputed(&stage, "pm_card_createDispute").await;
    let (payment, newer) = disputed(&stage, "pm_card_createDisputeInquiry").await;
    let ids = async |query: &str| {
        let page = stage.get(&format!("{DISPUTES}{query}")).await;
        let page = body(page, StatusCode::OK).await;
        let data = page["data"].as_array().unwrap().iter();
        let ids: Vec<Value> = data.map(|dispute| dispute["id"].clone()).collect();
        (ids, page["has_more"].as_bool().unwrap())
    };
    let id = |dispute: &Value| dispute["id"].as_str().unwrap().to_owned();
    let (first, last) = (newer["id"].clone(), older["id"].clone());
    assert_eq!(ids("").await, (vec![first.clone(), last.clone()], false));
    assert_eq!(ids("?limit=1").await, (vec![first.clone()], true));
    let behind = format!("?starting_after={}", id(&newer));
    assert_eq!(ids(&behind).await, (vec![last.clone()], false));
    let before = format!("?ending_before={}", id(&older));
    assert_eq!(ids(&before).await, (vec![first.clone()], false));
    let open = ids("?status=needs_response").await;
    assert_eq!(open, (vec![last.clone()], false));
    let of_payment = format!("?payment={}", payment["id"].as_str().unwrap());
    assert_eq!(ids(&of_payment).await, (vec![first], false));
    for (query, parameter) in [
        ("?payment=pay_nonsense", "payment"),
        ("?status=disputed", "status"),
        ("?reference=x", "reference"),
    ] {
        let refused = stage.get(&format!("{DISPUTES}{query}")).await;
        problem(refused, 400, "invalid_parameter", Some(parameter)).await;
    }

    let stranger = stage.stranger();
    let foreign = stage.get_as(&stranger, DISPUTES).await;
    assert_eq!(body(foreign, StatusCode::OK).await["data"], json!([]));
    for (method, below) in [
        (Method::GET, ""),
        (Method::POST, "/evidence"),
        (Method::POST, "/accept"),
    ] {
        for path in [path_of_dispute(&older, below), format!("{UNKNOWN}{below}")] {
            let request = stage
                .bare(method.clone(), &path)
                .bearer_auth(&stranger)
                .header("idempotency-key", unique("key"));
            let refused = request.send().await.unwrap();
            problem(refused, 404, "not_found", None).await;
        }
    }
    let cursor = format!("{DISPUTES}?starting_after={}", id(&older));
    let refused = stage.get_as(&stranger, &cursor).await;
    problem(refused, 404, "not_found", None).await;
}

#[tokio::test]
async fn reviews_and_warnings_of_fraud_show_as_holds_until_they_end() {
    let stage = moving().await;
    let sent = json!({
        "amount": 1099, "currency": "eur", "payment_method": "pm_card_riskLevelElevated", "confirm": true,
        "capture_method": "manual",
    });
    let held = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    assert_eq!(held["holds"], json!([]));
    let held = path_of(&held, "");
    let reviewed = eventually(&stage, &held, |it| it["holds"][0]["source"] == "review").await;
    assert_eq!(reviewed["status"], "requires_capture");

    let sent = json!({
        "amount": 1099, "currency": "eur", "payment_method": "pm_card_createIssuerFraudRecord", "confirm": true,
    });
    let paid = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    let path = path_of(&paid, "");
    let warned = eventually(&stage, &path, |it| {
        it["holds"][0]["source"] == "early_fraud_warning"
    })
    .await;
    let id = warned["holds"][0]["stripe_id"].as_str().unwrap();
    assert!(id.starts_with("issfr_"), "{warned}");
    // A refund of all is the answer to a warning, and is not refused.
    stage.post(&path_of(&paid, "/refunds"), &json!({})).await;
    let cleared = eventually(&stage, &path, |it| it["holds"] == json!([])).await;
    assert_eq!(cleared["status"], "succeeded");
    let events = body(
        stage.get(&path_of(&paid, "/events?limit=100")).await,
        StatusCode::OK,
    )
    .await;
    let types: Vec<&Value> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["type"])
        .collect();
    assert!(types.contains(&&json!("payment.hold_set")), "{types:?}");
    assert!(types.contains(&&json!("payment.hold_cleared")), "{types:?}");
}

#[tokio::test]
async fn evidence_has_stripes_fields_and_stripes_limits() {
    let stage = moving().await;
    let path = format!("{UNKNOWN}/evidence");
    let texts = |length: usize| {
        let names = [
            "access_activity_log",
            "cancellation_policy_disclosure",
            "cancellation_rebuttal",
            "duplicate_charge_explanation",
            "product_description",
            "refund_policy_disclosure",
            "refund_refusal_explanation",
            "uncategorized_text",
        ];
        let text = "é".repeat(length);
        Value::from_iter(names.map(|name| (name, text.clone())))
    };
    let mut over = texts(18_750);
    over["customer_name"] = json!("A");
    for (sent, code, field) in [
        (json!({"submit": false}), "missing_field", "evidence"),
        (json!({"evidence": over}), "invalid_field", "evidence"),
        (
            json!({"evidence": {"product_description": "é".repeat(20_001)}}),
            "invalid_field",
            "evidence.product_description",
        ),
        (
            json!({"evidence": {"horoscope": "Leo"}}),
            "unknown_field",
            "evidence.horoscope",
        ),
        (
            json!({"evidence": {"receipt": "a receipt"}}),
            "invalid_field",
            "evidence.receipt",
        ),
        (json!({"evidences": {}}), "unknown_field", "evidences"),
    ] {
        problem(stage.post(&path, &sent).await, 422, code, Some(field)).await;
    }
    let too_long = json!({"evidence": {"uncategorized_text": "e".repeat(1 << 20)}});
    let refused = stage.post(&path, &too_long).await;
    problem(refused, 413, "body_too_large", None).await;

    let (_, dispute) = disputed(&stage, "pm_card_createDispute").await;
    let path = path_of_dispute(&dispute, "/evidence");
    let longest = json!({"evidence": texts(18_750)});
    let sent = body(waiting(&stage, &path, &longest).await, StatusCode::OK).await;
    assert_eq!(
        (&sent["status"], &sent["evidence"]),
        (&json!("under_review"), &json!("submitted"))
    );
}
