//! The environment variables with which the services of one stack find each other.

/// The keys and addresses that all services of one stack share, beside the addresses of the servers.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The key with which Pawl calls Stripe or the simulator.
    pub stripe_api_key: String,
    /// `http://host:port` of Stripe or the simulator.
    pub stripe_api_base: String,
    /// The secret with which Stripe or the simulator signs webhooks.
    pub webhook_secret: String,
    /// The API key that the auth service accepts before the database holds one.
    pub auth_api_key: String,
    /// `http://host:port` of the auth service.
    pub auth_url: String,
}

impl Environment {
    /// The variables that carry these settings.
    #[must_use]
    pub fn variables(self) -> [(&'static str, String); 7] {
        [
            ("STRIPE_API_KEY", self.stripe_api_key),
            ("STRIPE_API_BASE", self.stripe_api_base),
            ("STRIPE_WEBHOOK_SECRET", self.webhook_secret),
            ("CONSOLE_API_KEY", self.auth_api_key.clone()),
            ("AUTH_API_KEYS", self.auth_api_key),
            (
                "JWT_JWKS_URL",
                format!("{}/.well-known/jwks.json", self.auth_url),
            ),
            ("AUTH_URL", self.auth_url),
        ]
    }
}
