//! An operation of one's own with its gradient: the solution of Kepler's equation, and an orbit that is found by Newton's method.
//!
//! A planet on an ellipse of eccentricity e is at the eccentric anomaly E where E − e sin E = M, and M grows evenly with time. No formula gives
//! E; iterations do, and nobody wants to differentiate those. The implicit function theorem gives the derivatives from the solution alone:
//!
//! ∂E/∂M = 1 / (1 − e cos E),  ∂E/∂e = sin E / (1 − e cos E)
//!
//! The rule below is written in operations of tensors, so that it has derivatives itself: Hessians follow for nothing.
//!
//! ```text
//! cargo run --release -p monotile --example custom_operation
//! ```

use monotile::linalg::solve;
use monotile::tape::{CheckGradientOptions, Gradient, Saved, check_gradient, grad, hessian, hvp};
use monotile::{DType, Error, Result, Tensor};

/// E of Kepler's equation for each mean anomaly and eccentricity of equal shapes, with gradients by both.
fn eccentric_anomaly(m: &Tensor, e: &Tensor) -> Result<Tensor> {
    if m.shape() != e.shape() {
        let (m, e) = (m.shape(), e.shape());
        return Err(Error::shape(format!(
            "eccentric_anomaly: anomalies of shape {m:?} and eccentricities of shape {e:?} must be equal"
        )));
    }
    // Off the tape: how the solution was found does not matter to its derivatives.
    let (plain_m, plain_e) = (m.detach(), e.detach());
    let mut anomaly = plain_m.add(plain_e.mul(plain_m.sin()?)?)?;
    for _ in 0..12 {
        let missed = &anomaly - &plain_e * anomaly.sin()? - &plain_m;
        anomaly = anomaly.sub(missed.div(1.0 - &plain_e * anomaly.cos()?)?)?;
    }
    Ok(Tensor::record(anomaly, &[m, e], Kepler))
}

/// The rule of [`eccentric_anomaly`].
struct Kepler;

impl Gradient for Kepler {
    fn name(&self) -> &'static str {
        "eccentric_anomaly"
    }

    // Ē ↦ M̄ = Ē / (1 − e cos E), ē = sin E M̄
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(cotangent) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (anomaly, e) = (saved.output(0), saved.input(1));
        let of_m = cotangent.div(1.0 - &e * anomaly.cos()?)?;
        let of_e = if saved.needs(1) { Some(anomaly.sin()?.mul(&of_m)?) } else { None };
        Ok(vec![saved.needs(0).then_some(of_m), of_e])
    }

    // The solution and e tell everything; M need not be kept.
    fn keeps_input(&self, i: usize, _needs: &[bool]) -> bool {
        i == 1
    }

    fn keeps_output(&self, _k: usize) -> bool {
        true
    }
}

/// Positions `(n, 2)` at times `(n)` on the orbit (a, e, n, M₀): half its long axis, eccentricity, mean motion, and mean anomaly at time 0.
fn positions(orbit: &Tensor, times: &Tensor) -> Result<Tensor> {
    let [a, e, motion, first] = [0, 1, 2, 3].map(|i| orbit.select(0, i));
    let (a, e) = (a?, e?);
    let anomaly = eccentric_anomaly(&times.mul(&motion?)?.add(&first?)?, &e.expand(times.shape())?)?;
    let x = anomaly.cos()?.sub(&e)?.mul(&a)?;
    let y = (1.0 - e.square()?).sqrt()?.mul(&a)?.mul(anomaly.sin()?)?;
    Tensor::stack(&[x, y], 1)
}

/// The orbit as a picture: the sun at the focus, positions at even times closest where the planet is far and slow.
fn draw(positions: &[f64]) {
    const COLUMNS: usize = 60;
    const LINES: usize = 21;
    let mut canvas = [[' '; COLUMNS]; LINES];
    let cell = |x: f64, y: f64| ((10.5 - y * 10.0) as usize, ((x + 1.7) / 2.4 * COLUMNS as f64) as usize);
    let places = positions.chunks_exact(2).map(|p| (p[0], p[1], 'o')).chain([(0.0, 0.0, '*')]);
    for (x, y, letter) in places {
        let (line, column) = cell(x, y);
        canvas[line][column] = letter;
    }
    canvas.iter().for_each(|line| println!("{}", line.iter().collect::<String>().trim_end()));
}

fn main() -> Result<()> {
    // The rule against central differences, and the rule of the rule.
    let m = Tensor::from(vec![-2.0, 0.0, 0.3, 1.5, 3.0]);
    let e = Tensor::from(vec![0.1, 0.5, 0.9, 0.6, 0.3]);
    let twice = CheckGradientOptions { order: 2, ..Default::default() };
    check_gradient(|x| Ok(vec![eccentric_anomaly(&x[0], &x[1])?]), &[m.clone(), e.clone()], &twice)?;
    println!("The rule agrees with central differences, to second order.");
    let refused = eccentric_anomaly(&m, &e.slice(0, ..2)?).err().map(|e| e.to_string());
    println!("{}\n", refused.expect("shapes that do not fit are refused"));

    // Twenty positions on an orbit, and a search for it from a guess.
    let truth = Tensor::from(vec![1.0, 0.6, 0.9, 0.4]);
    let times = Tensor::linspace(0.0, 6.6, 20, DType::F64)?;
    let seen = positions(&truth, &times)?;
    draw(&seen.to_vec::<f64>()?);
    let loss = |x: &Tensor| positions(x, &times)?.sub(&seen)?.square()?.sum(.., false)?.mul(0.5);

    // H v without H is a column of H where v is a unit vector.
    let orbit = Tensor::from(vec![0.95, 0.55, 0.92, 0.45]);
    let h = hessian(loss, &orbit)?;
    let column = hvp(loss, &orbit, &Tensor::from([0.0, 1.0, 0.0, 0.0]))?;
    let apart = column.sub(h.select(1, 1)?)?.abs()?.max(.., false)?.item::<f64>()?;
    println!("\nThe product of the Hessian with a vector differs from its column by {apart:.0e}.\n");

    // Newton's method: x ← x − H⁻¹ g. The digits that are right double with each step.
    println!("step        loss     furthest number from the truth");
    let mut orbit = orbit;
    let mut off = f64::INFINITY;
    for step in 0..=8 {
        let leaf = orbit.requires_grad();
        let value = loss(&leaf)?;
        off = orbit.sub(&truth)?.abs()?.max(.., false)?.item::<f64>()?;
        println!("{step:4}   {:9.2e}     {off:9.2e}", value.item::<f64>()?);
        let gradient = grad(&value, [&leaf])?.remove(0);
        let h = hessian(loss, &orbit)?;
        orbit = orbit.sub(solve(&h, &gradient.unsqueeze(1)?)?.squeeze(1)?)?;
    }
    assert!(apart < 1e-12, "two ways to one column");
    assert!(off < 1e-12, "the orbit is found to rounding");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
