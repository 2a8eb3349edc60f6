//! What goes over the wire: ids, requests, views, Kafka events and webhooks to merchants.
//!
//! The types here hold plain fields. The engine renders its rows into them, the services and the tests read them, and
//! nothing here decides anything.

pub mod asyncapi;
pub mod audit;
pub mod command;
pub mod event;
pub mod evidence;
pub mod example;
pub mod explanation;
pub mod id;
pub mod operation;
pub mod operations;
pub mod request;
pub mod schema;
pub mod view;
pub mod webhook;

pub use event::CloudEvent;
