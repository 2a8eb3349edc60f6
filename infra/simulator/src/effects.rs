//! What a change of the store leads to outside of its lock: webhooks and timers.

use std::sync::Arc;

use crate::objects::endpoint::Endpoint;
use crate::objects::event::Event;
use crate::timers::Wake;

/// What must happen after an operation.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Events to be sent.
    pub(crate) deliveries: Vec<Delivery>,
    /// Timers that begin to run.
    pub(crate) wakes: Vec<Wake>,
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
