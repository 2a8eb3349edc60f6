//! `/api/v1/auth/account`: the account that a user acts for.

use std::sync::Arc;

use authz::audit::Act;
use axum::Json;
use axum::extract::State;
use infra::http::body::JsonBody;
use infra::http::problem::Problem;
use infra::id::AccountId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::caller::{Admin, Person};
use crate::client_ip::ClientIp;
use crate::field_rules::check_name;
use crate::{Auth, Error, store, unit};

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountView {
    id: AccountId,
    #[schema(pattern = "^account$")]
    object: &'static str,
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// The new name of the account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewName {
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
}

/// Read the account.
#[utoipa::path(
    get,
    operation_id = "read_account",
    path = "/api/v1/auth/account",
    tag = "members",
    security(("key" = [], "token" = [])),
    responses((status = 200, description = "The account", body = AccountView)),
)]
pub(crate) async fn read(
    State(auth): State<Arc<Auth>>,
    person: Person,
) -> Result<Json<AccountView>, Error> {
    unit(view(&auth, person.caller.account)).await
}

/// Rename the account.
#[utoipa::path(
    patch,
    operation_id = "rename_account",
    path = "/api/v1/auth/account",
    tag = "members",
    security(("key" = [], "token" = [])),
    request_body = NewName,
    responses(
        (status = 200, description = "The account", body = AccountView),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rename(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    ClientIp(ip): ClientIp,
    JsonBody(new): JsonBody<NewName>,
) -> Result<Json<AccountView>, Error> {
    let account = admin.caller.account;
    let name = check_name("name", &new.name)?;
    let renamed = async {
        let mut tx = auth.pool.begin().await?;
        store::rename_account(&mut tx, account, name).await?;
        let act = Act {
            target: Some(AccountId::from(account).to_string()),
            ip,
            ..Act::new("account_renamed").by(&admin.caller)
        };
        act.record(&mut *tx).await?;
        tx.commit().await?;
        view(&auth, account).await
    };
    unit(renamed).await
}

async fn view(auth: &Auth, account: Uuid) -> Result<Json<AccountView>, Error> {
    let found = store::account(&auth.pool, account).await?;
    let (name, created_at) = found.ok_or(Error::NotFound)?;
    Ok(Json(AccountView {
        id: account.into(),
        object: "account",
        name,
        created_at,
    }))
}
