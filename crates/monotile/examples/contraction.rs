//! A sum over eight to the twelfth states by one einsum: Potts' model of a magnet on a grid of three by four sites.
//!
//! Each of twelve sites is in one of q = 8 states. Neighbours in the same state lower the energy by 1, and the partition function
//! Z = Σ exp(β · pairs of equal neighbours) sums over all 8¹² = 6.9 · 10¹⁰ arrangements. With exp(β [s = s′]) = Σ_b L[s, b] L[s′, b] every site is a
//! tensor over the bonds to its neighbours, and Z is a contraction of twelve tensors. One order of pairs takes a million operations, another
//! more than anybody has. The derivative of ln Z by β is the mean number of equal pairs, through the same contraction.
//!
//! ```text
//! cargo run --release -p monotile --example contraction
//! ```

use monotile::einsum::{Einsum, EinsumOptions, MemoryLimit, PathMethod};
use monotile::linalg::cholesky;
use monotile::tape::grad;
use monotile::{DType, Result, Tensor, einsum};

const STATES: usize = 8;

/// Sites by the labels of their bonds: across a b c, d e f and g h i in the three rows, down j k l m and n o p q between them. Those that a
/// chessboard would have black come first; none of them is a neighbour of another, so that from left to right nothing is summed at first.
const GRID: &str = "aj,bcl,deko,fmq,gn,hip,abk,cm,djn,eflp,gho,iq->";

/// Bonds of each site.
fn bonds() -> Vec<usize> {
    let sites = GRID.trim_end_matches("->").split(',');
    sites.map(str::len).collect()
}

/// W[s, s′] = exp(β [s = s′])
fn weights(beta: &Tensor) -> Result<Tensor> {
    Tensor::eye(STATES, DType::F64)?.mul(beta)?.exp()
}

/// The tensors of all sites: Σ_s L[s, b₁] L[s, b₂] … for each bond of a site, with W = L Lᵀ.
fn sites(beta: &Tensor) -> Result<Vec<Tensor>> {
    let l = cholesky(&weights(beta)?)?;
    let site = |bonds: usize| match bonds {
        2 => einsum("sa,sb->ab", &[&l, &l]),
        3 => einsum("sa,sb,sc->abc", &[&l, &l, &l]),
        _ => einsum("sa,sb,sc,sd->abcd", &[&l, &l, &l, &l]),
    };
    bonds().into_iter().map(site).collect()
}

/// ln Z by the transfer matrix instead, column by column of three sites: state (s₁, s₂, s₃) to the next (t₁, t₂, t₃).
fn by_transfer_matrix(beta: &Tensor) -> Result<Tensor> {
    let w = weights(beta)?;
    let within = einsum("ab,bc->abc", &[&w, &w])?;
    let mut column = within.clone();
    for _ in 0..3 {
        column = einsum("abc,ax,by,cz,xyz->xyz", &[&column, &w, &w, &w, &within])?;
    }
    column.sum(&[], false)?.ln()
}

fn main() -> Result<()> {
    let shapes: Vec<Vec<usize>> = bonds().into_iter().map(|bonds| vec![STATES; bonds]).collect();
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let equation = Einsum::new(GRID)?;
    let compiled = equation.compile(&shapes)?;
    println!("{}\n", compiled.explain());

    // The same network in other orders, and with a limit to what lies between the steps.
    println!("{:<24} {:>12} {:>18}", "order", "operations", "elements at once");
    let limited = |bytes| EinsumOptions { memory_limit: Some(MemoryLimit { bytes, dtype: DType::F64 }), ..Default::default() };
    let ordered = |order| EinsumOptions { order, ..Default::default() };
    for (name, options) in [
        ("as found", EinsumOptions::default()),
        ("as found, in 64 KiB", limited(64 << 10)),
        ("greedy", ordered(PathMethod::Greedy)),
        ("left to right", ordered(PathMethod::LeftToRight)),
    ] {
        let plan = equation.with_options(options).compile(&shapes)?.explain();
        println!("{name:<24} {:12.2e} {:18.2e}", plan.operations, plan.peak);
    }
    let refused = equation.with_options(limited(32 << 10)).compile(&shapes).err().map(|e| e.to_string());
    println!("in 32 KiB: {}\n", refused.expect("no order does with so little"));

    // Z and the mean number of equal pairs, as the magnet cools: of 17 pairs, from chance, 17 / 8, to all.
    println!("  β        ln Z    equal pairs of 17");
    let mut pairs = 0.0;
    for step in 0..=8 {
        let beta = Tensor::scalar(0.4 * f64::from(step) + 0.01).requires_grad();
        let tensors = sites(&beta)?;
        let ln_z = compiled.run(&tensors.iter().collect::<Vec<_>>())?.ln()?;
        let again = by_transfer_matrix(&beta)?;
        pairs = grad(&ln_z, &[&beta])?.remove(0).item::<f64>()?;
        let pairs_again = grad(&again, &[&beta])?.remove(0).item::<f64>()?;
        let (ln_z, again) = (ln_z.item::<f64>()?, again.item::<f64>()?);
        println!("{:4.2} {ln_z:11.6} {pairs:11.6}  {}", beta.item::<f64>()?, "#".repeat((2.0 * pairs).round() as usize));
        assert!((ln_z - again).abs() < 1e-10 * again, "{ln_z} by the grid, {again} by columns");
        assert!((pairs - pairs_again).abs() < 1e-8, "{pairs} by the grid, {pairs_again} by columns");
    }
    assert!(pairs > 16.0, "a cold magnet is in one state");
    assert!(compiled.explain().speed_up() > 1e6, "the order decides");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
