//! Numbers on the command line: finite ones within bounds; anything else is wrong usage.

use std::str::FromStr;

/// A number that is finite in its own precision: 1e39 is none in f32.
pub fn finite<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    within(text, |_| true, "a finite number")
}

/// One above 0.
pub fn positive<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    within(text, |x| x > 0.0, "a finite number above 0")
}

/// One that is 0 or above.
pub fn not_negative<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    within(text, |x| x >= 0.0, "a finite number, 0 or above,")
}

/// A part of a whole that is not all of it.
pub fn share(text: &str) -> Result<f64, String> {
    within(text, |x| (0.0..1.0).contains(&x), "a number of at least 0 and below 1")
}

/// A probability that something has.
pub fn probability(text: &str) -> Result<f64, String> {
    within(text, |x| x > 0.0 && x <= 1.0, "a number above 0 and at most 1")
}

/// What factors in f32 are multiplied by.
pub fn scale(text: &str) -> Result<f64, String> {
    within(text, |x| x > 0.0 && x <= f64::from(f32::MAX), "a number above 0 and at most 3.4e38")
}

fn within<T: FromStr + Into<f64> + Copy>(text: &str, holds: impl Fn(f64) -> bool, wanted: &str) -> Result<T, String> {
    let number = text.trim().parse::<T>().ok().filter(|&x| x.into().is_finite() && holds(x.into()));
    number.ok_or_else(|| format!("{wanted} is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parser_takes_what_is_not_finite() {
        for text in ["nan", "inf", "-inf", "1e999", "", "one", "1,5"] {
            let taken = [finite::<f64>, positive, not_negative, share, probability, scale].map(|parse| parse(text).is_ok());
            assert_eq!(taken, [false; 6], "{text:?}");
        }
        assert!(finite::<f32>("1e39").is_err() && finite::<f64>("1e39").is_ok() && scale("1e39").is_err());
    }

    #[test]
    fn bounds_are_as_they_say() {
        assert_eq!(positive::<f64>("0").unwrap_err(), "a finite number above 0 is wanted");
        assert_eq!(not_negative(" 0 "), Ok(0.0_f32));
        assert!(not_negative::<f64>("-1").is_err() && finite::<f64>("-1").is_ok());
        assert_eq!(share("1").unwrap_err(), "a number of at least 0 and below 1 is wanted");
        assert!(share("0").is_ok() && probability("0").is_err() && probability("1").is_ok());
    }
}
