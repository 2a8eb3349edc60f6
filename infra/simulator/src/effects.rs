//! What a change of the store leads to outside of its lock: webhooks and timers.

use std::sync::Arc;
use std::time::Duration;

use crate::objects::endpoint::Endpoint;
use crate::objects::event::Event;

/// What must happen after an operation.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Events to be sent.
    pub(crate) deliveries: Vec<Delivery>,
    /// Tasks to be run later.
    pub(crate) timers: Vec<Timer>,
}

/// An event that is to be sent to an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// The event.
    pub(crate) event: Arc<Event>,
    /// The endpoint.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Whether it is a copy that a fault added; its acknowledgement does not count for the original.
    pub(crate) is_copy: bool,
}

/// A task to be run later.
#[derive(Debug)]
pub(crate) struct Timer {
    /// How much later.
    pub(crate) after: Duration,
    /// The task.
    pub(crate) task: Task,
}

/// The task of a timer.
#[derive(Debug)]
pub(crate) enum Task {
    /// The bank answers about the charge of this intent.
    SettleIntent(String),
    /// Stripe shows the latest charge of this intent.
    ShowCharge(String),
    /// The bank answers about this refund.
    SettleRefund(String),
    /// What the payment method of this charge leads to happens.
    FollowUp(String),
    /// The bank decides this dispute, as its evidence asks.
    DecideDispute(String),
}
