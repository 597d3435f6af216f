//! Stores that go past the caches: for results that none of them holds.

use crate::real::Element;

/// Copies past the caches; when it is dropped, what was copied is seen by other threads as any other store is.
pub struct Stream(());

impl Stream {
    /// A way past the caches.
    #[expect(clippy::new_without_default, reason = "a guard is made on purpose")]
    pub fn new() -> Self {
        Self(())
    }

    /// Copies elements; whole cache lines of `to` are neither read nor kept.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn copy<T: Element>(&self, from: &[T], to: &mut [T]) {
        assert_eq!(from.len(), to.len(), "a copy");
        #[cfg(target_arch = "x86_64")]
        {
            let head = to.as_ptr().align_offset(LINE).min(to.len());
            let lines = (to.len() - head) * size_of::<T>() / LINE;
            let rest = head + lines * LINE / size_of::<T>();
            to[..head].copy_from_slice(&from[..head]);
            // SAFETY: `head` elements on begin `lines` whole lines of both, in `to` aligned; where AVX-512 is used it is there.
            unsafe {
                let (from, to) = (from.as_ptr().add(head).cast(), to.as_mut_ptr().add(head).cast());
                if super::isa() == super::Isa::Avx512 { lines_avx512(from, to, lines) } else { lines_sse2(from, to, lines) }
            }
            to[rest..].copy_from_slice(&from[rest..]);
        }
        #[cfg(not(target_arch = "x86_64"))]
        to.copy_from_slice(from);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        fence();
    }
}

/// Has what was written past the caches seen by other threads before what is written from now on.
pub fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction. Such stores are ordered with no others by themselves.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    };
}

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn lines_avx512(from: *const u8, to: *mut u8, lines: usize) {
    use std::arch::x86_64::{_mm512_loadu_si512, _mm512_stream_si512};
    for i in 0..lines {
        // SAFETY: the caller's duty: `lines` lines, those of `to` aligned.
        unsafe { _mm512_stream_si512(to.add(i * LINE).cast(), _mm512_loadu_si512(from.add(i * LINE).cast())) }
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn lines_sse2(from: *const u8, to: *mut u8, lines: usize) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm_stream_si128};
    for i in 0..4 * lines {
        // SAFETY: the caller's duty: `lines` lines, those of `to` aligned; every x86-64 processor has the instruction.
        unsafe { _mm_stream_si128(to.add(i * 16).cast(), _mm_loadu_si128(from.add(i * 16).cast())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_arrives_whatever_the_length_and_alignment() {
        let from: Vec<u8> = (0..1000).map(|i| (i * 7 % 251) as u8).collect();
        for start in [0, 1, 31, 63, 64] {
            for len in [0, 1, 15, 63, 64, 65, 127, 128, 300, 900] {
                let mut to = vec![255; 1000];
                Stream::new().copy(&from[start..start + len], &mut to[start..start + len]);
                assert_eq!(to[start..start + len], from[start..start + len]);
                assert!(to[..start].iter().chain(&to[start + len..]).all(|&x| x == 255));
            }
        }
        let wide: Vec<f64> = (0..100).map(f64::from).collect();
        let mut to = vec![0.0; 99];
        Stream::new().copy(&wide[1..], &mut to);
        assert_eq!(to, wide[1..]);
    }
}
