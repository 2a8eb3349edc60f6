//! Lists as Stripe pages them: newest first, with cursors on both sides.

use crate::support::Simulator;

async fn ids(stripe: &Simulator, path: &str) -> (Vec<String>, bool) {
    let list = stripe.get(path).await;
    assert_eq!(list.status, 200, "{list:?}");
    let rows = list.body["data"].as_array().unwrap().iter();
    let ids = rows.map(|row| row["id"].as_str().unwrap().to_owned());
    (ids.collect(), list.body["has_more"].as_bool().unwrap())
}

#[tokio::test]
async fn a_list_is_walked_in_both_directions() {
    let stripe = Simulator::start().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, stripe.intent("pm_card_visa").await);
    }
    let path = "/v1/payment_intents?limit=2";
    assert_eq!(ids(&stripe, path).await, (made[..2].to_vec(), true));
    let after = format!("{path}&starting_after={}", made[1]);
    assert_eq!(ids(&stripe, &after).await, (made[2..4].to_vec(), true));
    let after = format!("{path}&starting_after={}", made[3]);
    assert_eq!(ids(&stripe, &after).await, (made[4..].to_vec(), false));
    let before = format!("{path}&ending_before={}", made[4]);
    assert_eq!(ids(&stripe, &before).await, (made[2..4].to_vec(), true));
    let before = format!("{path}&ending_before={}", made[1]);
    assert_eq!(ids(&stripe, &before).await, (made[..1].to_vec(), false));
}

#[tokio::test]
async fn a_list_is_narrowed_by_time_of_creation() {
    let stripe = Simulator::start().await;
    let id = stripe.intent("pm_card_visa").await;
    let created = stripe.retrieve(&id).await.body["created"].as_i64().unwrap();
    for (range, found) in [
        (format!("created[gte]={created}&created[lte]={created}"), 1),
        (format!("created={created}"), 1),
        (format!("created[gt]={created}"), 0),
        (format!("created[lt]={created}"), 0),
        (format!("created[gte]={}", created - 10), 1),
    ] {
        let (rows, _) = ids(&stripe, &format!("/v1/payment_intents?{range}")).await;
        assert_eq!(rows.len(), found, "{range}");
    }
}

#[tokio::test]
async fn a_list_can_expand_the_latest_charges() {
    let stripe = Simulator::start().await;
    stripe.paid("pm_card_visa").await;
    let list = stripe
        .get("/v1/payment_intents?expand[]=data.latest_charge")
        .await;
    assert_eq!(list.body["data"][0]["latest_charge"]["object"], "charge");
    assert_eq!(list.body["url"], "/v1/payment_intents");
}

#[tokio::test]
async fn wrong_cursors_and_limits_are_refused() {
    let stripe = Simulator::start().await;
    for query in [
        "limit=0",
        "limit=101",
        "starting_after=pi_none",
        "ending_before=pi_none",
        "expand[]=customer",
    ] {
        let answer = stripe.get(&format!("/v1/payment_intents?{query}")).await;
        assert!(matches!(answer.status, 400 | 404), "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn events_are_listed_by_type_and_group() {
    let stripe = Simulator::start().await;
    stripe.paid("pm_card_visa").await;
    for (query, found) in [
        ("type=charge.succeeded", 1),
        ("type=payment_intent.*", 2),
        ("types[]=charge.succeeded&types[]=payment_intent.created", 2),
        ("type=refund.created", 0),
    ] {
        let (rows, _) = ids(&stripe, &format!("/v1/events?{query}")).await;
        assert_eq!(rows.len(), found, "{query}");
    }
}
