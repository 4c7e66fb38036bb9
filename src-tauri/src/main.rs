//! The program `infernet`; see the library of the same name.

fn main() -> std::process::ExitCode {
    infernet::run()
}
