//! The CUDA worker: the same commands, compiled to compute on NVIDIA cards. It does not start where NVIDIA's driver is
//! missing, so it is a program of its own, which `infernet` starts when a card is usable.

fn main() -> std::process::ExitCode {
    infernet::run()
}
