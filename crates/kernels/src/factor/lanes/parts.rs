//! Parts of a symmetric tridiagonal matrix, one a lane.

use super::eigh::{ql, stride};
use crate::number::Number;
use crate::real::Real;
use crate::simd::{self, Enabled, Isa, Lanes, MAX_LANES, Vector};
use crate::threads;

/// Nanoseconds that a part takes, for each of its rows' squares.
const NS_EACH: f64 = 10.0;

/// A part, and where its values and vectors go.
pub struct TridiagonalPart<'a, T> {
    /// The diagonal; becomes the values, in no order.
    pub values: &'a mut [f64],
    /// What is beside the diagonal.
    pub off: &'a [f64],
    /// From the first element of the first vector on: vectors lie column by column, as far apart as the whole matrix's.
    pub vectors: &'a mut [T],
    /// The first and last element of each vector.
    pub ends: &'a mut [[f64; 2]],
}

/// Values and vectors of all parts, whose vectors lie `apart`; whether that converged.
///
/// # Panics
/// If the sizes do not fit.
pub fn tridiagonal_parts<T: Lanes>(isa: Isa, parts: &mut [TridiagonalPart<'_, T>], apart: usize) -> bool {
    for part in &*parts {
        let n = part.values.len();
        let fits = n > 0 && n <= apart && part.off.len() + 1 == n && part.ends.len() == n;
        assert!(fits && part.vectors.len() >= (n - 1).saturating_mul(apart).saturating_add(n), "a vector for each value");
    }
    simd::dispatch_on::<f64, _>(isa, Parts { parts, apart })
}

struct Parts<'a, 'b, T> {
    parts: &'a mut [TridiagonalPart<'b, T>],
    apart: usize,
}

impl<T: Lanes> simd::Kernel<f64> for Parts<'_, '_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<V: Vector<Element = f64>>(self, isa: Enabled<V>) -> bool {
        let largest = self.parts.iter().map(|part| part.values.len()).max().unwrap_or(0);
        let threads = threads::parts(self.parts.len().div_ceil(V::LANES), NS_EACH * (largest * largest) as f64);
        let failed = std::sync::atomic::AtomicBool::new(false);
        threads::split_mut(self.parts, V::LANES, threads, |_, parts| {
            isa.enter(
                #[inline(always)]
                || {
                    let mut packs = vec![isa.zero(); largest * (4 + stride(largest))];
                    let mut lanes = vec![0.0; largest * V::LANES];
                    for parts in parts.chunks_mut(V::LANES) {
                        if group(isa, parts, self.apart, &mut packs, &mut lanes).any() {
                            failed.store(true, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                },
            );
        });
        !failed.into_inner()
    }
}

/// As many parts as lanes, or fewer; above 0 in the lanes of those that did not converge.
#[inline(always)]
fn group<V: Vector<Element = f64>, T: Real>(
    isa: Enabled<V>,
    parts: &mut [TridiagonalPart<'_, T>],
    apart: usize,
    packs: &mut [V],
    lanes: &mut [f64],
) -> V {
    let n = parts.iter().map(|part| part.values.len()).max().unwrap_or(0);
    let (d, packs) = packs.split_at_mut(n);
    let (e, packs) = packs.split_at_mut(n);
    let (rotations, zt) = packs.split_at_mut(2 * n);
    let zt = &mut zt[..n * stride(n)];
    // Where a part has no rows left, and where there is no part, a matrix of zeros is beside it.
    for i in 0..n {
        let (mut on, mut beside) = ([0.0; MAX_LANES], [0.0; MAX_LANES]);
        for (lane, part) in parts.iter().enumerate() {
            (on[lane], beside[lane]) = (part.values.get(i).copied().unwrap_or(0.0), part.off.get(i).copied().unwrap_or(0.0));
        }
        (d[i], e[i]) = (isa.read(&on), isa.read(&beside));
    }
    zt.fill(isa.zero());
    zt.iter_mut().step_by(stride(n) + 1).for_each(|x| *x = isa.constant(1.0));
    let status = ql(isa, [d, e], rotations, zt);
    for (i, row) in zt.chunks_exact(stride(n)).enumerate() {
        for (x, to) in row[..n].iter().zip(lanes.chunks_exact_mut(V::LANES)) {
            x.write(to);
        }
        let mut values = [f64::ZERO; MAX_LANES];
        d[i].write(&mut values);
        for (lane, part) in parts.iter_mut().enumerate() {
            let n = part.values.len();
            if i >= n {
                continue;
            }
            let column = &mut part.vectors[i * apart..][..n];
            for (x, lanes) in column.iter_mut().zip(lanes.chunks_exact(V::LANES)) {
                *x = T::from_f64(lanes[lane]);
            }
            part.values[i] = values[lane];
            part.ends[i] = [lanes[lane], lanes[(n - 1) * V::LANES + lane]];
        }
    }
    status
}
