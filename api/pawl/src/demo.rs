//! The account of the demonstration: a shop with a user, an operator and an API key.

use std::fs;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use auth_service::demo;
use authz::Role;
use infra::env::ExposeSecret;
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

/// The name of the account.
const ACCOUNT: &str = "Pawl demo";

/// The credentials of one checkout's demonstration: random, generated once, in a file that only its owner may read.
#[derive(Serialize, Deserialize)]
pub(crate) struct Secrets {
    /// PKCS#8 in PEM.
    pub(crate) jwt_private_key: String,
    /// The API key of the demonstration's account.
    pub(crate) api_key: String,
    /// The secret with which the simulator signs webhooks.
    pub(crate) webhook_secret: String,
    pub(crate) user: Person,
    pub(crate) operator: Person,
}

/// The credentials of a user.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) password: String,
}

impl Secrets {
    /// Reads the credentials from the file, or generates them and writes the file.
    pub(crate) fn load_or_generate(path: &Path) -> Result<Secrets> {
        match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!(
                    "{} is damaged: `make reset` removes it, with the demonstration's payments",
                    path.display()
                )
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Secrets::generate()?;
                write_private(path, &serde_json::to_vec_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    fn generate() -> Result<Secrets> {
        let key = auth_service::signer::generate().context("the system gives no random numbers")?;
        let api_key = authz::api_key::generate().context("the system gives no random numbers")?;
        Ok(Secrets {
            jwt_private_key: key.expose_secret().to_owned(),
            api_key: api_key.expose_secret().to_owned(),
            webhook_secret: format!("whsec_{}", random()),
            user: Person {
                email: "user@example.com".to_owned(),
                password: random(),
            },
            operator: Person {
                email: "operator@example.com".to_owned(),
                password: random(),
            },
        })
    }
}

/// Creates the account, its users and its API key, unless they exist, and gives the id of the account.
pub(crate) async fn seed(pool: &PgPool, secrets: &Secrets) -> Result<Uuid> {
    let account = demo::account(pool, ACCOUNT).await?;
    for (person, role) in [
        (&secrets.user, Role::User),
        (&secrets.operator, Role::Operator),
    ] {
        let password = person.password.clone().into();
        demo::user(pool, account, &person.email, &password, role).await?;
    }
    demo::known_api_key(
        pool,
        Some(account),
        ACCOUNT,
        &secrets.api_key.clone().into(),
    )
    .await?;
    Ok(account)
}

/// Writes a file that only its owner may read, completely or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        let aside = path.with_extension("new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Text with more than 128 random bits.
fn random() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 22)
}
