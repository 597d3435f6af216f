//! Values of the options of `monotile einsum`.

use monotile::einsum::{Einsum, PathMethod};

#[path = "../../crates/cli/src/commands/files/name.rs"]
mod name;
#[path = "../../crates/cli/src/commands/einsum/options.rs"]
mod options;

pub fn run(text: &str) {
    for refused in [options::minimize(text).err(), options::dtype(text).err(), options::seconds(text).err()] {
        assert!(refused.is_none_or(|sentence| !sentence.is_empty()));
    }
    if let Ok(bytes) = options::bytes(text) {
        assert_eq!(options::bytes(&bytes.to_string()).map(|b| b as f64), Ok(bytes as f64));
    }
    if let Ok(options::Shapes(shapes)) = options::shapes(text) {
        let written = |shape: &Vec<usize>| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let again = shapes.iter().map(written).collect::<Vec<_>>().join(",");
        assert_eq!(options::shapes(&again), Ok(options::Shapes(shapes)));
    }
    if let Some((path, _, member)) = name::split(text) {
        let path = path.to_str().expect("a part of the text");
        assert_eq!(member.map_or(path.to_string(), |member| format!("{path}:{member}")), text);
    }
    if let Ok(order @ PathMethod::Pairs(_)) = options::order(text) {
        // Any pairs are an order of these operands or refused.
        let einsum = Einsum::new("ab,bc,cd->ad").expect("an equation").with_order(order.clone());
        let shapes: [&[usize]; 3] = [&[2, 3], &[3, 4], &[4, 2]];
        match einsum.compile(&shapes) {
            Ok(compiled) => assert_eq!(PathMethod::Pairs(compiled.path()), order),
            Err(error) => assert!(error.to_string().starts_with("einsum \""), "{error}"),
        }
    }
}
