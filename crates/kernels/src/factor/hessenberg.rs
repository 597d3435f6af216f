//! A = Q H Qᵀ, where H is zero below its subdiagonal, by Householder reflections.

use super::columns::{add_scaled, inner, norm, scale};
use super::reflections::Reflections;
use crate::buffer::{Block, OutOfMemory};
use crate::shape::count;
use crate::simd::{Lanes, isa};

/// Reduces n columns of n to H in place. `q` becomes Q column by column, or stays empty where none is wanted.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn reduce<T: Lanes>(a: &mut [T], q: &mut [T], n: usize) -> Result<(), OutOfMemory> {
    assert!(a.len() == count(&[n, n]) && (q.is_empty() || q.len() == a.len()), "square matrices of an order");
    let steps = n.saturating_sub(2);
    let mut v = Block::filled(count(&[n, steps]), T::ZERO)?;
    let (mut tau, mut w) = (Block::filled(steps, T::ZERO)?, Block::filled(n, T::ZERO)?);
    for j in 0..steps {
        let v = &mut v[j * n + j + 1..][..n - j - 1];
        tau[j] = reflection(&mut a[j * n + j + 1..(j + 1) * n], v);
        if tau[j] == T::ZERO {
            continue;
        }
        // A (I − τ v vᵀ)
        w.fill(T::ZERO);
        for (c, &factor) in v.iter().enumerate() {
            add_scaled(factor, &a[(j + 1 + c) * n..][..n], &mut w);
        }
        for (c, &factor) in v.iter().enumerate() {
            add_scaled(-tau[j] * factor, &w, &mut a[(j + 1 + c) * n..][..n]);
        }
        // (I − τ v vᵀ) A
        for column in a[(j + 1) * n..].chunks_exact_mut(n) {
            let below = &mut column[j + 1..];
            let sum = inner(v, below);
            add_scaled(-tau[j] * sum, v, below);
        }
    }
    if !q.is_empty() {
        q.fill(T::ZERO);
        q.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
        Reflections { v: &v, tau: &tau, rows: n, shift: 1 }.apply(isa(), q)?;
    }
    Ok(())
}

/// The reflection I − τ v vᵀ, v₀ = 1, that leaves of x its first element alone; returns τ, which is 0 where nothing has to be done.
fn reflection<T: Lanes>(x: &mut [T], v: &mut [T]) -> T {
    let (first, length) = (x[0], norm(x));
    v[0] = T::ONE;
    if norm(&x[1..]) == T::ZERO {
        return T::ZERO;
    }
    let end = if first < T::ZERO { length } else { -length };
    v[1..].copy_from_slice(&x[1..]);
    scale(&mut v[1..], T::ONE / (first - end));
    x.fill(T::ZERO);
    x[0] = end;
    (end - first) / end
}
