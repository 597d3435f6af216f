//! Linear regression against the certified values of the National Institute of Standards and Technology.

use std::fmt::Write;

use monotile::Tensor;
use monotile::stats::{LeastSquares, LeastSquaresOptions, least_squares, polynomial_features};

/// A set of data/nist_regression.txt, whose header says what is in it.
#[derive(Default)]
struct Set {
    name: String,
    model: String,
    coefficients: Vec<f64>,
    deviations: Vec<f64>,
    residual: f64,
    r_squared: f64,
    rows: Vec<Vec<f64>>,
}

fn sets() -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    let numbers = |text: &str| -> Vec<f64> { text.split_whitespace().map(|x| x.parse().unwrap()).collect() };
    for line in include_str!("data/nist_regression.txt").lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (key, rest) = line.split_once(' ').unwrap();
        if key == "set" {
            sets.push(Set { name: rest.to_string(), ..Set::default() });
            continue;
        }
        let set = sets.last_mut().unwrap();
        match key {
            "model" => set.model = rest.to_string(),
            "coefficients" => set.coefficients = numbers(rest),
            "deviations" => set.deviations = numbers(rest),
            "residual" => set.residual = rest.parse().unwrap(),
            "r_squared" => set.r_squared = rest.parse().unwrap(),
            _ => set.rows.push(numbers(line)),
        }
    }
    sets
}

fn fitted(set: &Set) -> LeastSquares {
    let columns = set.rows[0].len() - 1;
    let y: Vec<f64> = set.rows.iter().map(|row| row[0]).collect();
    let x: Vec<f64> = set.rows.iter().flat_map(|row| row[1..].to_vec()).collect();
    let (y, x) = (Tensor::from_slice(&y, &[y.len()]).unwrap(), Tensor::from_slice(&x, &[y.len(), columns]).unwrap());
    let x = match set.model.strip_prefix("polynomial ") {
        Some(degree) => polynomial_features(&x.select(1, 0).unwrap(), degree.parse().unwrap()).unwrap(),
        None => x,
    };
    least_squares(&x, &y, &LeastSquaresOptions { intercept: set.model != "columns without constant" }).unwrap()
}

/// The digits in which all agree: −log₁₀ of the largest relative error, of the absolute one where 0 is certified; at most 15.
fn digits(found: &Tensor, certified: &[f64]) -> f64 {
    let found = found.to_f64_vec().unwrap();
    assert_eq!(found.len(), certified.len());
    let error = |(x, c): (&f64, &f64)| if *c == 0.0 { x.abs() } else { (x - c).abs() / c.abs() };
    let worst = found.iter().zip(certified).map(error).fold(0.0, |m: f64, e| if e.is_nan() { f64::INFINITY } else { m.max(e) });
    (-worst.log10()).clamp(0.0, 15.0)
}

#[test]
fn certified_digits_are_reached() {
    // The digits that coefficients, their standard errors, the residual deviation and R² must have.
    let required = [
        ("Norris", [12.0, 12.0, 12.0, 14.0]),
        ("Pontius", [12.0, 12.0, 12.0, 14.0]),
        ("NoInt1", [14.0, 14.0, 14.0, 14.0]),
        ("NoInt2", [14.0, 14.0, 14.0, 14.0]),
        ("Filip", [7.0, 6.0, 8.0, 9.0]),
        ("Longley", [10.0, 10.0, 12.0, 13.0]),
        ("Wampler1", [9.0, 9.0, 9.0, 14.0]),
        ("Wampler2", [12.0, 12.0, 12.0, 14.0]),
        ("Wampler3", [9.0, 9.0, 12.0, 14.0]),
        ("Wampler4", [9.0, 9.0, 12.0, 14.0]),
        ("Wampler5", [9.0, 9.0, 12.0, 12.0]),
    ];
    let sets = sets();
    assert_eq!(sets.len(), required.len());
    let mut table = String::from("digits     coefficients  deviations  residual    R²\n");
    let mut short = Vec::new();
    for (set, (name, least)) in sets.iter().zip(required) {
        assert_eq!(set.name, name);
        let fit = fitted(set);
        let found = [
            digits(&fit.coefficients, &set.coefficients),
            digits(&fit.standard_errors, &set.deviations),
            digits(&fit.residual_deviation, &[set.residual]),
            digits(&fit.r_squared, &[set.r_squared]),
        ];
        let [b, d, r, q] = found;
        writeln!(table, "{name:<9}  {b:>12.1}  {d:>10.1}  {r:>8.1}  {q:>4.1}").unwrap();
        short.extend(found.iter().zip(least).filter(|(f, l)| *f < l).map(|(f, l)| format!("{name}: {f:.1} of {l} digits")));
    }
    println!("{table}");
    assert!(short.is_empty(), "{}\n{table}", short.join("\n"));
}
