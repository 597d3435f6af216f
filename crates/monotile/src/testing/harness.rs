//! The checks that every operation must pass.

use std::fs;
use std::panic::Location;
use std::path::Path;

use super::Spec;
use crate::error::Result;
use crate::tape::{BackwardMode, CheckGradientOptions, check_gradient, vjp};
use crate::tensor::{DType, Tensor};

/// Agreement of two computations in f64 that differ in the order of their sums at most.
const F64_TOLERANCE: f64 = 1e-12;

/// Whether a line is in a file's tests, which come last: there the specs call operations. A spec that holds an operation as a value is told
/// the line where that is defined.
fn is_in_tests(place: &Location) -> bool {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let Ok(text) = fs::read_to_string(workspace.join(place.file())) else { return true };
    let tests = text.lines().collect::<Vec<_>>().windows(2).position(|l| l[0] == "#[cfg(test)]" && !l[1].starts_with("use "));
    let definition = text.lines().nth(place.line() as usize - 1).is_some_and(|line| line.trim_start().starts_with("pub fn "));
    definition || tests.is_none_or(|first| place.line() as usize > first)
}

impl Spec {
    /// Whether errors tell the line of the caller. A closure hides it: an operation that refuses in one ends by `placed()`.
    ///
    /// # Errors
    /// The first error whose place is a line of the library.
    pub fn check_places(&self) -> std::result::Result<(), String> {
        let errors = self.refusals.iter().filter_map(|(inputs, _)| (self.operation)(inputs).err());
        match errors.into_iter().find(|error| !is_in_tests(error.place())) {
            Some(error) => Err(format!("{}: {error:?}", self.name)),
            None => Ok(()),
        }
    }

    /// Asks everything of the operation on every sample.
    ///
    /// # Errors
    /// The first thing that does not hold, in a sentence that names the operation, the sample and the check.
    pub fn check(&self) -> std::result::Result<(), String> {
        for (sample, inputs) in &self.samples {
            type Check = fn(&Spec, &[Tensor]) -> Result<std::result::Result<(), String>>;
            let checks: [(&str, Check); 10] = [
                ("reference", Spec::agrees_with_reference),
                ("properties", Spec::keeps_its_properties),
                ("recording", Spec::records_only_when_asked),
                ("layouts", Spec::reads_every_layout),
                ("f32", Spec::agrees_in_f32),
                ("narrow integers", Spec::agrees_in_narrow_integers),
                ("gradient", Spec::has_its_gradient),
                ("needs", Spec::answers_each_need_alone),
                ("absent cotangents", Spec::takes_absent_cotangents),
                ("NaN", Spec::propagates_nan),
            ];
            for (name, check) in checks {
                let outcome = check(self, inputs).map_err(|error| error.to_string()).and_then(|outcome| outcome);
                outcome.map_err(|why| format!("{}, sample \"{sample}\", {name}: {why}", self.name))?;
            }
        }
        for (inputs, words) in &self.refusals {
            match (self.operation)(inputs) {
                Ok(_) => return Err(format!("{}: not refused, but should be: {words}", self.name)),
                Err(error) if error.to_string() != *words => {
                    return Err(format!("{}: refused with\n  {error}\nnot with\n  {words}", self.name));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn agrees_with_reference(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let Some(reference) = &self.reference else { return Ok(Ok(())) };
        let values = inputs.iter().map(Tensor::to_f64_vec).collect::<Result<Vec<_>>>()?;
        let shapes: Vec<_> = inputs.iter().map(|x| x.shape().to_vec()).collect();
        let expected = reference(&values, &shapes);
        let outputs = (self.operation)(inputs)?;
        if outputs.len() != expected.len() {
            return Ok(Err(format!("{} outputs, {} in the reference", outputs.len(), expected.len())));
        }
        let found = numbers(&outputs)?;
        Ok(found.iter().zip(&expected).try_for_each(|(y, e)| close(y, e, F64_TOLERANCE)))
    }

    fn keeps_its_properties(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let outputs = (self.operation)(inputs)?;
        for (name, property) in &self.properties {
            let off = property(inputs, &outputs)?;
            if !(off <= F64_TOLERANCE) {
                return Ok(Err(format!("{name} is off by {off:.3e}")));
            }
        }
        Ok(Ok(()))
    }

    fn records_only_when_asked(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let recorded = (self.operation)(inputs)?.iter().any(Tensor::is_recorded);
        Ok(if recorded { Err("outputs are recorded though no input is".into()) } else { Ok(()) })
    }

    fn reads_every_layout(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let expected = numbers(&(self.operation)(inputs)?)?;
        for (name, layout) in LAYOUTS {
            let same = inputs.iter().map(layout).collect::<Result<Vec<_>>>()?;
            let outputs = numbers(&(self.operation)(&same)?)?;
            if let Err(why) = outputs.iter().zip(&expected).try_for_each(|(y, e)| close(y, e, F64_TOLERANCE)) {
                return Ok(Err(format!("{name} inputs: {why}")));
            }
        }
        Ok(Ok(()))
    }

    fn agrees_in_f32(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let narrow =
            inputs.iter().map(|x| if is_f64(x) { x.to_dtype(DType::F32) } else { Ok(x.clone()) }).collect::<Result<Vec<_>>>()?;
        // The rounding of the inputs is not the operation's: both start from the same numbers.
        let wide = narrow
            .iter()
            .map(|x| if x.dtype() == DType::F32 { x.to_dtype(DType::F64) } else { Ok(x.clone()) })
            .collect::<Result<Vec<_>>>()?;
        let (outputs, expected) = (numbers(&(self.operation)(&narrow)?)?, numbers(&(self.operation)(&wide)?)?);
        Ok(outputs.iter().zip(&expected).try_for_each(|(y, e)| close(y, e, self.tolerance_f32)))
    }

    /// Whether inputs of i64 are read as well where they are i32 and u8, as far as their numbers fit.
    fn agrees_in_narrow_integers(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        if !inputs.iter().any(|x| x.dtype() == DType::I64) {
            return Ok(Ok(()));
        }
        let expected = numbers(&(self.operation)(inputs)?)?;
        for dtype in [DType::I32, DType::U8] {
            let mut narrow = inputs.to_vec();
            for x in narrow.iter_mut().filter(|x| x.dtype() == DType::I64) {
                let cast = x.to_dtype(dtype)?;
                if cast.to_f64_vec()? == x.to_f64_vec()? {
                    *x = cast;
                }
            }
            let outputs = numbers(&(self.operation)(&narrow)?)?;
            if let Err(why) = outputs.iter().zip(&expected).try_for_each(|(y, e)| close(y, e, 0.0)) {
                return Ok(Err(format!("{dtype} inputs: {why}")));
            }
        }
        Ok(Ok(()))
    }

    fn has_its_gradient(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        if self.orders == 0 {
            return Ok(Ok(()));
        }
        let count: usize = inputs.iter().filter(|x| is_f64(x)).map(Tensor::len).sum();
        // As many random directions as inputs determine the whole gradient; three find a wrong rule in large ones.
        let directions = if count <= 64 { count } else { 3 };
        let options = CheckGradientOptions { directions, order: self.orders, tolerance: self.gradient_tolerance, seed: 1 };
        Ok(check_gradient(&self.operation, inputs, &options).map_err(|e| e.to_string()))
    }

    fn answers_each_need_alone(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        if self.orders == 0 {
            return Ok(Ok(()));
        }
        let together = self.vjp_values(inputs, &vec![true; inputs.len()], None)?;
        for i in (0..inputs.len()).filter(|&i| is_f64(&inputs[i])) {
            let mut needs = vec![false; inputs.len()];
            needs[i] = true;
            let alone = self.vjp_values(inputs, &needs, None)?;
            if let Err(why) = close(&alone[i], &together[i], F64_TOLERANCE) {
                return Ok(Err(format!("the gradient of input {i} asked for alone: {why}")));
            }
        }
        Ok(Ok(()))
    }

    fn takes_absent_cotangents(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        let outputs = (self.operation)(inputs)?;
        if self.orders == 0 || outputs.len() < 2 {
            return Ok(Ok(()));
        }
        // The sum over outputs of what each alone pulls back is what all together pull back.
        let all = vec![true; inputs.len()];
        let together = self.vjp_values(inputs, &all, None)?;
        let mut sum: Vec<Vec<f64>> = together.iter().map(|g| vec![0.0; g.len()]).collect();
        for k in 0..outputs.len() {
            for (sum, part) in sum.iter_mut().zip(self.vjp_values(inputs, &all, Some(k))?) {
                sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
            }
        }
        Ok(sum.iter().zip(&together).try_for_each(|(s, t)| close(s, t, F64_TOLERANCE)))
    }

    /// The gradients of Σ ⟨w, y⟩ for fixed weights w, over all outputs or one, with respect to the inputs needed.
    fn vjp_values(&self, inputs: &[Tensor], needs: &[bool], only: Option<usize>) -> Result<Vec<Vec<f64>>> {
        let leaf = |(x, &need): (&Tensor, &bool)| if need && is_f64(x) { x.requires_grad() } else { x.clone() };
        let leaves: Vec<Tensor> = inputs.iter().zip(needs).map(leaf).collect();
        let outputs = (self.operation)(&leaves)?;
        let mut weights = Vec::new();
        for (k, y) in outputs.iter().enumerate() {
            weights.push(crate::Rng::new(5).fork(k as u64).normal(y.shape(), DType::F64)?);
        }
        let chosen = |(k, _): &(usize, (&Tensor, &Tensor))| only.is_none_or(|only| only == *k);
        let float = |(_, (y, _)): &(usize, (&Tensor, &Tensor))| y.dtype().is_float();
        let pairs: Vec<_> = outputs.iter().zip(&weights).enumerate().filter(chosen).filter(float).map(|(_, pair)| pair).collect();
        let targets: Vec<&Tensor> = leaves.iter().filter(|x| x.is_recorded()).collect();
        let mut found = vjp(&pairs, &targets, BackwardMode::Plain)?.into_iter();
        let gradient = |x: &Tensor| match x.is_recorded() {
            true => found.next().flatten().map_or_else(|| Ok(vec![0.0; x.len()]), |g| g.to_f64_vec()),
            false => Ok(Vec::new()),
        };
        leaves.iter().map(gradient).collect()
    }

    fn propagates_nan(&self, inputs: &[Tensor]) -> Result<std::result::Result<(), String>> {
        for i in (0..inputs.len()).filter(|&i| is_f64(&inputs[i]) && !inputs[i].is_empty()) {
            let mut poisoned = inputs.to_vec();
            poisoned[i] = Tensor::full(inputs[i].shape(), f64::NAN)?;
            // Refusing is as good as NaN; what must not happen is a number, a hang or a panic.
            let Ok(outputs) = (self.operation)(&poisoned) else { continue };
            let values = numbers(&outputs)?;
            let lacks =
                |(y, values): (&Tensor, &Vec<f64>)| y.dtype().is_float() && !y.is_empty() && !values.iter().any(|v| v.is_nan());
            let clean = outputs.iter().zip(&values).position(lacks);
            if let (Some(k), true) = (clean, self.propagates_nan) {
                return Ok(Err(format!("input {i} is NaN and output {k} is not")));
            }
        }
        Ok(Ok(()))
    }
}

type Layout = fn(&Tensor) -> Result<Tensor>;

/// The same elements in memory of another order.
const LAYOUTS: [(&str, Layout); 3] = [
    ("transposed", |x| {
        let reversed: Vec<isize> = (0..x.rank() as isize).rev().collect();
        x.permute(&reversed)?.copied_contiguous("copy")?.permute(&reversed)
    }),
    ("reversed", |x| if x.rank() == 0 { Ok(x.clone()) } else { x.flip(-1)?.copied_contiguous("copy")?.flip(-1) }),
    ("strided", |x| {
        // Every second element of twice as many, from the second one on.
        let mut shape = x.shape().to_vec();
        shape.push(2);
        let last = shape.len() as isize - 1;
        x.unsqueeze(-1)?.expand(&shape)?.copied_contiguous("copy")?.select(last, 1)
    }),
];

/// The elements of each.
pub(super) fn numbers(tensors: &[Tensor]) -> Result<Vec<Vec<f64>>> {
    tensors.iter().map(Tensor::to_f64_vec).collect()
}

pub(super) fn is_f64(x: &Tensor) -> bool {
    x.dtype() == DType::F64
}

/// Whether numbers agree relative to the largest, NaN with NaN and infinities with themselves.
pub(super) fn close(got: &[f64], expected: &[f64], tolerance: f64) -> std::result::Result<(), String> {
    if got.len() != expected.len() {
        return Err(format!("{} numbers where {} are expected", got.len(), expected.len()));
    }
    let largest = expected.iter().filter(|x| x.is_finite()).fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (&y, &e)) in got.iter().zip(expected).enumerate() {
        if !(y == e || (y.is_nan() && e.is_nan()) || (y - e).abs() <= tolerance * largest) {
            return Err(format!("element {i} is {y:.17e}, expected {e:.17e}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{Gradient, Saved};
    use crate::testing::normal;

    struct Forgetful;

    impl Gradient for Forgetful {
        fn name(&self) -> &'static str {
            "forgetful"
        }
        fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
            Ok(vec![cotangents[0].clone()])
        }
    }

    fn message(spec: Spec) -> String {
        spec.sample("s", vec![normal(&[2, 3])]).check().unwrap_err()
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        let doubled = |x: &[Tensor]| Ok(vec![x[0].mul_scalar(2.0)?]);
        assert!(
            message(Spec::new("a", doubled).reference(|x| vec![x[0].clone()])).starts_with("a, sample \"s\", reference: element 0")
        );
        let wrong = |x: &[Tensor]| Ok(vec![Tensor::record(x[0].detach().mul_scalar(2.0)?, &[&x[0]], Forgetful)]);
        assert!(message(Spec::new("b", wrong).orders(1)).contains("gradient: check_gradient"));
        let blind = |x: &[Tensor]| Ok(vec![Tensor::ones(x[0].shape(), x[0].dtype()).unwrap()]);
        assert_eq!(message(Spec::new("c", blind)), "c, sample \"s\", NaN: input 0 is NaN and output 0 is not");
        let hasty = |x: &[Tensor]| {
            let strided = if x[0].is_contiguous() { 1.0 } else { 2.0 };
            Ok(vec![x[0].mul_scalar(strided)?])
        };
        assert!(message(Spec::new("d", hasty)).contains("layouts: transposed inputs"));
        let literal = |x: &[Tensor]| {
            let wide = x[1].dtype() == DType::I64;
            Ok(vec![x[0].mul_scalar(if wide { 1.0 } else { 2.0 })?])
        };
        let found = Spec::new("f", literal).sample("s", vec![normal(&[2]), Tensor::from([3_i64])]).check().unwrap_err();
        assert!(found.contains("narrow integers: i32 inputs"), "{found}");
        let refuses = Spec::new("e", doubled).refuses(vec![normal(&[1])], "no");
        assert_eq!(message(refuses), "e: not refused, but should be: no");
    }
}
