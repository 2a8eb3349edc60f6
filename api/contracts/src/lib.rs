//! What goes over the wire: ids, requests, views, problems, lists and Kafka events.
//!
//! The types here hold plain fields. The engine renders its rows into them, the doors and the tests read them, and
//! nothing here decides anything.

pub mod docs;
pub mod event;
pub mod id;
pub mod list;
pub mod problem;
pub mod request;
pub mod schema;
pub mod view;
pub mod webhook;

pub use event::CloudEvent;
pub use list::List;
pub use problem::{Code, Problem};
