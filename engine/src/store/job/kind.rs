//! The kinds of jobs.

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Create the intent of a payment.
    CreateIntent,
    /// Confirm it.
    ConfirmIntent,
    /// Capture what it authorised.
    CaptureIntent,
    /// Cancel it.
    CancelIntent,
    /// Create a refund.
    CreateRefund,
    /// Ask Stripe how the payment stands.
    Resync,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 6] = [
        Self::CreateIntent,
        Self::ConfirmIntent,
        Self::CaptureIntent,
        Self::CancelIntent,
        Self::CreateRefund,
        Self::Resync,
    ];

    /// The word in the database and in metrics.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CreateIntent => "create_intent",
            Self::ConfirmIntent => "confirm_intent",
            Self::CaptureIntent => "capture_intent",
            Self::CancelIntent => "cancel_intent",
            Self::CreateRefund => "create_refund",
            Self::Resync => "resync",
        }
    }

    pub(super) fn parse(text: &str) -> sqlx::Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| sqlx::Error::ColumnDecode {
                index: "job.kind".into(),
                source: format!("unknown kind {text:?}").into(),
            })
    }
}
