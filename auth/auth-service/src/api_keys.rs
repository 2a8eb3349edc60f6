//! `/api/v1/auth/api_keys`: the keys of an account's back ends, managed by its admins.

use std::sync::Arc;

use authz::api_key;
use authz::api_key::Listed;
use authz::audit::Act;
use authz::id::{Key, KeyId};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use infra::env::ExposeSecret;
use infra::http::RequestError;
use infra::http::body::JsonBody;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use infra::http::problem::Problem;
use infra::postgres;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::caller::Admin;
use crate::client_ip::ClientIp;
use crate::field_rules::check_name;
use crate::{Auth, Error, page, unit};

/// The fields of a new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// Its name, for people.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
    /// How often it may ask per minute; 0 is no limit, and absent is what every key may do.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_147_483_647)]
    rate_limit_per_minute: Option<i32>,
}

/// A key.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyView {
    id: KeyId,
    #[schema(pattern = "^api_key$")]
    object: &'static str,
    name: String,
    /// Its first characters.
    prefix: String,
    /// The key itself, in the answer that made it and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^pawl_[A-Za-z0-9_-]{43}$")]
    key: Option<String>,
    rate_limit_per_minute: Option<i32>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
}

impl From<Listed> for KeyView {
    fn from(key: Listed) -> Self {
        Self {
            id: key.id.into(),
            object: "api_key",
            name: key.name,
            prefix: key.prefix,
            key: None,
            rate_limit_per_minute: key.rate_limit_per_minute,
            created_at: key.created_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// Make an API key.
///
/// The key is in this answer and nowhere else.
#[utoipa::path(
    post,
    operation_id = "create_api_key",
    path = "/api/v1/auth/api_keys",
    tag = "api keys",
    security(("key" = [], "token" = [])),
    request_body = NewKey,
    responses(
        (status = 201, description = "The key", body = KeyView),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    ClientIp(ip): ClientIp,
    JsonBody(new): JsonBody<NewKey>,
) -> Result<Response, Error> {
    let name = check_name("name", &new.name)?;
    if new.rate_limit_per_minute.is_some_and(i32::is_negative) {
        let detail = "This must be a number from 0 on.";
        return Err(RequestError::field("rate_limit_per_minute", detail).into());
    }
    let created = async {
        let mut tx = auth.pool.begin().await?;
        let account = admin.caller.account;
        let created = api_key::create(&mut *tx, account, name, new.rate_limit_per_minute).await?;
        let act = Act {
            target: Some(KeyId::from(created.1.id).to_string()),
            ip,
            ..Act::new("api_key_created").by(&admin.caller)
        };
        act.record(&mut *tx).await?;
        tx.commit().await?;
        Ok(created)
    };
    let (key, listed) = unit(created).await?;
    let body = Json(KeyView {
        key: Some(key.expose_secret().to_owned()),
        ..listed.into()
    });
    let private = HeaderValue::from_static("no-store");
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, private)],
        body,
    )
        .into_response())
}

/// List API keys, newest first, revoked ones too.
#[utoipa::path(
    get,
    operation_id = "list_api_keys",
    path = "/api/v1/auth/api_keys",
    tag = "api keys",
    security(("key" = [], "token" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, 10 when absent", minimum = 1, maximum = 100),
        ("starting_after" = Option<KeyId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<KeyId>, Query, description = "Go back to before this one; given both, this cursor counts"),
    ),
    responses(
        (status = 200, description = "A page", body = List<KeyView>),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    query: ListQuery,
) -> Result<Json<List<KeyView>>, Error> {
    let page = page::parse::<Key>(query)?;
    let keys = api_key::page(&auth.pool, admin.caller.account, &page);
    let (keys, has_more) = postgres::within(keys).await?;
    let keys = keys.into_iter().map(KeyView::from);
    Ok(Json(List::new(keys.collect(), has_more)))
}

/// Revoke an API key.
///
/// Within 5 s no service accepts it any more. Once more changes nothing.
#[utoipa::path(
    delete,
    operation_id = "revoke_api_key",
    path = "/api/v1/auth/api_keys/{id}",
    tag = "api keys",
    security(("key" = [], "token" = [])),
    params(("id" = KeyId, Path, description = "The key")),
    responses(
        (status = 200, description = "The key, revoked", body = KeyView),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The account has no such key", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    ClientIp(ip): ClientIp,
    PathId(id): PathId<Key>,
) -> Result<Json<KeyView>, Error> {
    let revoked = async {
        let mut tx = auth.pool.begin().await?;
        let revoked = api_key::revoke_of(&mut *tx, admin.caller.account, id.uuid()).await?;
        let revoked = revoked.ok_or(Error::NotFound)?;
        let act = Act {
            target: Some(id.to_string()),
            ip,
            ..Act::new("api_key_revoked").by(&admin.caller)
        };
        act.record(&mut *tx).await?;
        tx.commit().await?;
        Ok(Json(revoked.into()))
    };
    unit(revoked).await
}
