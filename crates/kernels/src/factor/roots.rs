//! √T and ln T of quasi-triangular matrices: roots by halves (Björck and Hammarling 1983; Higham 1987; Deadman, Higham and Ralha 2012), and
//! logarithms by roots until T is near 1 (Kenney and Laub 1989).

use super::batch::{each, load, matrix, sizes};
use super::columns::magnitude;
use super::sylvester::{self, Quasi};
use super::{Failure, Fault};
use crate::buffer::Block;
use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd::Lanes;
use crate::view::View;

/// The norm of 1 up to which the approximant of degree 7 is exact to f64 (Higham 2008, Functions of Matrices, table 11.1).
const REACH: f64 = 0.264;
/// Far more roots than a matrix takes.
const ROOTS: usize = 200;
/// Nodes and weights of Gauss and Legendre on (−1, 1), those at ± once.
const NODES: [[f64; 2]; 4] = [
    [0.0, 0.417_959_183_673_469_4],
    [0.405_845_151_377_397_2, 0.381_830_050_505_118_9],
    [0.741_531_185_599_394_3, 0.279_705_391_489_276_64],
    [0.949_107_912_342_758_5, 0.129_484_966_168_869_7],
];

compiled! {
    /// The principal square roots of quasi-triangular matrices, column by column.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix with a real value that is not positive, and its place, counted from 1.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn root<T: Lanes>(t: View<'_, T>, roots: &mut [T]) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(t);
        assert!(n == columns && roots.len() == count(&[batch, n, n]), "a square result for each square matrix");
        if roots.is_empty() {
            return Ok(());
        }
        each(batch, 2.0 * (n as f64).powi(3) + 100.0, [roots], |i, [root]| -> Result<(), Fault> {
            load(matrix(t, i), root);
            if !magnitude(root).is_finite() {
                root.fill(T::NAN);
                return Ok(());
            }
            refuse(root, n)?;
            halves(root, n)
        })
    }

    /// The principal logarithms of quasi-triangular matrices, column by column.
    ///
    /// # Errors
    /// As [`root`].
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn logarithm<T: Lanes>(t: View<'_, T>, logarithms: &mut [T]) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(t);
        assert!(n == columns && logarithms.len() == count(&[batch, n, n]), "a square result for each square matrix");
        if logarithms.is_empty() {
            return Ok(());
        }
        each(batch, 15.0 * (n as f64).powi(3) + 1000.0, [logarithms], |i, [sum]| -> Result<(), Fault> {
            let mut x = Block::new(n * n)?;
            load(matrix(t, i), &mut x);
            if !magnitude(&x).is_finite() {
                sum.fill(T::NAN);
                return Ok(());
            }
            refuse(&x, n)?;
            let mut roots = 0;
            while distance(&x, n) > REACH && roots < ROOTS {
                halves(&mut x, n)?;
                roots += 1;
            }
            x.iter_mut().step_by(n + 1).for_each(|x| *x -= T::ONE);
            integral(&x, n, sum)?;
            let factor = T::from_f64(2.0_f64.powi(roots as i32));
            sum.iter_mut().for_each(|x| *x *= factor);
            Ok(())
        })
    }
}

/// Refuses a real value that is not positive.
fn refuse<T: Real>(t: &[T], n: usize) -> Result<(), Fault> {
    let t = Quasi { data: t, n };
    let paired = |i: usize| t.start(i) < i || (i + 1 < n && t.start(i + 1) == i);
    (0..n).find(|&i| t.at(i, i) <= T::ZERO && !paired(i)).map_or(Ok(()), |i| Err(Fault::Order(i + 1)))
}

/// The largest sum of a column of |X − 1|.
fn distance<T: Real>(x: &[T], n: usize) -> f64 {
    let column =
        |(j, column): (usize, &[T])| column.iter().enumerate().map(|(i, x)| (x.to_f64() - f64::from(i == j)).abs()).sum::<f64>();
    x.chunks_exact(n).enumerate().map(column).fold(0.0, f64::max)
}

/// Makes √T of T: [[A, C], [0, B]] has the root [[√A, X], [0, √B]] with √A X + X √B = C.
fn halves<T: Lanes>(t: &mut [T], n: usize) -> Result<(), Fault> {
    if n == 1 {
        t[0] = t[0].sqrt();
        return Ok(());
    }
    let whole = Quasi { data: &*t, n };
    let middle = match whole.start(n / 2) {
        0 if n == 2 => {
            block(t.try_into().expect("two rows and columns"));
            return Ok(());
        }
        0 => 2,
        middle => middle,
    };
    let rest = n - middle;
    let (mut a, mut b, mut c) = (Block::new(middle * middle)?, Block::new(rest * rest)?, Block::new(middle * rest)?);
    for (j, column) in t.chunks_exact(n).enumerate() {
        if j < middle {
            a[j * middle..][..middle].copy_from_slice(&column[..middle]);
        } else {
            c[(j - middle) * middle..][..middle].copy_from_slice(&column[..middle]);
            b[(j - middle) * rest..][..rest].copy_from_slice(&column[middle..]);
        }
    }
    halves(&mut a, middle)?;
    halves(&mut b, rest)?;
    sylvester::solve(Quasi { data: &a, n: middle }, Some(Quasi { data: &b, n: rest }), &mut c)?;
    for (j, column) in t.chunks_exact_mut(n).enumerate() {
        if j < middle {
            column[..middle].copy_from_slice(&a[j * middle..][..middle]);
        } else {
            column[..middle].copy_from_slice(&c[(j - middle) * middle..][..middle]);
            column[middle..].copy_from_slice(&b[(j - middle) * rest..][..rest]);
        }
    }
    Ok(())
}

/// The root of [[a, b], [c, a]] with b c < 0: α + (T − a) / 2α, where α is the real part of the root of a + i √(−b c).
fn block<T: Real>(t: &mut [T; 4]) {
    let [a, c, b, _] = *t;
    let half = T::from_f64(0.5);
    let (x, y) = (b.abs().sqrt(), c.abs().sqrt());
    let imaginary = x * y;
    let most = a.abs().maximum(imaginary);
    let (p, q) = (a / most, imaginary / most);
    let length = most * (p * p + q * q).sqrt();
    let larger = ((length + a.abs()) * half).sqrt();
    let alpha = if a >= T::ZERO { larger } else { imaginary * half / larger };
    *t = [alpha, c * half / alpha, b * half / alpha, alpha];
}

/// ln(1 + X) = ∫ (1 + t X)⁻¹ X dt over (0, 1), by Gauss and Legendre.
fn integral<T: Lanes>(x: &[T], n: usize, sum: &mut [T]) -> Result<(), Fault> {
    let (mut shifted, mut term) = (Block::new(n * n)?, Block::new(n * n)?);
    sum.fill(T::ZERO);
    for [node, weight] in NODES {
        for sign in [1.0, -1.0] {
            if node == 0.0 && sign < 0.0 {
                continue;
            }
            let (t, weight) = (T::from_f64(0.5 + sign * node / 2.0), T::from_f64(weight / 2.0));
            shifted.iter_mut().zip(x).for_each(|(to, &x)| *to = t * x);
            shifted.iter_mut().step_by(n + 1).for_each(|x| *x += T::ONE);
            term.copy_from_slice(x);
            sylvester::solve(Quasi { data: &shifted, n }, None, &mut term)?;
            sum.iter_mut().zip(&term[..]).for_each(|(sum, &x)| *sum += weight * x);
        }
    }
    Ok(())
}
