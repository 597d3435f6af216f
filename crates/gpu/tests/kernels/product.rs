use monotile_gpu::{GpuOperand, GpuType, ProductVariant, product, product_by};

use crate::{LAYOUTS, Layout, close, download, operand, streams, upload};

/// By a plain loop, in f64.
fn plainly([batch, m, n, k]: [usize; 4], a: &[f32], b: &[f32]) -> Vec<f64> {
    let mut c = vec![0.0; batch * m * n];
    for s in 0..batch {
        for i in 0..m {
            for l in 0..k {
                let factor = f64::from(a[(s * m + i) * k + l]);
                for j in 0..n {
                    c[(s * m + i) * n + j] += factor * f64::from(b[(s * k + l) * n + j]);
                }
            }
        }
    }
    c
}

#[track_caller]
fn check(
    label: &str,
    stream: &monotile_gpu::GpuStream,
    sizes: [usize; 4],
    layouts: [Layout; 2],
    types: [GpuType; 2],
    variant: Option<ProductVariant>,
) {
    let [batch, m, n, k] = sizes;
    let (a, x) = operand(stream, &[batch, m, k], layouts[0], types[0], 1);
    let (b, y) = operand(stream, &[batch, k, n], layouts[1], types[1], 2);
    let run = || download(stream, &product_by(stream, &a, &b, variant).unwrap());
    let found = run();
    let what = format!("{label}: {sizes:?} {layouts:?} {types:?} {variant:?}");
    // Each term is at most 4, and rounded once or twice.
    close(&what, &found, &plainly(sizes, &x, &y), 4.0 * f64::from(f32::EPSILON) * (k as f64 + 1.0));
    if m % 2 == 1 {
        assert_eq!(found, run(), "{what}: the same bits");
    }
}

#[test]
fn products_of_every_variant_and_layout_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        for (variant, tile, depth) in [
            (ProductVariant::Small { parts: 1 }, 32, 8),
            (ProductVariant::Small { parts: 3 }, 32, 24),
            (ProductVariant::Medium, 64, 16),
        ] {
            use Layout::{Expanded, Plain, Reversed, Sliced, Transposed};
            let pairs = [[Plain, Sliced], [Transposed, Reversed], [Sliced, Expanded], [Expanded, Reversed], [Reversed, Transposed]];
            let edges = [1, tile - 1, tile, tile + 1, 2 * tile + 3];
            let terms = [3, depth - 1, depth, depth + 1, 2 * depth + 3];
            for (i, &m) in edges.iter().enumerate() {
                for (j, &n) in edges.iter().enumerate().filter(|(j, _)| tile == 32 || (i + j) % 2 == 0) {
                    let (k, layouts) = (terms[(i + 2 * j) % 5], pairs[(i + 3 * j) % 5]);
                    check(&label, &stream, [1, m, n, k], layouts, [GpuType::F32; 2], Some(variant));
                }
            }
        }
    }
}

#[test]
fn products_of_few_rows_or_columns_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        let (terms, others) = ([7, 65, 300], [1, 31, 32, 33, 67]);
        for m in [1, 5, 8] {
            for (i, layout) in LAYOUTS.into_iter().enumerate() {
                let (k, n) = (terms[(m + i) % 3], others[(m + 2 * i) % 5]);
                let layouts = [LAYOUTS[(m + i) % 5], layout];
                check(&label, &stream, [1, m, n, k], layouts, [GpuType::F32; 2], Some(ProductVariant::Rows));
                check(&label, &stream, [1, n.max(9), m, k], layouts, [GpuType::F32; 2], Some(ProductVariant::Rows));
            }
        }
    }
}

#[test]
fn many_small_products_share_workgroups() {
    let (f32, bf16, f16) = (GpuType::F32, GpuType::BF16, GpuType::F16);
    for (label, stream) in streams() {
        for (i, [batch, m, n, k]) in
            [[65, 1, 4, 3], [3, 5, 8, 7], [17, 8, 5, 8], [5, 16, 16, 16], [6, 13, 9, 11], [2, 3, 2, 16]].into_iter().enumerate()
        {
            for j in 0..2 {
                let layouts = [LAYOUTS[(i + j) % 5], LAYOUTS[(2 * i + j + 1) % 5]];
                let types = [[f32; 2], [f32, bf16], [f16, f32]][(i + j) % 3];
                check(&label, &stream, [batch, m, n, k], layouts, types, Some(ProductVariant::Tiny));
            }
        }
        // By the table.
        check(&label, &stream, [70, 9, 10, 11], [Layout::Sliced, Layout::Transposed], [f32; 2], None);
    }
}

#[test]
fn large_tiles_have_edges_too() {
    for (label, stream) in streams() {
        use Layout::{Plain, Sliced, Transposed};
        for (sizes, layouts) in [
            ([1, 129, 259, 19], [Sliced, Plain]),
            ([1, 127, 128, 8], [Sliced, Plain]),
            ([1, 1, 131, 7], [Sliced, Plain]),
            ([1, 132, 260, 20], [Plain; 2]),
            ([2, 131, 9, 17], [Transposed, Transposed]),
        ] {
            check(&label, &stream, sizes, layouts, [GpuType::F32; 2], Some(ProductVariant::Large));
        }
    }
}

#[test]
fn bands_of_tiles_cover_the_result() {
    for (label, stream) in streams() {
        for m in [8 * 32, 9 * 32 + 1, 17 * 32] {
            let variant = Some(ProductVariant::Small { parts: 1 });
            check(&label, &stream, [2, m, 70, 9], [Layout::Sliced; 2], [GpuType::F32; 2], variant);
        }
    }
}

#[test]
fn four_elements_are_read_at_once_where_they_lie_side_by_side() {
    let (f32, bf16) = (GpuType::F32, GpuType::BF16);
    for (label, stream) in streams() {
        for (number, layouts) in [[Layout::Plain; 2], [Layout::Transposed; 2]].into_iter().enumerate() {
            let types = [[f32; 2], [f32, bf16]][number];
            for variant in [ProductVariant::Small { parts: 3 }, ProductVariant::Medium] {
                // Multiples of four that are not those of the tiles.
                check(&label, &stream, [2, 68, 36, 44], layouts, types, Some(variant));
            }
        }
        for (rows, types) in [(1, [f32, bf16]), (4, [f32; 2])] {
            let layouts = [Layout::Plain, Layout::Transposed];
            check(&label, &stream, [1, rows, 37, 1100], layouts, types, Some(ProductVariant::Rows));
            check(&label, &stream, [2, 37, rows, 12], layouts, types, Some(ProductVariant::Rows));
        }
    }
}

#[test]
fn halves_are_widened_as_they_are_read() {
    let (f32, bf16, f16) = (GpuType::F32, GpuType::BF16, GpuType::F16);
    for (label, stream) in streams() {
        for types in [[bf16, f16], [f16, f32]] {
            let variant = Some(ProductVariant::Small { parts: 2 });
            check(&label, &stream, [2, 33, 65, 17], [Layout::Plain, Layout::Sliced], types, variant);
            check(&label, &stream, [1, 5, 70, 129], [Layout::Plain, Layout::Transposed], types, Some(ProductVariant::Rows));
        }
        check(&label, &stream, [2, 65, 33, 17], [Layout::Plain; 2], [bf16, f32], Some(ProductVariant::Medium));
        // By the table.
        check(&label, &stream, [3, 40, 40, 300], [Layout::Transposed, Layout::Plain], [f32; 2], None);
    }
}

#[test]
fn leading_dimensions_broadcast_and_step_by_strides() {
    for (label, stream) in streams() {
        let (a, x) = operand(&stream, &[2, 3, 9, 10], Layout::Plain, GpuType::F32, 1);
        let (_, y) = operand(&stream, &[3, 10, 12], Layout::Plain, GpuType::F32, 2);
        let block = upload(&stream, &y);
        // The same three matrices for both.
        let b = GpuOperand::strided(&block, GpuType::F32, &[2, 3, 10, 12], &[0, 120, 12, 1], 0).unwrap();
        let expected = plainly([6, 9, 12, 10], &x, &[y.clone(), y].concat());
        close(&label, &download(&stream, &product(&stream, &a, &b).unwrap()), &expected, 1e-5);
    }
}

#[test]
fn empty_products_are_zero_and_what_does_not_fit_is_refused() {
    for (label, stream) in streams() {
        let of = |sizes: &[usize]| {
            GpuOperand::contiguous(&upload(&stream, &vec![1.0; sizes.iter().product()]), GpuType::F32, sizes).unwrap()
        };
        for (m, n) in [(3, 4), (40, 50), (0, 20), (9, 0)] {
            let found = download(&stream, &product(&stream, &of(&[m, 0]), &of(&[0, n])).unwrap());
            assert!(found.len() == m * n && found.iter().all(|&x| x == 0.0), "{label}: {m} x {n}");
        }
        let refused = |a: &[usize], b: &[usize], variant| product_by(&stream, &of(a), &of(b), variant).unwrap_err().message;
        assert!(refused(&[2, 3], &[4, 2], None).contains("product: sizes [2, 3] and [4, 2] are not of (…, m, k) and (…, k, n)"));
        assert!(refused(&[2, 2, 3], &[3, 3, 2], None).contains("are not of"));
        assert!(refused(&[3], &[3], None).contains("are not of"));
        assert!(refused(&[9, 17], &[17, 9], Some(ProductVariant::Tiny)).contains("at most 16 x 16 x 16, not for 9 x 9 x 17"));
        assert!(refused(&[9, 3], &[3, 9], Some(ProductVariant::Rows)).contains("at most 8 rows or columns, not for 9 x 9"));
        assert!(refused(&[9, 3], &[3, 9], Some(ProductVariant::Small { parts: 4 })).contains("3 terms do not make 4 parts"));
    }
}
