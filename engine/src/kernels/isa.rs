//! Which instruction set the kernels use. The choice changes speed, never bits.

use std::sync::atomic::{AtomicU8, Ordering};

/// Instruction sets with a kernel of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// Whatever the target's baseline is.
    Portable,
}

const UNKNOWN: u8 = u8::MAX;
static CURRENT: AtomicU8 = AtomicU8::new(UNKNOWN);

impl Isa {
    fn from_code(code: u8) -> Option<Self> {
        [Isa::Avx512, Isa::Avx2, Isa::Portable].into_iter().find(|isa| *isa as u8 == code)
    }

    /// The best set this CPU has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Isa::Avx512;
            }
            if avx2 {
                return Isa::Avx2;
            }
        }
        Isa::Portable
    }

    /// The set in use: the best one, or the slower one that `INFERNET_ISA` (`avx2`, `portable`) asks for, which exists
    /// so that anyone can check that the bits do not change.
    pub(crate) fn current() -> Self {
        match Isa::from_code(CURRENT.load(Ordering::Relaxed)) {
            Some(isa) => isa,
            None => {
                let best = Isa::detect();
                let isa = match (std::env::var("INFERNET_ISA").as_deref(), best) {
                    (Ok("avx2"), Isa::Avx512) => Isa::Avx2,
                    (Ok("portable"), _) => Isa::Portable,
                    _ => best,
                };
                CURRENT.store(isa as u8, Ordering::Relaxed);
                isa
            }
        }
    }

    /// Name for reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "AVX-512",
            Isa::Avx2 => "AVX2 + FMA",
            Isa::Portable => "portable",
        }
    }
}

/// Compiles a function once per instruction set and dispatches on [`Isa::current`]. The body is the same source, so the
/// results are the same bits; only the vector width differs.
macro_rules! per_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn generic($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn avx512($($arg: $ty),*) $(-> $ret)? { generic($($arg),*) }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2($($arg: $ty),*) $(-> $ret)? { generic($($arg),*) }
                #[allow(unsafe_code)]
                match $crate::kernels::isa::Isa::current() {
                    // SAFETY: `Isa::current` is at most what `Isa::detect` found on this CPU.
                    $crate::kernels::isa::Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::kernels::isa::Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::kernels::isa::Isa::Portable => {}
                }
            }
            generic($($arg),*)
        }
    };
}
pub(crate) use per_isa;
