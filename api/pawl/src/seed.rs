//! `pawl seed`: the demonstration's account in a database of one's own.

use std::process::ExitCode;

use anyhow::{Result, bail};
use infra::Env;

use crate::demo::Secrets;
use crate::stack::Home;
use crate::{demo, output};

/// Seeds the database of `DATABASE_URL`, and says what opens it.
pub(crate) async fn run() -> Result<ExitCode> {
    let mut env = Env::load();
    let url = env.required("DATABASE_URL");
    if env.is_live() {
        bail!(
            "STRIPE_API_KEY is a live key: demonstration users have no business beside real money"
        );
    }
    env.finish()?;
    let place = Home::find()?.kept("dev")?;
    let secrets = Secrets::keep(&place.join("secrets.json"))?;
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
