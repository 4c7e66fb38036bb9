//! NumPy's default random stream, and the little that is drawn from it.

mod pcg64;
mod seed_sequence;

pub use pcg64::Pcg64;
pub use seed_sequence::SeedSequence;
