//! CPU kernels with one canonical arithmetic.
//!
//! Proof of inference compares what a miner computed with what a validator computes again, and a shard group must make
//! the same clip as one machine. Both are easiest when a result is *defined*, not merely approximated: here every
//! output is a fixed sequence of IEEE 754 operations that depends on the numbers alone, never on the thread count, the
//! instruction set, how rows were grouped into tasks or how many frames a machine was given.
//!
//! * Matrix products (and convolutions, which are products over gathered rows): each output element is one chain of
//!   fused multiply-adds over `k` in ascending order, starting from zero, to which the bias is added last.
//! * Row reductions (softmax, layer norm): sixteen interleaved partial sums, folded in a fixed tree ([`reduce`]).
//! * Group norm statistics: f64 sums per frame and channel over blocks of rows, added in order ([`norm`]).
//! * `exp`, `erf`, SiLU, GELU: our own polynomials in f32 with explicit fused multiply-adds ([`math`]).
//!
//! The compiler may use any vector width, since rustc never reassociates or contracts floating point. A general GEMM
//! library cannot promise this: its order of additions follows the blocking chosen for the machine at hand. Speed
//! comes from weights packed once at load, rows read in place through pointers (no im2col, no copy of the input), and
//! micro-kernels for AVX-512 and AVX2; elsewhere the portable kernel relies on the compiler's vectoriser.
//!
//! Shapes are channels-last: `(frames, height, width, channels)`, so that a pixel's channels are contiguous, attention
//! needs no transposition, and temporal layers reach a pixel's frames by a fixed stride.

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod elementwise;
pub(crate) mod gemm;
pub(crate) mod isa;
pub(crate) mod math;
pub(crate) mod norm;
pub(crate) mod parallel;
pub(crate) mod reduce;
pub(crate) mod scratch;
