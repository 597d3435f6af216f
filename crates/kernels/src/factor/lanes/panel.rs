//! Panels of four columns, and four reflections at once.
//!
//! A panel lies row by row, four packs a row, so that it stays in the first-level cache, whatever the size of the matrix, while
//! reflections pass; four of them share the loads and stores of its elements.

use crate::simd::{Enabled, Vector};

/// Columns of a panel.
pub(super) const WIDTH: usize = 4;

/// A row of a panel.
pub(super) type Row<V> = [V; WIDTH];

/// H = 1 − τ v vᵀ, with v₀ = 1, that takes a vector x to a multiple of the first unit vector.
pub(super) struct Reflection<V> {
    /// The multiple: ±‖x‖, of the sign that x₀ has not.
    pub image: V,
    pub tau: V,
    /// What the rest of x is multiplied by to be that of v.
    pub stretch: V,
}

/// What vectors are multiplied by before their [`Reflection`]: small elements of f32 keep the digits of their squares there.
pub(super) const UP: f64 = (1u64 << 40) as f64;

impl<V: Vector> Reflection<V> {
    /// Of [`UP`] times a vector, by its first element and the squares of the others; 1 where nothing but the first
    /// counts beside the norm of a matrix whose [`squares fit`](super::pack::squares_fit).
    #[inline(always)]
    pub fn new(isa: Enabled<V>, first: V, squares: V) -> Self {
        let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
        let least = isa.constant(if size_of::<V::Element>() == 4 { 1e-31 } else { 1e-290 });
        let image = -first.mul_add(first, squares).sqrt().with_sign_of(first);
        // NaN below counts as nothing here: it stays in v and goes into whatever is reflected.
        let flat = |then, other| least.where_less(squares, other, then);
        Self { image: flat(first, image), tau: flat(zero, (image - first) / image), stretch: flat(zero, one / (first - image)) }
    }
}

/// Four reflections H₀ … H₃ whose vectors are the columns of V, zeros above their first element 1: of a reflection that there
/// is not, zeros alone.
#[derive(Clone, Copy)]
pub(super) struct LaneReflections<'a, V> {
    pub v: &'a [Row<V>],
    /// −τᵢ on the diagonal, −τᵢ vᵢᵀ vⱼ beside it.
    pub factors: &'a [Row<V>],
}

/// Factors the first `width` columns of a panel, scaled by [`UP`], and reflects the others: R is left on and above the diagonal,
/// vectors without their first element 1 below it, −τ on the diagonal of `factors`.
#[inline(always)]
pub(super) fn factor<V: Vector>(isa: Enabled<V>, panel: &mut [Row<V>], width: usize, factors: &mut [Row<V>]) {
    factors.fill([isa.constant(0.0); WIDTH]);
    column::<V, 0>(isa, panel, factors);
    if width > 1 {
        column::<V, 1>(isa, panel, factors);
    }
    if width > 2 {
        column::<V, 2>(isa, panel, factors);
    }
    if width > 3 {
        column::<V, 3>(isa, panel, factors);
    }
}

/// The reflection of column J, and its image of those to the right.
#[inline(always)]
fn column<V: Vector, const J: usize>(isa: Enabled<V>, panel: &mut [Row<V>], factors: &mut [Row<V>]) {
    let (head, below) = panel.split_at_mut(J + 1);
    // The products with all columns before the vector is scaled: two sums each, since a sum waits for its last addition.
    let mut sums = [[isa.constant(0.0); WIDTH]; 2];
    let (pairs, last) = below.as_chunks::<2>();
    for pair in pairs {
        for (sums, x) in sums.iter_mut().zip(pair) {
            for c in J..WIDTH {
                sums[c] = x[J].mul_add(x[c], sums[c]);
            }
        }
    }
    for x in last {
        for c in J..WIDTH {
            sums[0][c] = x[J].mul_add(x[c], sums[0][c]);
        }
    }
    let [mut w, other] = sums;
    for c in J..WIDTH {
        w[c] += other[c];
    }
    let first = &mut head[J];
    let reflection = Reflection::new(isa, first[J], w[J]);
    factors[J][J] = -reflection.tau;
    first[J] = reflection.image;
    for c in J + 1..WIDTH {
        w[c] = factors[J][J] * reflection.stretch.mul_add(w[c], first[c]);
        first[c] += w[c];
    }
    for x in below {
        x[J] *= reflection.stretch;
        for c in J + 1..WIDTH {
            x[c] = x[J].mul_add(w[c], x[c]);
        }
    }
}

/// Completes what [`factor`] left to the [`LaneReflections`] of `width` columns, of a panel that is zero to the right of them or
/// has no rows below them.
#[inline(always)]
pub(super) fn complete<V: Vector>(isa: Enabled<V>, v: &mut [Row<V>], width: usize, factors: &mut [Row<V>]) {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    for (i, row) in v.iter_mut().enumerate().take(WIDTH) {
        row[i..].fill(zero);
        if i < width {
            row[i] = one;
        }
    }
    let mut products = [[zero; WIDTH]; WIDTH];
    for row in &*v {
        for i in 0..WIDTH {
            for j in 0..i {
                products[i][j] = row[i].mul_add(row[j], products[i][j]);
            }
        }
    }
    for i in 0..WIDTH {
        for j in 0..i {
            factors[i][j] = factors[i][i] * products[i][j];
            factors[j][i] = factors[j][j] * products[i][j];
        }
    }
}

/// The first `width` columns of a panel become H₃ H₂ H₁ H₀ times these, or, `BACKWARD`, H₀ H₁ H₂ H₃ times these.
#[inline(always)]
pub(super) fn reflect<V: Vector, const BACKWARD: bool>(
    isa: Enabled<V>,
    reflections: LaneReflections<'_, V>,
    panel: &mut [Row<V>],
    width: usize,
) {
    match width {
        1 => reflect_some::<V, BACKWARD, 0, 1>(isa, reflections, panel),
        2 => reflect_some::<V, BACKWARD, 0, 2>(isa, reflections, panel),
        // There are 32 registers of this size, 16 of others.
        _ if size_of::<V>() == 64 => reflect_some::<V, BACKWARD, 0, 4>(isa, reflections, panel),
        _ => {
            reflect_some::<V, BACKWARD, 0, 2>(isa, reflections, panel);
            reflect_some::<V, BACKWARD, 2, 4>(isa, reflections, panel);
        }
    }
}

/// [`reflect`] of the columns `FROM..TO`.
#[inline(always)]
fn reflect_some<V: Vector, const BACKWARD: bool, const FROM: usize, const TO: usize>(
    isa: Enabled<V>,
    reflections: LaneReflections<'_, V>,
    panel: &mut [Row<V>],
) {
    let mut products = [[isa.constant(0.0); WIDTH]; WIDTH];
    for (v, x) in reflections.v.iter().zip(&*panel) {
        for c in FROM..TO {
            for i in 0..WIDTH {
                products[i][c] = v[i].mul_add(x[c], products[i][c]);
            }
        }
    }
    add::<V, BACKWARD, FROM, TO>(reflections, products, panel);
}

/// The first columns of the identity become H₀ H₁ H₂ H₃ times these, in a panel of unspecified content.
#[inline(always)]
pub(super) fn begin<V: Vector>(isa: Enabled<V>, reflections: LaneReflections<'_, V>, panel: &mut [Row<V>]) {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let mut products = [[zero; WIDTH]; WIDTH];
    panel.fill([zero; WIDTH]);
    for (c, (v, x)) in reflections.v.iter().zip(&mut *panel).enumerate().take(WIDTH) {
        x[c] = one;
        for i in 0..WIDTH {
            products[i][c] = v[i];
        }
    }
    if size_of::<V>() == 64 {
        add::<V, true, 0, 4>(reflections, products, panel);
    } else {
        add::<V, true, 0, 2>(reflections, products, panel);
        add::<V, true, 2, 4>(reflections, products, panel);
    }
}

/// Of Vᵀ X, the columns `FROM..TO` of H X:  wᵢ = −τᵢ (vᵢᵀ x + Σⱼ vᵢᵀ vⱼ wⱼ) over the reflections j before,  x += V w.
#[inline(always)]
fn add<V: Vector, const BACKWARD: bool, const FROM: usize, const TO: usize>(
    reflections: LaneReflections<'_, V>,
    products: [Row<V>; WIDTH],
    panel: &mut [Row<V>],
) {
    let Some((factors, _)) = reflections.factors.split_first_chunk::<WIDTH>() else { return };
    let mut w = products;
    for step in 0..WIDTH {
        let i = if BACKWARD { WIDTH - 1 - step } else { step };
        for c in FROM..TO {
            w[i][c] *= factors[i][i];
        }
        for before in 0..step {
            let j = if BACKWARD { WIDTH - 1 - before } else { before };
            for c in FROM..TO {
                w[i][c] = factors[i][j].mul_add(w[j][c], w[i][c]);
            }
        }
    }
    for (v, x) in reflections.v.iter().zip(panel) {
        for c in FROM..TO {
            for i in 0..WIDTH {
                x[c] = v[i].mul_add(w[i][c], x[c]);
            }
        }
    }
}
