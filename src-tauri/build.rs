//! Compiles the shell's configuration into the program.

fn main() {
    #[cfg(feature = "desktop")]
    tauri_build::build();
}
