//! The repository keeps its own rules: packages, files and documents are read and compared with each other.

mod commands;
mod documents;
mod imports;
mod names;
mod source;
mod style;
mod tokens;
