//! The order of names in tables and files.

use std::cmp::Ordering;

/// The order that a person expects of names with dots: numbers by their size, `layers.2` before `layers.10`, and before words.
pub fn natural_order(one: &str, other: &str) -> Ordering {
    let parts = |name: &str| -> Vec<(u64, String)> {
        // What is no number comes after all that are, in the order of its letters.
        name.split('.').map(|part| (part.parse().unwrap_or(u64::MAX), part.to_string())).collect()
    };
    parts(one).cmp(&parts(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_ordered_by_their_size() {
        let mut names = ["m.10.b", "m.2.b", "lm_head", "m.2.a", "m.norm"];
        names.sort_by(|one, other| natural_order(one, other));
        assert_eq!(names, ["lm_head", "m.2.a", "m.2.b", "m.10.b", "m.norm"]);
    }
}
