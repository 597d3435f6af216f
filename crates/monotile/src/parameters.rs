//! The tensors of a model by name: listed, saved, read again, updated.

use std::path::Path;

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::io::{SafeTensors, write_safetensors};

/// What holds tensors that are trained: a tensor, lists of such, and a struct of such fields by [`parameters!`](crate::parameters!).
///
/// A name is the path of fields and places, as in PyTorch's `state_dict`: `blocks.0.attention.norm`. The order is that of the fields. Implement
/// [`visit`](Self::visit) and [`visit_mut`](Self::visit_mut) by hand where names differ.
///
/// # Example
/// ```
/// use monotile::{DType, Parameters, Result, Rng, Tensor, optim::{AdamW, AdamWOptions}, parameters, tape::grad};
///
/// parameters! {
///     struct Layer { weight, bias: Option<Tensor> }
/// }
///
/// struct Mlp {
///     layers: Vec<Layer>,
///     scale: f64,
/// }
/// parameters!(Mlp { layers });
///
/// impl Mlp {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         let mut x = x.mul(self.scale)?;
///         for layer in &self.layers {
///             x = monotile::ops::linear(&x.tanh()?, &layer.weight, layer.bias.as_ref())?;
///         }
///         Ok(x)
///     }
/// }
///
/// let mut rng = Rng::new(0);
/// let mut layer = |bias| -> Result<Layer> { Ok(Layer { weight: rng.normal([3, 3], DType::F32)?, bias }) };
/// let mut mlp = Mlp { layers: vec![layer(None)?, layer(Some(Tensor::zeros([3], DType::F32)?))?], scale: 0.5 };
/// mlp.require_gradients();
/// let names: Vec<String> = mlp.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["layers.0.weight", "layers.1.weight", "layers.1.bias"]);
///
/// let mut optimizer = AdamW::new(AdamWOptions::default());
/// let loss = mlp.forward(&Tensor::ones([2, 3], DType::F32)?)?.square()?.mean(.., false)?;
/// let gradients = grad(&loss, mlp.parameters())?;
/// mlp.update(|parameters| optimizer.step(parameters, &gradients))?;
///
/// let path = std::env::temp_dir().join("monotile-parameters.safetensors");
/// mlp.save(&path)?;
/// mlp.load(&path)?;
/// # drop(mlp);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "Module")]
#[doc(alias = "state_dict")]
#[doc(alias = "load_state_dict")]
pub trait Parameters {
    /// Calls `f` with the name of each tensor, which begins with `name`, and the tensor.
    fn visit(&self, name: &str, f: &mut dyn FnMut(&str, &Tensor));

    /// [`visit`](Self::visit) of tensors that may be replaced.
    fn visit_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, &mut Tensor));

    /// The tensors, in order: handles, no copies.
    fn parameters(&self) -> Vec<Tensor> {
        self.named_parameters().into_iter().map(|(_, x)| x).collect()
    }

    /// The tensors with their names, in order.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        self.visit("", &mut |name, x| all.push((name.to_string(), x.clone())));
        all
    }

    /// Makes leaves of the tape of all tensors of floating-point numbers: gradients are wanted with respect to them.
    fn require_gradients(&mut self) {
        self.visit_mut("", &mut |_, x| {
            if x.dtype().is_float() {
                *x = x.requires_grad();
            }
        });
    }

    /// Lets `f` replace the tensors, in their order, as an optimizer's step does. Meanwhile nobody else holds them, so that it can write in their memory.
    ///
    /// # Errors
    /// What `f` returns. The tensors are then as it left them.
    #[track_caller]
    fn update(&mut self, f: impl FnOnce(&mut [Tensor]) -> Result<()>) -> Result<()>
    where
        Self: Sized,
    {
        let mut all = Vec::new();
        self.visit_mut("", &mut |_, x| all.push(std::mem::replace(x, Tensor::scalar(0.0_f32))));
        let outcome = f(&mut all);
        let mut left = all.into_iter();
        self.visit_mut("", &mut |_, x| {
            if let Some(new) = left.next() {
                *x = new;
            }
        });
        outcome
    }

    /// Writes the tensors to a `.safetensors` file, which appears whole or not at all.
    ///
    /// # Errors
    /// If two tensors have one name, or the operating system refuses.
    #[doc(alias = "save_file")]
    #[track_caller]
    fn save(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        let all = self.named_parameters();
        let named: Vec<(&str, &Tensor)> = all.iter().map(|(name, x)| (name.as_str(), x)).collect();
        write_safetensors(path, &named, &[])
    }

    /// Reads the tensors from a `.safetensors` file, in which they stay: it is mapped into memory. Leaves of the tape stay leaves.
    ///
    /// # Errors
    /// If the file has not the same names, shapes and types, in one sentence that tells the first difference: nothing is replaced then. If the operating
    /// system refuses.
    #[doc(alias = "load_file")]
    #[track_caller]
    fn load(&mut self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        let new = read(&self.named_parameters(), &SafeTensors::open(path)?)?;
        let mut new = new.into_iter();
        self.visit_mut("", &mut |_, x| {
            if let Some(new) = new.next() {
                *x = if x.is_recorded() { new.requires_grad() } else { new };
            }
        });
        Ok(())
    }
}

/// The tensors of a file that stand for these, in their order.
#[track_caller]
fn read(own: &[(String, Tensor)], file: &SafeTensors) -> Result<Vec<Tensor>> {
    let path = file.path().display();
    let mut new = Vec::with_capacity(own.len());
    for (name, x) in own {
        let (Some(shape), dtype) = (file.shape(name), file.dtype(name)) else {
            return Err(Error::value(format!("load: {path} has no tensor \"{name}\"")));
        };
        if shape != x.shape() || dtype != Some(x.dtype()) {
            let found = dtype.map_or_else(|| file.stored(name).unwrap_or("an unknown type").to_string(), |dtype| dtype.to_string());
            let (dtype, own) = (x.dtype(), x.shape());
            return Err(Error::shape(format!(
                "load: \"{name}\" is {dtype} of shape {own:?}, and in {path} {found} of shape {shape:?}"
            )));
        }
        new.push(file.tensor(name)?);
    }
    match file.names().find(|name| !own.iter().any(|(own, _)| own == name)) {
        Some(name) => Err(Error::value(format!("load: {path} has a tensor \"{name}\", which there is no place for"))),
        None => Ok(new),
    }
}

/// The name of a field or a place below another name.
#[doc(hidden)]
pub fn joined(name: &str, part: &dyn std::fmt::Display) -> String {
    if name.is_empty() { part.to_string() } else { format!("{name}.{part}") }
}

impl Parameters for Tensor {
    fn visit(&self, name: &str, f: &mut dyn FnMut(&str, &Tensor)) {
        f(name, self);
    }
    fn visit_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, &mut Tensor)) {
        f(name, self);
    }
}

impl<P: Parameters> Parameters for Option<P> {
    fn visit(&self, name: &str, f: &mut dyn FnMut(&str, &Tensor)) {
        if let Some(own) = self {
            own.visit(name, f);
        }
    }
    fn visit_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, &mut Tensor)) {
        if let Some(own) = self {
            own.visit_mut(name, f);
        }
    }
}

impl<P: Parameters> Parameters for [P] {
    fn visit(&self, name: &str, f: &mut dyn FnMut(&str, &Tensor)) {
        self.iter().enumerate().for_each(|(i, own)| own.visit(&joined(name, &i), f));
    }
    fn visit_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, &mut Tensor)) {
        self.iter_mut().enumerate().for_each(|(i, own)| own.visit_mut(&joined(name, &i), f));
    }
}

macro_rules! inner {
    ($(($($p:ident $($n:ident)?)?) $list:ty: $inner:ty;)*) => {$(
        impl<$($p: Parameters $(, const $n: usize)?)?> Parameters for $list {
            fn visit(&self, name: &str, f: &mut dyn FnMut(&str, &Tensor)) {
                <$inner>::visit(self, name, f);
            }
            fn visit_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, &mut Tensor)) {
                <$inner>::visit_mut(self, name, f);
            }
        }
    )*};
}
inner! {
    (P) Vec<P>: [P];
    (P N) [P; N]: [P];
    (P) Box<P>: P;
}

/// A struct of [`Parameters`](crate::Parameters): `parameters! { struct Mlp { w1, b1, layers: Vec<Layer> } }`. A field without a type is a tensor.
///
/// `parameters!(Mlp { w1, b1 });` is for a struct that is defined elsewhere, and names those of its fields that hold tensors.
///
/// # Example
/// ```
/// use monotile::{Parameters, Tensor, parameters};
/// parameters! {
///     struct Line { slope, offset }
/// }
/// let line = Line { slope: Tensor::scalar(2.0), offset: Tensor::scalar(1.0) };
/// assert_eq!(line.named_parameters()[1].0, "offset");
/// ```
#[macro_export]
macro_rules! parameters {
    (@type) => { $crate::Tensor };
    (@type $type:ty) => { $type };
    ($(#[$about:meta])* $visible:vis struct $model:ident {
        $($(#[$of:meta])* $open:vis $field:ident $(: $type:ty)?),* $(,)?
    }) => {
        $(#[$about])*
        $visible struct $model {
            $($(#[$of])* $open $field: $crate::parameters!(@type $($type)?),)*
        }
        $crate::parameters!($model { $($field),* });
    };
    ($model:ty { $($field:ident),* $(,)? }) => {
        impl $crate::Parameters for $model {
            fn visit(&self, name: &str, f: &mut dyn FnMut(&str, &$crate::Tensor)) {
                $($crate::Parameters::visit(&self.$field, &$crate::parameter_name(name, &stringify!($field)), f);)*
            }
            fn visit_mut(&mut self, name: &str, f: &mut dyn FnMut(&str, &mut $crate::Tensor)) {
                $($crate::Parameters::visit_mut(&mut self.$field, &$crate::parameter_name(name, &stringify!($field)), f);)*
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    parameters! {
        /// A tensor and more.
        pub(super) struct Pair { pub(super) first, rest: Vec<Option<Tensor>> }
    }

    struct Model {
        pairs: [Pair; 2],
        classes: Box<Tensor>,
    }
    parameters!(Model { pairs, classes });

    fn model(value: f64) -> Model {
        let x = |size: usize| Tensor::filled([size], value, DType::F32).unwrap();
        let pair = |rest| Pair { first: x(1), rest };
        Model { pairs: [pair(vec![Some(x(2)), None]), pair(vec![])], classes: Box::new(Tensor::from([3_i64])) }
    }

    fn all(model: &Model) -> Vec<f64> {
        model.parameters().iter().flat_map(|x| x.to_f64_vec().unwrap()).collect()
    }

    #[test]
    fn names_are_paths_of_fields_and_places() {
        let names: Vec<String> = model(0.0).named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["pairs.0.first", "pairs.0.rest.0", "pairs.1.first", "classes"]);
    }

    #[test]
    fn what_is_saved_is_read_again_and_leaves_stay_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        model(2.0).save(&path).unwrap();
        let mut other = model(0.0);
        other.require_gradients();
        other.load(&path).unwrap();
        assert_eq!(all(&other), [2.0, 2.0, 2.0, 2.0, 3.0]);
        let recorded: Vec<bool> = other.parameters().iter().map(Tensor::is_recorded).collect();
        assert_eq!(recorded, [true, true, true, false]);
    }

    #[test]
    fn a_file_of_another_model_is_refused_and_nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let shown = path.display();
        let mut own = model(1.0);
        let mut words = |change: fn(&mut Model)| {
            let mut other = model(2.0);
            change(&mut other);
            other.save(&path).unwrap();
            own.load(&path).unwrap_err().to_string()
        };
        assert_eq!(words(|m| m.pairs[0].rest.clear()), format!("load: {shown} has no tensor \"pairs.0.rest.0\""));
        assert_eq!(
            words(|m| m.pairs[1].rest.push(Some(Tensor::scalar(1.0)))),
            format!("load: {shown} has a tensor \"pairs.1.rest.0\", which there is no place for")
        );
        assert_eq!(
            words(|m| m.pairs[1].first = Tensor::scalar(1.0)),
            format!("load: \"pairs.1.first\" is f32 of shape [1], and in {shown} f64 of shape []")
        );
        assert_eq!(all(&own), [1.0, 1.0, 1.0, 1.0, 3.0]);
    }

    #[test]
    fn an_update_that_fails_leaves_every_tensor_in_its_place() {
        let mut own = model(1.0);
        own.update(|all| {
            all[0] = all[0].mul(5.0)?;
            Ok(())
        })
        .unwrap();
        assert!(own.update(|_| Err(Error::value("no"))).is_err());
        assert_eq!(all(&own), [5.0, 1.0, 1.0, 1.0, 3.0]);
    }
}
