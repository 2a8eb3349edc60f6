//! The Stripe client: tables of its rules, its transport against a server that misbehaves byte by byte, and its calls against the simulator.

mod breaker;
mod canned;
mod class;
mod mock;
mod params;
mod simulator;
mod transport;
