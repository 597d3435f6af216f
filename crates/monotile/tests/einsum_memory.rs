//! Plans keep to their memory limit, as the pool counts what is in use while they run.

use monotile::einsum::{Einsum, EinsumOptions, MemoryLimit, PathMethod};
use monotile::tape::{BackwardMode, vjp};
use monotile::{DType, Tensor};
use monotile_kernels::pool;

/// What the matrix product packs for its own use, on two threads or more.
const PACKED: usize = 16 << 20;

/// The bytes that a run takes at its peak beyond its operands; of a recorded one, those that its result still holds are
/// among them.
fn measured(einsum: &Einsum, options: EinsumOptions, shapes: &[&[usize]], recorded: bool) -> monotile::Result<usize> {
    let compiled = einsum.with_options(options).compile(shapes)?;
    // Elements of their own, not one that repeats.
    let operand = |shape: &&[usize]| {
        let x = Tensor::from_vec(vec![1.0_f32; shape.iter().product()], shape)?;
        Ok(if recorded { x.requires_grad() } else { x })
    };
    let operands = shapes.iter().map(operand).collect::<monotile::Result<Vec<Tensor>>>()?;
    let operands: Vec<&Tensor> = operands.iter().collect();
    let before = pool::reset_peak();
    drop(compiled.run(&operands)?);
    Ok(pool::peak() - before)
}

/// The bytes that the walk backward takes at its peak, and those of the gradients and of the cotangents of all results but the last.
fn measured_backward(einsum: &Einsum, options: EinsumOptions, shapes: &[&[usize]]) -> monotile::Result<(usize, usize)> {
    let compiled = einsum.with_options(options).compile(shapes)?;
    let operand = |shape: &&[usize]| Ok(Tensor::from_vec(vec![1.0_f32; shape.iter().product()], shape)?.requires_grad());
    let operands = shapes.iter().map(operand).collect::<monotile::Result<Vec<Tensor>>>()?;
    let operands: Vec<&Tensor> = operands.iter().collect();
    let y = compiled.run(&operands)?;
    let g = Tensor::from_vec(vec![1.0_f32; y.len()], y.shape())?;
    let before = pool::reset_peak();
    drop(vjp(&[(&y, &g)], &operands, BackwardMode::Plain)?);
    let steps = compiled.explain().steps;
    let elements = shapes.iter().map(|s| s.iter().product::<usize>()).sum::<usize>()
        + steps[..steps.len() - 1].iter().map(|s| s.shape.iter().product::<usize>()).sum::<usize>();
    Ok((pool::peak() - before, 4 * elements))
}

// One test: the pool counts for the whole process.
#[test]
fn what_a_plan_holds_never_exceeds_its_limit() {
    const N: usize = 2048;
    const M: usize = 4 * N;
    let cases: [(&str, Vec<&[usize]>); 5] = [
        // The cheapest order makes a large result on the way, another a smaller one.
        ("ab,bc,cd,de->ae", vec![&[8, N], &[N, N], &[N, M], &[M, 8]]),
        ("ai,bi,ci->abc", vec![&[256, 16], &[256, 16], &[256, 16]]),
        // Products of elements that are summed across their layout would be faster in two passes.
        ("ij,ij->j", vec![&[M, N], &[M, N]]),
        // Operands are summed first.
        ("aij,bj,cjk->abc", vec![&[512, 8, 512], &[512, 512], &[16, 512, 4]]),
        ("ai,bj,abk->ijk", vec![&[128, 128], &[128, 128], &[128, 128, 64]]),
    ];
    for (equation, shapes) in cases {
        let einsum = Einsum::new(equation).unwrap();
        let free = (4.0 * einsum.compile(&shapes).unwrap().explain().peak) as usize;
        let mut kept = 0;
        for bytes in (0..=12).map(|k| (free * k).div_ceil(8)) {
            let options =
                EinsumOptions { memory_limit: Some(MemoryLimit { bytes, dtype: DType::F32 }), ..EinsumOptions::default() };
            let Ok(peak) = measured(&einsum, options.clone(), &shapes, false) else { continue };
            // The pool rounds sizes up by an eighth at most.
            let most = bytes + bytes / 8 + PACKED;
            assert!(peak <= most, "{equation}: {peak} bytes under a limit of {bytes}");
            kept += 1;
            // A recorded call makes all sums of single operands first.
            if !equation.starts_with("aij,bj,cjk") {
                let peak = measured(&einsum, options.clone(), &shapes, true).unwrap();
                assert!(peak <= most, "{equation}, recorded: {peak} bytes under a limit of {bytes}");
                let (peak, cotangents) = measured_backward(&einsum, options, &shapes).unwrap();
                let most = most + cotangents + cotangents / 8;
                assert!(peak <= most, "{equation}, backward: {peak} bytes under a limit of {bytes} beside {cotangents}");
            }
        }
        assert!(kept > 0, "{equation}");
        let peak = measured(&einsum, EinsumOptions::default(), &shapes, false).unwrap();
        println!("{equation}: {free} bytes by the plan, {peak} without a limit");
    }
    // Without a limit a recorded call keeps the intermediates that its gradient reads: here one of N x M.
    let chain = Einsum::new("ab,bc,cd->ad").unwrap().with_order(PathMethod::Pairs(vec![(1, 2), (0, 1)]));
    let shapes: [&[usize]; 3] = [&[8, N], &[N, N], &[N, M]];
    let [plain, recorded] = [false, true].map(|recorded| {
        let compiled = chain.compile(&shapes).unwrap();
        let operand = |shape: &[usize]| Tensor::from_vec(vec![1.0_f32; shape.iter().product()], shape).unwrap();
        let x = shapes.map(|s| if recorded { operand(s).requires_grad() } else { operand(s) });
        let before = pool::reset_peak();
        let y = compiled.run(&[&x[0], &x[1], &x[2]]).unwrap();
        let held = pool::reset_peak() - before;
        drop(y);
        held
    });
    assert!(plain < 4 * N * M && recorded >= 4 * N * M, "{plain} and {recorded}");
    // The two passes that no limit allows.
    let einsum = Einsum::new("ij,ij->j").unwrap();
    let both = measured(&einsum, EinsumOptions::default(), &[&[M, N], &[M, N]], false).unwrap();
    assert!(both >= 4 * M * N, "{both} of {}", 4 * M * N);
}
