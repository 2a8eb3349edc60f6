//! The repository keeps its own rules: packages, files and documents are read and compared with each other.

mod boards;
mod circles;
mod commands;
mod compose;
mod documents;
mod helm;
mod imports;
mod modules;
mod names;
pub(crate) mod source;
mod style;
mod tables;
mod tokens;
mod types;
mod words;
