//! Factors times each other are the matrix again, in f64 on the host.

use monotile_gpu::{
    GpuBlock, GpuErrorKind, GpuOperand, GpuStream, GpuTriangular, GpuType, cholesky, eigh, lu, qr, solve_triangular, svd,
};

use crate::{LAYOUTS, Layout, close, download, numbers, operand, streams, upload};

/// A matrix of a batch, by rows.
#[derive(Clone)]
struct Host {
    rows: usize,
    columns: usize,
    x: Vec<f64>,
}

impl Host {
    fn new(rows: usize, columns: usize, x: impl Iterator<Item = f64>) -> Self {
        let it = Self { rows, columns, x: x.collect() };
        assert_eq!(it.x.len(), rows * columns);
        it
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.x[i * self.columns + j]
    }

    fn transposed(&self) -> Self {
        Self::new(self.columns, self.rows, (0..self.x.len()).map(|e| self.at(e % self.rows, e / self.rows)))
    }

    fn times(&self, other: &Self) -> Self {
        let sum = |i, j| (0..self.columns).map(|k| self.at(i, k) * other.at(k, j)).sum();
        Self::new(self.rows, other.columns, (0..self.rows * other.columns).map(|e| sum(e / other.columns, e % other.columns)))
    }

    fn times_diagonal(&self, d: &[f64]) -> Self {
        Self::new(self.rows, self.columns, (0..self.x.len()).map(|e| self.x[e] * d[e % self.columns]))
    }

    fn identity(n: usize) -> Self {
        Self::new(n, n, (0..n * n).map(|e| f64::from(e / n == e % n)))
    }

    /// Panics unless numbers are equal but for what sums of so many products of f32 lose, of the length of a row.
    #[track_caller]
    fn near(&self, what: &str, other: &Self) {
        let tolerance = 1e-6 + 1.5e-7 * (self.rows + self.columns) as f64;
        let size = (other.x.iter().map(|x| x * x).sum::<f64>() / self.rows.min(self.columns) as f64).sqrt();
        for (x, y) in self.x.iter().zip(&other.x) {
            assert!((x - y).abs() <= tolerance * size, "{what}: {x} is not {y}");
        }
    }

    #[track_caller]
    fn orthonormal_columns(&self, what: &str) {
        self.transposed().times(self).near(what, &Self::identity(self.columns));
    }
}

/// The matrices of a result.
fn split(found: &[f32], rows: usize, columns: usize) -> Vec<Host> {
    found.chunks(rows * columns).map(|x| Host::new(rows, columns, x.iter().map(|&x| f64::from(x)))).collect()
}

fn read(stream: &GpuStream, block: &GpuBlock, rows: usize, columns: usize) -> Vec<Host> {
    split(&download(stream, block), rows, columns)
}

/// Calls `each` with matrices of every size about the sides of squares and every layout, on every adapter.
fn for_all(square: bool, mut each: impl FnMut(&str, &GpuStream, &GpuOperand, Vec<Host>)) {
    for (label, stream) in streams() {
        let sizes: &[[usize; 2]] = match square {
            true => &[[1, 1], [2, 2], [3, 3], [8, 8], [9, 9], [32, 32]],
            false => &[[1, 1], [1, 5], [5, 1], [4, 3], [3, 7], [17, 8], [8, 17], [32, 31], [32, 32]],
        };
        for &[m, n] in sizes {
            for layout in LAYOUTS {
                // A row that repeats makes singular matrices.
                if layout == Layout::Expanded && square {
                    continue;
                }
                let (a, elements) = operand(&stream, &[2, 2, m, n], layout, GpuType::F32, (7 * m + n) as u32);
                each(&format!("{label}, {m} x {n}, {layout:?}"), &stream, &a, split(&elements, m, n));
            }
        }
    }
}

/// Symmetric positive definite matrices A Aᵀ + I, and their lower triangles uploaded with other numbers above.
fn definite(stream: &GpuStream, n: usize, count: usize) -> (GpuOperand, Vec<Host>) {
    let all: Vec<Host> = (0..count)
        .map(|number| {
            let x = split(&numbers(n * n, 3 * n as u32 + number as u32), n, n).remove(0);
            let mut y = x.times(&x.transposed());
            (0..n).for_each(|i| y.x[i * n + i] += 1.0);
            // What f32 holds.
            Host::new(n, n, y.x.iter().map(|&x| f64::from(x as f32)))
        })
        .collect();
    let lower = |a: &Host| (0..n * n).map(|e| if e % n > e / n { 77.0 } else { a.x[e] as f32 }).collect::<Vec<_>>();
    let block = upload(stream, &all.iter().flat_map(lower).collect::<Vec<_>>());
    (GpuOperand::contiguous(&block, GpuType::F32, &[count, n, n]).unwrap(), all)
}

#[test]
fn cholesky_factors_give_the_matrix_again() {
    for (label, stream) in streams() {
        for n in [1, 2, 3, 8, 9, 31, 32] {
            let (a, hosts) = definite(&stream, n, 5);
            let block = cholesky(&stream, &a).unwrap();
            for (l, host) in read(&stream, &block, n, n).iter().zip(&hosts) {
                assert!((0..n * n).all(|e| e % n <= e / n || l.x[e] == 0.0), "{label}: zeros above the diagonal");
                l.times(&l.transposed()).near(&format!("{label}, order {n}"), host);
            }
            let again = download(&stream, &cholesky(&stream, &a).unwrap());
            assert!(again.iter().zip(download(&stream, &block)).all(|(x, y)| x.to_bits() == y.to_bits()), "the same bits");
        }
        // The second leading minor is not positive; the matrix after it is untouched by that.
        let block = upload(&stream, &[4.0, 0.0, 2.0, 1.0, 4.0, 0.0, 2.0, 2.0]);
        let a = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2, 2]).unwrap();
        let l = download(&stream, &cholesky(&stream, &a).unwrap());
        assert!(l[..3] == [2.0, 0.0, 1.0] && l[3].is_nan() && l[4..] == [2.0, 0.0, 1.0, 1.0], "{label}: {l:?}");
    }
}

#[test]
fn lu_factors_give_the_rows_in_their_order() {
    for_all(false, |what, stream, a, hosts| {
        let (m, n) = (hosts[0].rows, hosts[0].columns);
        let (k, found) = (m.min(n), lu(stream, a).unwrap());
        let order: Vec<i32> = bytemuck::pod_collect_to_vec(&stream.read_blocking(&found.order).unwrap());
        for ((lu, host), order) in read(stream, &found.lu, m, n).iter().zip(&hosts).zip(order.chunks(m)) {
            let l = Host::new(
                m,
                k,
                (0..m * k).map(|e| {
                    if e / k == e % k {
                        1.0
                    } else if e / k > e % k {
                        lu.at(e / k, e % k)
                    } else {
                        0.0
                    }
                }),
            );
            let u = Host::new(k, n, (0..k * n).map(|e| if e % n >= e / n { lu.at(e / n, e % n) } else { 0.0 }));
            assert!(l.x.iter().all(|x| x.abs() <= 1.0), "{what}: pivots are the largest");
            let permuted =
                Host::new(m, n, order.iter().flat_map(|&i| (0..n).map(move |j| (i as usize, j))).map(|(i, j)| host.at(i, j)));
            l.times(&u).near(what, &permuted);
        }
    });
}

#[test]
fn triangular_systems_are_solved() {
    for (label, stream) in streams() {
        for (n, k) in [(1, 1), (3, 5), (8, 40), (32, 33)] {
            let (a, hosts) = definite(&stream, n, 3);
            let (b, right) = operand(&stream, &[3, n, k], Layout::Transposed, GpuType::BF16, 5);
            for (which, transposed) in
                [((false, false), false), ((true, false), true), ((false, true), false), ((true, true), true)]
            {
                // L of the lower triangle, or its transpose through strides.
                let n_step = n as isize;
                let strides = if transposed { [n_step * n_step, 1, n_step] } else { [n_step * n_step, n_step, 1] };
                let t = GpuOperand::strided(a.block(), GpuType::F32, &[3, n, n], &strides, 0).unwrap();
                // Of a unit diagonal the rest is small, so that solutions do not grow.
                let which = GpuTriangular { upper: which.0, unit: which.1 };
                if which.unit && n > 3 {
                    continue;
                }
                let x = read(&stream, &solve_triangular(&stream, &t, &b, which).unwrap(), n, k);
                for ((x, host), right) in x.iter().zip(&hosts).zip(split(&right, n, k)) {
                    let lower = |i: usize, j: usize| match (i == j, i > j) {
                        (true, _) if which.unit => 1.0,
                        (true, _) | (_, true) => host.at(i, j),
                        _ => 0.0,
                    };
                    let at = |i, j| if transposed { lower(j, i) } else { lower(i, j) };
                    let t = Host::new(n, n, (0..n * n).map(|e| at(e / n, e % n)));
                    let size = x.x.iter().chain(&t.x).fold(1.0_f64, |m, x| m.max(x.abs()));
                    let back = t.times(x);
                    let distance = back.x.iter().zip(&right.x).fold(0.0_f64, |m, (x, y)| m.max((x - y).abs()));
                    assert!(distance <= 1e-6 * n as f64 * size * size, "{label}, {n} x {k}, {which:?}: off by {distance}");
                }
            }
        }
    }
}

#[test]
fn orthogonal_and_triangular_factors_give_the_matrix_again() {
    for_all(false, |what, stream, a, hosts| {
        let (m, n) = (hosts[0].rows, hosts[0].columns);
        let k = m.min(n);
        for non_negative in [false, true] {
            let found = qr(stream, a, non_negative).unwrap();
            for ((q, r), host) in read(stream, &found.q, m, k).iter().zip(read(stream, &found.r, k, n)).zip(&hosts) {
                q.orthonormal_columns(what);
                assert!((0..k * n).all(|e| e % n >= e / n || r.x[e] == 0.0), "{what}: zeros below the diagonal");
                assert!(!non_negative || (0..k).all(|i| r.at(i, i) >= 0.0), "{what}: no negative diagonal");
                q.times(&r).near(what, host);
            }
        }
    });
}

#[test]
fn symmetric_matrices_are_diagonalized() {
    for_all(true, |what, stream, a, hosts| {
        let n = hosts[0].rows;
        let found = eigh(stream, a).unwrap();
        let values = read(stream, &found.values, 1, n);
        for ((v, values), host) in read(stream, &found.vectors, n, n).iter().zip(values).zip(&hosts) {
            let symmetric = Host::new(n, n, (0..n * n).map(|e| host.at((e / n).max(e % n), (e / n).min(e % n))));
            v.orthonormal_columns(what);
            assert!(values.x.is_sorted(), "{what}: ascending");
            v.times_diagonal(&values.x).times(&v.transposed()).near(what, &symmetric);
        }
    });
}

#[test]
fn singular_values_and_vectors_give_the_matrix_again() {
    for_all(false, |what, stream, a, hosts| {
        let (m, n) = (hosts[0].rows, hosts[0].columns);
        let k = m.min(n);
        let found = svd(stream, a).unwrap();
        let (u, s, vt) = (read(stream, &found.u, m, k), read(stream, &found.s, 1, k), read(stream, &found.vt, k, n));
        for (((u, s), vt), host) in u.iter().zip(&s).zip(&vt).zip(&hosts) {
            u.orthonormal_columns(what);
            vt.transposed().orthonormal_columns(what);
            assert!(s.x.iter().rev().is_sorted() && s.x.iter().all(|&s| s >= 0.0), "{what}: descending");
            u.times_diagonal(&s.x).times(vt).near(what, host);
        }
    });
}

#[test]
fn factors_of_extreme_matrices_are_finite_or_nan_and_nothing_else() {
    for (_, stream) in streams() {
        for scale in [1e-30_f32, 1e30] {
            let x: Vec<f32> = numbers(36, 5).iter().map(|x| x * scale).collect();
            let a = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[6, 6]).unwrap();
            let s = download(&stream, &svd(&stream, &a).unwrap().s);
            let one = GpuOperand::contiguous(&upload(&stream, &numbers(36, 5)), GpuType::F32, &[6, 6]).unwrap();
            let expected: Vec<f64> = download(&stream, &svd(&stream, &one).unwrap().s).iter().map(|&x| f64::from(x)).collect();
            close("scaled", &s.iter().map(|x| x / scale).collect::<Vec<_>>(), &expected, 2e-5);
            let r = download(&stream, &qr(&stream, &a, false).unwrap().r);
            assert!(r.iter().all(|x| x.is_finite()) && r[0] != 0.0);
        }
        let zero = GpuOperand::contiguous(&upload(&stream, &[0.0; 12]), GpuType::F32, &[4, 3]).unwrap();
        let found = svd(&stream, &zero).unwrap();
        assert_eq!(download(&stream, &found.s), [0.0; 3]);
        read(&stream, &found.u, 4, 3)[0].orthonormal_columns("of zeros");
        let nan =
            GpuOperand::contiguous(&upload(&stream, &[1.0, f32::NAN, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), GpuType::F32, &[3, 3]);
        let nan = nan.unwrap();
        let values = [svd(&stream, &nan).unwrap().s, eigh(&stream, &transposed(&nan)).unwrap().values];
        assert!(values.iter().all(|values| download(&stream, values).iter().all(|x| x.is_nan())));
    }
}

fn transposed(a: &GpuOperand) -> GpuOperand {
    GpuOperand::strided(a.block(), a.dtype(), a.sizes(), &[a.strides()[1], a.strides()[0]], 0).unwrap()
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    for (_, stream) in streams() {
        let block = upload(&stream, &[0.0; 40 * 40]);
        let of = |sizes: &[usize]| GpuOperand::contiguous(&block, GpuType::F32, sizes).unwrap();
        let error = svd(&stream, &of(&[40, 40])).unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().as_str()),
            (GpuErrorKind::Limit, "svd: matrices of 40 x 40 are larger than 32 x 32")
        );
        let words = cholesky(&stream, &of(&[2, 3])).unwrap_err().to_string();
        assert_eq!(words, "cholesky: matrices of 2 x 3 are not square");
        let words = eigh(&stream, &of(&[7])).unwrap_err().to_string();
        assert_eq!(words, "eigh: an operand of 1 dimensions is no matrix");
        let words = solve_triangular(&stream, &of(&[2, 3, 3]), &of(&[3, 3]), GpuTriangular::default()).unwrap_err().to_string();
        assert_eq!(words, "solve_triangular: sizes [2, 3, 3] and [3, 3] do not fit");
        // None, and empty ones.
        assert!(download(&stream, &qr(&stream, &of(&[0, 3, 3]), false).unwrap().r).is_empty());
        assert!(download(&stream, &svd(&stream, &of(&[2, 0, 3])).unwrap().s).is_empty());
    }
}
