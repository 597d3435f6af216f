//! Operands in types narrower than the computation.

use half::{bf16, f16};

use super::*;

#[test]
fn stored_types_are_widened_exactly() {
    fn check<T: Lanes>() {
        for (m, n, k) in [(1, 100, 96), (100, 1, 33), (3, 70, 130), (37, 45, 53), (40, 66, 64)] {
            for transposed in TRANSPOSITIONS {
                let (axes, [a_len, b_len, c_len]) = plain(m, n, k, transposed, 1);
                let (a, b) = (Numbers(1).take::<f32>(a_len), Numbers(2).take::<f32>(b_len));
                let (a16, b16): (Vec<_>, Vec<_>) =
                    (a.iter().map(|&x| bf16::from_f32(x)).collect(), b.iter().map(|&x| f16::from_f32(x)).collect());
                let operand = |data| Operand { data, offset: 0 };
                compare::<T>(operand(Stored::BF16(&a16)), operand(Stored::F16(&b16)), c_len, &axes);
                compare::<T>(operand(Stored::F32(&a)), operand(Stored::F16(&b16)), c_len, &axes);
                let a = Numbers(3).take::<T>(a_len);
                let b16: Vec<_> = b.iter().map(|&x| bf16::from_f32(x)).collect();
                compare::<T>(operand(Stored::Real(&a)), operand(Stored::BF16(&b16)), c_len, &axes);
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

fn bf16s<T>(x: &[bf16]) -> Operand<'_, T> {
    Operand { data: Stored::BF16(x), offset: 0 }
}

/// Both operands in bf16, over every layout: the sums are of f32 on every instruction set, so the bound is that of f32.
#[test]
fn pairs_of_bf16_agree_with_the_twin() {
    let narrow = |x: &[f32]| x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>();
    let sizes = [
        (9, 9, 1),
        (13, 33, 2),
        (14, 32, 31),
        (15, 31, 32),
        (28, 64, 33),
        (29, 65, 65),
        (41, 97, 1023),
        (16, 100, 1025),
        (17, 4200, 3),
    ];
    for (i, (m, n, k)) in sizes.into_iter().enumerate() {
        for transposed in TRANSPOSITIONS {
            let (axes, [a_len, b_len, c_len]) = plain(m, n, k, transposed, i % 3);
            let (a, b) = (narrow(&Numbers(1).take(a_len)), narrow(&Numbers(2).take(b_len)));
            compare::<f32>(bf16s(&a), bf16s(&b), c_len + 3, &axes);
            if n < 100 {
                compare::<f64>(bf16s(&a), bf16s(&b), c_len, &axes);
            }
        }
    }
    for seed in 0..400 {
        let Some((axes, lens, offsets)) = groups(&mut Numbers(5000 + seed)) else { continue };
        let (a, b) = (narrow(&Numbers(seed).take(lens[0])), narrow(&Numbers(seed + 1).take(lens[1])));
        let operand = |data, offset| Operand { data: Stored::BF16(data), offset };
        compare::<f32>(operand(&a, offsets[0]), operand(&b, offsets[1]), lens[2], &axes);
    }
}

#[test]
fn pairs_of_bf16_take_subnormal_numbers_for_zero_or_as_they_are() {
    let (axes, [a_len, b_len, c_len]) = plain(20, 40, 5, [false; 3], 0);
    let (a, mut b) = (vec![bf16::from_f32(2.0); a_len], vec![bf16::ZERO; b_len]);
    let subnormal = bf16::from_bits(0x0040);
    b[7] = subnormal;
    b[8] = bf16::INFINITY;
    b[9] = bf16::NAN;
    let (a, b) = (bf16s(&a), bf16s(&b));
    for isa in simd::available() {
        let mut c = vec![f32::NAN; c_len];
        product_on(isa, Scaled { alpha: 1.0, accumulate: false }, a, b, &mut c, &axes).unwrap();
        for (i, &x) in c.iter().enumerate() {
            match i % 40 {
                7 => assert!(x == 0.0 || x == 2.0 * subnormal.to_f32()),
                8 => assert_eq!(x, f32::INFINITY),
                9 => assert!(x.is_nan()),
                _ => assert_eq!(x, 0.0),
            }
        }
    }
}
