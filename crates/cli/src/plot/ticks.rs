//! Where an axis is marked, and how the marks are written.

use super::AxisScale;

/// Round values within `[low, high]`, about `wanted` of them.
pub fn ticks(scale: AxisScale, low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let inside = |v: &f64| *v >= low * (1.0 - 1e-12) - 1e-300 && *v <= high * (1.0 + 1e-12);
    match scale {
        AxisScale::Linear => linear(low, high, wanted),
        AxisScale::Log2 => {
            let (first, last) = (low.log2().ceil() as i32, high.log2().floor() as i32);
            let stride = usize::try_from((last - first) / wanted as i32 + 1).unwrap_or(1);
            (first..=last).step_by(stride).map(|e| 2f64.powi(e)).collect()
        }
        AxisScale::Log10 => {
            let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
            let decades = high.log10() - low.log10();
            if decades < 0.7 {
                return linear(low, high, wanted);
            }
            let steps: &[f64] = if decades < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let stride = usize::try_from((last - first) / (wanted as i32 + 2) + 1).unwrap_or(1);
            (first..=last).step_by(stride).flat_map(|e| steps.iter().map(move |s| s * 10f64.powi(e))).filter(inside).collect()
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let raw = (high - low) / wanted as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|s| s * power).find(|s| *s >= raw * 0.999).unwrap_or(raw);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// A number as short as it can be without losing what a person reads off an axis.
pub fn label(v: f64) -> String {
    let tidy = |v: f64| {
        let text = format!("{v:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    };
    match v.abs() {
        0.0 => "0".to_string(),
        a if a >= 1e9 => format!("{} G", tidy(v / 1e9)),
        a if a >= 1e6 => format!("{} M", tidy(v / 1e6)),
        a if a >= 1e5 => format!("{} k", tidy(v / 1e3)),
        a if a >= 1e-3 => tidy(v),
        _ => format!("{v:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_inside() {
        assert_eq!(ticks(AxisScale::Linear, 0.0, 300.0, 6), [0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0]);
        assert_eq!(ticks(AxisScale::Log2, 500.0, 17_000.0, 8), [512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0]);
        assert_eq!(ticks(AxisScale::Log10, 0.5, 2000.0, 6), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(AxisScale::Log10, 0.9, 30.0, 6), [1.0, 2.0, 5.0, 10.0, 20.0]);
    }

    #[test]
    fn a_narrow_or_very_wide_range_has_a_handful_of_marks() {
        for (scale, low, high) in [
            (AxisScale::Log10, 2.0, 2.5),
            (AxisScale::Log10, 1e-12, 1e12),
            (AxisScale::Log2, 1.0, 1e30),
            (AxisScale::Linear, 1e-7, 3e-7),
        ] {
            let marks = ticks(scale, low, high, 6);
            assert!((2..=14).contains(&marks.len()), "{scale:?} {low} {high}: {marks:?}");
            assert!(marks.iter().all(|v| *v >= low * 0.999 && *v <= high * 1.001), "{marks:?}");
        }
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.0, 0.25, 16384.0, 3.7e6, 1e-7].map(label), ["0", "0.25", "16384", "3.7 M", "1e-7"]);
    }
}
