//! A test a spec, named after it.

use super::Spec;

/// The tests of the specs that a function of this module returns: `spec_tests!(specs: exp, ln)` makes `spec::exp` and `spec::ln`, so that
/// each runs alone by its name, and `spec::` runs them all. In a test's name `_` stands for what is neither a letter nor a digit; specs that
/// share a name share a test. A spec that the list lacks fails `spec::all_are_listed`, which answers the line to write.
macro_rules! spec_tests {
    ($specs:ident: $($name:ident),* $(,)?) => {
        mod spec {
            $(
                #[test]
                fn $name() {
                    $crate::testing::spec_tests::check(&super::$specs(), stringify!($name));
                }
            )*

            #[test]
            fn all_are_listed() {
                $crate::testing::spec_tests::check_list(&super::$specs(), stringify!($specs), &[$(stringify!($name)),*]);
            }
        }
    };
}
pub(crate) use spec_tests;

/// The name of the test of a spec: `quaternion_inverse` of `quaternion::inverse`.
fn test_name(spec: &Spec) -> String {
    let mut name = String::new();
    for c in spec.name.chars() {
        match c {
            _ if c.is_alphanumeric() => name.extend(c.to_lowercase()),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name
}

/// Asks everything of the specs whose test has this name, and that their errors tell the line of the caller.
#[track_caller]
pub(crate) fn check(specs: &[Spec], name: &str) {
    let named: Vec<&Spec> = specs.iter().filter(|spec| test_name(spec) == name).collect();
    assert!(!named.is_empty(), "no spec is named {name}");
    let failures: Vec<String> = named.iter().flat_map(|spec| [spec.check(), spec.check_places()]).filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Whether each spec has its test, and each test its spec.
#[track_caller]
pub(crate) fn check_list(specs: &[Spec], function: &str, listed: &[&str]) {
    let mut names: Vec<String> = Vec::new();
    for name in specs.iter().map(test_name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let same = names.len() == listed.len() && names.iter().all(|name| listed.contains(&name.as_str()));
    assert!(same, "specs and tests differ; write\ncrate::testing::spec_tests!({function}: {});", names.join(", "));
}

#[cfg(test)]
mod tests {
    use std::panic::{UnwindSafe, catch_unwind};

    use super::*;
    use crate::testing::normal;

    fn specs() -> Vec<Spec> {
        let two = |x: &[crate::Tensor]| Ok(vec![x[0].mul_scalar(2.0)?]);
        let wrong = |spec: Spec| spec.sample("s", vec![normal(&[2])]).reference(|x| x.to_vec());
        vec![Spec::new("twice", two), Spec::new("Twice's faults", two), wrong(Spec::new("twice's -- faults", two))]
    }

    fn message(f: impl FnOnce() + UnwindSafe) -> String {
        *catch_unwind(f).unwrap_err().downcast().unwrap()
    }

    #[test]
    fn a_test_checks_the_specs_of_its_name() {
        check(&specs(), "twice");
        assert!(message(|| check(&specs(), "twice_s_faults")).starts_with("twice's -- faults, sample \"s\", reference: element 0"));
        assert_eq!(message(|| check(&specs(), "thrice")), "no spec is named thrice");
    }

    #[test]
    fn a_spec_without_a_test_and_a_test_without_a_spec_are_found() {
        check_list(&specs(), "specs", &["twice_s_faults", "twice"]);
        let words = "specs and tests differ; write\ncrate::testing::spec_tests!(specs: twice, twice_s_faults);";
        for listed in [&["twice"][..], &["twice", "thrice"], &["twice", "twice_s_faults", "thrice"]] {
            assert_eq!(message(|| check_list(&specs(), "specs", listed)), words);
        }
    }
}
