//! `pawl seed`: creates the demonstration's account in the database of `DATABASE_URL`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use infra::Env;
use servers::Home;

use crate::demo::Secrets;
use crate::{demo, output};

/// Seeds the database and prints the credentials.
pub(crate) async fn run() -> Result<ExitCode> {
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    if env.is_live() {
        bail!(
            "STRIPE_API_KEY is a live key: demonstration users have no business beside real money"
        );
    }
    env.finish()?;
    let directory = Home::find()?.permanent("dev")?;
    let secrets = Secrets::load_or_generate(&directory.join("secrets.json"))?;
    demo::seed(&infra::postgres::pool(&url, 2)?, &secrets).await?;
    output::line(format!(
        "user      {}  password {}",
        secrets.user.email, secrets.user.password
    ));
    output::line(format!(
        "operator  {}  password {}",
        secrets.operator.email, secrets.operator.password
    ));
    output::line(format!("API key   {}", secrets.api_key));
    Ok(ExitCode::SUCCESS)
}
