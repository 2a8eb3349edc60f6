//! `/api/v1/auth/members`: the members of an account and their roles, managed by its admins.

use std::sync::Arc;

use authz::audit::Act;
use authz::id::{User, UserId};
use authz::membership::Membership;
use authz::{Caller, Role, membership};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use infra::http::body::JsonBody;
use infra::http::list::List;
use infra::http::page::ListQuery;
use infra::http::path::PathId;
use infra::http::problem::Problem;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::caller::Admin;
use crate::client_ip::ClientIp;
use crate::field_rules::parse_email;
use crate::session::EndReason;
use crate::{Auth, Error, page, session, store, unit};

/// The fields of a new member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMember {
    /// The address of a registered user.
    #[schema(
        max_length = 254,
        pattern = r"^[!-?A-~]+@[!-,\-/-?A-~]+(\.[!-,\-/-?A-~]+)*$"
    )]
    email: String,
    #[schema(inline)]
    role: Role,
}

/// The new role of a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    #[schema(inline)]
    role: Role,
}

/// A member of the account.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberView {
    user_id: UserId,
    #[schema(pattern = "^member$")]
    object: &'static str,
    email: String,
    #[schema(inline)]
    role: Role,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl MemberView {
    fn new(membership: &Membership, email: String) -> Self {
        Self {
            user_id: membership.user.into(),
            object: "member",
            email,
            role: membership.role,
            created_at: membership.created_at,
        }
    }
}

/// List the members, those who registered last first.
#[utoipa::path(
    get,
    operation_id = "list_members",
    path = "/api/v1/auth/members",
    tag = "members",
    security(("key" = [], "token" = [])),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, 10 when absent", minimum = 1, maximum = 100),
        ("starting_after" = Option<UserId>, Query, description = "Continue behind this one"),
        ("ending_before" = Option<UserId>, Query, description = "Go back to before this one; given both, this cursor counts"),
    ),
    responses(
        (status = 200, description = "A page", body = List<MemberView>),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    query: ListQuery,
) -> Result<Json<List<MemberView>>, Error> {
    let page = page::parse::<User>(query)?;
    let found = async {
        let (members, has_more) = membership::page(&auth.pool, admin.caller.account, &page).await?;
        let users: Vec<_> = members.iter().map(|member| member.user).collect();
        Ok((members, has_more, store::emails(&auth.pool, &users).await?))
    };
    let (members, has_more, mut emails) = unit(found).await?;
    let members = members.into_iter().map(|member| {
        let email = emails.remove(&member.user).unwrap_or_default();
        MemberView::new(&member, email)
    });
    Ok(Json(List::new(members.collect(), has_more)))
}

/// Add a member.
///
/// Somebody who belongs to the account already gets this role.
#[utoipa::path(
    post,
    operation_id = "add_member",
    path = "/api/v1/auth/members",
    tag = "members",
    security(("key" = [], "token" = [])),
    request_body = NewMember,
    responses(
        (status = 201, description = "The new member", body = MemberView),
        (status = 200, description = "The member, who was one before", body = MemberView),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "Nobody has registered with this address", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The account would be left without an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn add(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    ip: ClientIp,
    JsonBody(new): JsonBody<NewMember>,
) -> Result<(StatusCode, Json<MemberView>), Error> {
    let email = parse_email(&new.email)?;
    let added = async {
        let user = store::user_named(&auth.pool, &email).await?;
        let user = user.ok_or(Error::NotFound)?.id;
        let mut tx = auth.pool.begin().await?;
        let is_new = membership::assign(&mut tx, admin.caller.account, user, new.role).await?;
        let (status, action) = if is_new {
            (StatusCode::CREATED, "member_added")
        } else {
            (StatusCode::OK, "role_changed")
        };
        let act = Act {
            reason: Some(new.role.as_str()),
            ..act(action, &admin.caller, user.into(), ip)
        };
        act.record(&mut *tx).await?;
        tx.commit().await?;
        Ok((status, Json(view(&auth, &admin, user.into()).await?)))
    };
    unit(added).await
}

/// Give a member another role.
///
/// Access tokens with the old role end within 5 s; the next refresh brings the new one.
#[utoipa::path(
    patch,
    operation_id = "change_role",
    path = "/api/v1/auth/members/{user_id}",
    tag = "members",
    security(("key" = [], "token" = [])),
    params(("user_id" = UserId, Path, description = "The member")),
    request_body = NewRole,
    responses(
        (status = 200, description = "The member", body = MemberView),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The account has no such member", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The account would be left without an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    ip: ClientIp,
    PathId(user): PathId<User>,
    JsonBody(new): JsonBody<NewRole>,
) -> Result<Json<MemberView>, Error> {
    let changed = async {
        let mut tx = auth.pool.begin().await?;
        membership::change(&mut tx, admin.caller.account, user.uuid(), new.role).await?;
        let act = Act {
            reason: Some(new.role.as_str()),
            ..act("role_changed", &admin.caller, user, ip)
        };
        act.record(&mut *tx).await?;
        tx.commit().await?;
        Ok(Json(view(&auth, &admin, user).await?))
    };
    unit(changed).await
}

/// Remove a member.
///
/// The member's sessions of this account end, and access tokens within 5 s.
#[utoipa::path(
    delete,
    operation_id = "remove_member",
    path = "/api/v1/auth/members/{user_id}",
    tag = "members",
    security(("key" = [], "token" = [])),
    params(("user_id" = UserId, Path, description = "The member")),
    responses(
        (status = 204, description = "A member no more"),
        (status = 403, description = "This takes an admin", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The account has no such member", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The account would be left without an admin", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn remove(
    State(auth): State<Arc<Auth>>,
    admin: Admin,
    ip: ClientIp,
    PathId(user): PathId<User>,
) -> Result<StatusCode, Error> {
    let account = admin.caller.account;
    let removed = async {
        let mut tx = auth.pool.begin().await?;
        // Sessions first, as in a change of password: transactions that lock in different orders would deadlock.
        let reason = EndReason::MembershipEnded;
        session::end_all(&mut tx, user.uuid(), Some(account), reason).await?;
        membership::remove(&mut tx, account, user.uuid()).await?;
        act("member_removed", &admin.caller, user, ip)
            .record(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(StatusCode::NO_CONTENT)
    };
    unit(removed).await
}

fn act(
    action: &'static str,
    caller: &Caller,
    user: UserId,
    ClientIp(ip): ClientIp,
) -> Act<'static> {
    Act {
        target: Some(user.to_string()),
        ip,
        ..Act::new(action).by(caller)
    }
}

async fn view(auth: &Auth, admin: &Admin, user: UserId) -> Result<MemberView, Error> {
    let member = membership::find(&auth.pool, admin.caller.account, user.uuid()).await?;
    let email = store::user(&auth.pool, user.uuid()).await?;
    let (Some(member), Some(user)) = (member, email) else {
        return Err(Error::NotFound);
    };
    Ok(MemberView::new(&member, user.email))
}
