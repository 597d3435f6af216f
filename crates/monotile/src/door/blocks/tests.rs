use super::*;
use crate::attention::scaled_dot_product_attention;
use crate::einsum::einsum;
use crate::ops::{cdist, embedding, linear, rms_norm, swiglu};
use crate::{Rng, io, linalg};

/// A weight of random blocks in any format, whose scales are small numbers.
fn weight(seed: u64, shape: &[usize], format: BlockFormat) -> Tensor {
    let scales: &[usize] = match format {
        BlockFormat::Q2K => &[80, 82],
        BlockFormat::Q3K => &[108],
        BlockFormat::Q4K | BlockFormat::Q5K | BlockFormat::Q4_1 | BlockFormat::Q5_1 => &[0, 2],
        BlockFormat::Q6K => &[208],
        _ => &[0],
    };
    let (dtype, mut rng) = (DType::Quantized(format), Rng::new(seed));
    let count = dtype.bytes(shape::count(shape)).unwrap();
    let mut bytes = rng.randint([count], 0, 256).unwrap().to_dtype(DType::U8).unwrap().to_vec::<u8>().unwrap();
    for (i, block) in bytes.chunks_exact_mut(format.block_bytes()).enumerate() {
        let scale = |k: usize| half::f16::from_f32(1e-3 * (1.0 + (i + k) as f32 % 3.0)).to_le_bytes();
        scales.iter().for_each(|&at| block[at..at + 2].copy_from_slice(&scale(at)));
    }
    io::read_elements(&bytes, shape, dtype).unwrap()
}

fn normal(seed: u64, shape: &[usize]) -> Tensor {
    Rng::new(seed).normal(shape, DType::F32).unwrap()
}

fn far(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let pairs = a.to_f64_vec().unwrap().into_iter().zip(b.to_f64_vec().unwrap());
    pairs.fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// A product with a weight.
type OfWeight<'a> = dyn Fn(&Tensor) -> Result<Tensor> + 'a;

/// The largest difference, by the largest number of what is expected.
fn relative(found: &Tensor, expected: &Tensor) -> f64 {
    let largest = expected.to_f64_vec().unwrap().into_iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(largest > 0.0);
    far(found, expected) / largest
}

#[test]
fn products_are_those_of_the_dequantized_weight() {
    for format in BlockFormat::ALL {
        // More rows than a strip holds, and fewer than one block of columns beside it.
        for (rows, columns) in [(700, 256), (32, 1024), (1, 512)] {
            let weight = weight(1, &[rows, columns], format);
            let wide = weight.dequantize().unwrap();
            let bias = normal(2, &[rows]);
            for tokens in [1, 3, 40] {
                let (x, g) = (normal(3, &[2, tokens, columns]), normal(4, &[tokens, rows]));
                let text = x.select(0, 1).unwrap();
                let products: [&OfWeight; 4] =
                    [&|w| linear(&x, w, Some(&bias)), &|w| w.matmul(&text.mt()), &|w| g.matmul(w), &|w| w.mt().matmul(&g.mt())];
                for (i, product) in products.into_iter().enumerate() {
                    let (found, expected) = (product(&weight).unwrap(), product(&wide).unwrap());
                    assert!(relative(&found, &expected) < 1e-5, "{format:?}, {rows} rows, {tokens} tokens, product {i}");
                }
            }
            let x = normal(5, &[columns]).to_dtype(DType::F64).unwrap();
            let y = weight.matmul(&x).unwrap();
            assert_eq!(y.dtype(), DType::F64);
            assert!(relative(&y, &wide.to_dtype(DType::F64).unwrap().matmul(&x).unwrap()) < 1e-13);
        }
    }
}

#[test]
fn what_is_no_matrix_of_whole_blocks_is_expanded() {
    let weight = normal(1, &[3, 4, 64]).quantize(BlockFormat::Q5_1).unwrap();
    let wide = weight.dequantize().unwrap();
    for (equation, shape) in [("abk,axk->abx", vec![3, 5, 64]), ("abk,b->ak", vec![4]), ("abk,abk->a", vec![3, 4, 64])] {
        let other = normal(2, &shape);
        let of = |w: &Tensor| einsum(equation, &[w, &other]).unwrap();
        assert!(far(&of(&weight), &of(&wide)) < 1e-4, "{equation}");
    }
    let inside = weight.slice(2, 7..40).unwrap();
    assert_eq!(inside.to_f64_vec().unwrap(), wide.slice(2, 7..40).unwrap().to_f64_vec().unwrap());
    let (x, part) = (normal(3, &[2, 33]), inside.select(0, 1).unwrap());
    assert!(far(&x.matmul(&part.mt()).unwrap(), &x.matmul(&part.dequantize().unwrap().mt()).unwrap()) < 1e-4);
    let both = weight.select(0, 0).unwrap();
    let square = both.matmul(&both.mt()).unwrap();
    assert!(far(&square, &both.dequantize().unwrap().matmul(&both.dequantize().unwrap().mt()).unwrap()) < 1e-4);
}

#[test]
fn gradients_flow_through_a_frozen_quantized_weight() {
    let weight = weight(1, &[40, 256], BlockFormat::Q4K);
    let wide = weight.dequantize().unwrap();
    let (x, g) = (normal(2, &[6, 256]), normal(3, &[6, 40]));
    let gradient = |w: &Tensor| {
        let leaf = x.requires_grad();
        let loss = linear(&leaf, w, None).unwrap().mul(&g).unwrap().sum(&[], false).unwrap();
        loss.backward().unwrap().take(&leaf).unwrap()
    };
    assert!(far(&gradient(&weight), &gradient(&wide)) < 1e-4);
    // Central differences of the dequantized function, in f64.
    let (x, g) = (x.to_dtype(DType::F64).unwrap(), g.to_dtype(DType::F64).unwrap());
    let loss = |x: &Tensor| linear(x, &weight, None).unwrap().mul(&g).unwrap().sum(&[], false).unwrap().item::<f64>().unwrap();
    let found = gradient(&weight).to_f64_vec().unwrap();
    for at in [0, 255, 700, 1535] {
        let moved = |by: f64| {
            let mut numbers = x.to_vec::<f64>().unwrap();
            numbers[at] += by;
            loss(&Tensor::from_vec(numbers, &[6, 256]).unwrap())
        };
        let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
        assert!((slope - found[at]).abs() < 1e-4, "{at}: {slope} and {}", found[at]);
    }
}

#[test]
fn rows_of_a_table_are_its_dequantized_rows() {
    let table = normal(1, &[9, 64]).quantize(BlockFormat::Q4_1).unwrap();
    let ids = Tensor::from_slice(&[8_i64, 0, 8, 3], &[2, 2]).unwrap();
    let rows = embedding(&table, &ids).unwrap();
    assert_eq!((rows.dtype(), rows.shape()), (DType::F32, &[2, 2, 64][..]));
    assert_eq!(rows.to_f64_vec().unwrap(), embedding(&table.dequantize().unwrap(), &ids).unwrap().to_f64_vec().unwrap());
    let below = table.slice(0, 2..9).unwrap();
    let last = embedding(&below, &Tensor::from([6_i64])).unwrap();
    assert_eq!(last.to_f64_vec().unwrap(), table.select(0, 8).unwrap().to_f64_vec().unwrap());
    let words = embedding(&table, &Tensor::from([9_i64])).unwrap_err().to_string();
    assert_eq!(words, "embedding: index 9 is outside the table of 9 rows");
}

#[test]
fn other_operations_ask_for_a_cast() {
    let (x, other) = (normal(1, &[32, 32]).quantize(BlockFormat::Q8_0).unwrap(), normal(2, &[32, 32]));
    let (row, words) = (x.select(0, 0).unwrap(), |y: Result<Tensor>| y.unwrap_err().to_string());
    let heads = |x: &Tensor| x.reshape(&[1, 1, 32, 32]).unwrap();
    let attended = scaled_dot_product_attention(&heads(&other), &heads(&x), &heads(&other), &Default::default());
    for (op, done) in [
        ("exp", x.exp()),
        ("softmax", x.softmax(-1)),
        ("sum", x.sum(&[], false)),
        ("add", other.add(&x)),
        ("mul", x.mul(&x)),
        ("mul", x.mul(2.0)),
        ("maximum", other.maximum(&x)),
        ("eq", x.eq(&x)),
        ("where_", other.gt(0.0).unwrap().where_(&x, &other)),
        ("rms_norm", rms_norm(&other, &row, 1e-5)),
        ("swiglu", swiglu(&other, &x)),
        ("cdist", cdist(&x, &other, 2.0)),
        ("linear", linear(&other, &other, Some(&row))),
        ("cholesky", linalg::cholesky(&x)),
        ("scaled_dot_product_attention", attended),
        ("cat", Tensor::cat(&[&x, &x], 0)),
        ("index_select", x.index_select(0, &Tensor::from([1_i64]))),
        ("sort", x.sort(1, false).map(|sorted| sorted.0)),
    ] {
        assert_eq!(words(done), refused(op, x.dtype()).to_string());
    }
    let turned = "a view of q8_0 that is not in row-major order is not copied; cast it with to_dtype";
    assert_eq!(words(x.mt().contiguous()), format!("contiguous: {turned}"));
    assert_eq!(words(embedding(&x.mt(), &Tensor::from([1_i64]))), format!("embedding: {turned}"));
    assert_eq!(x.to_vec::<f32>().unwrap_err().to_string(), "to_vec: the tensor holds q8_0, not f32; cast it with to_dtype");
    let zeros = words(Tensor::zeros(&[2, 32], x.dtype()));
    assert_eq!(zeros, "zeros: one number fills no block of q8_0; make a tensor of f32 and quantize it");
    assert_eq!(x.zeros_like().dtype(), DType::F32);
}

#[test]
fn what_blocks_do_not_hold_is_refused() {
    let words = |y: Result<Tensor>| y.unwrap_err().to_string();
    let uneven = words(normal(1, &[2, 33]).quantize(BlockFormat::Q8_0));
    assert_eq!(
        uneven,
        "to_dtype: q8_0 has blocks of 32 along the last dimension, and the shape [2, 33] has a last dimension of 33"
    );
    let read_only = words(normal(1, &[256]).quantize(BlockFormat::Q4K));
    assert_eq!(read_only, "to_dtype: q4_k is read and not written; q8_0, q4_0, q4_1, q5_0 and q5_1 are written");
    for (odd, name) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (65_505.0, "65505")] {
        let mut numbers = vec![1.0; 64];
        numbers[40] = odd;
        let refused = words(Tensor::from_vec(numbers, &[2, 32]).unwrap().quantize(BlockFormat::Q4_1));
        assert_eq!(refused, format!("to_dtype: q4_1 is made of numbers up to 65504 in size, and element 40 is {name}"));
    }
    let x = normal(1, &[2, 32]).quantize(BlockFormat::Q5_0).unwrap();
    let path = std::env::temp_dir().join(format!("monotile-blocks-{}.safetensors", std::process::id()));
    let refused = io::write_safetensors(&path, &[("w", &x)], &[]).unwrap_err().to_string();
    assert_eq!(refused, "write_safetensors: \"w\" is of q5_0, which safetensors has not; cast it to f32");
    let planned = vec![io::TensorSpec::new("w", x.dtype(), x.shape())];
    let refused = io::SafeTensorsWriter::open(&path, planned, &[]).err().unwrap().to_string();
    assert_eq!(refused, format!("{}: \"w\" is of q5_0, which safetensors has not; cast it to f32", path.display()));
    assert!(!path.exists());
}

#[test]
fn bytes_are_those_of_the_file_format() {
    let x = normal(1, &[3, 64]);
    for format in BlockFormat::ALL.into_iter().filter(|format| format.is_written()) {
        let small = x.quantize(format).unwrap();
        let mut bytes = Vec::new();
        io::write_elements(&small, &mut bytes).unwrap();
        assert_eq!(Some(bytes.len()), small.dtype().bytes(3 * 64));
        let again = io::read_elements(&bytes, &[3, 64], small.dtype()).unwrap();
        assert_eq!(again.to_f64_vec().unwrap(), small.to_f64_vec().unwrap());
        let mut row = Vec::new();
        io::write_elements(&small.slice(0, 1..2).unwrap(), &mut row).unwrap();
        assert_eq!(row, bytes[bytes.len() / 3..bytes.len() / 3 * 2]);
        // Rounded once more, nothing moves.
        let twice = small.dequantize().unwrap().quantize(format).unwrap();
        assert!(far(&twice.dequantize().unwrap(), &small.dequantize().unwrap()) < 0.02, "{format:?}");
        assert!(far(&small.dequantize().unwrap(), &x) < 0.4, "{format:?}");
    }
    assert!(io::read_elements(&[0; 34], &[2, 32], DType::Quantized(BlockFormat::Q8_0)).is_err());
}
