//! Writes `docs/machines.md` anew: `cargo run -p workflows --example draw`.

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/machines.md");
    #[expect(
        clippy::disallowed_methods,
        reason = "the example is no part of the pure crate"
    )]
    std::fs::write(path, workflows::drawing::document())
}
