//! SSIM a window at a time, by the means, variances and the covariance of the two pictures.

use crate::ssim::{REACH, STABILIZERS, SsimRule, WINDOW, window};

/// The mean over windows and channels.
pub fn ssim(rule: SsimRule, [x, y]: [&[f64]; 2]) -> f64 {
    let SsimRule { height, width, channels, within } = rule;
    let half = window();
    let weight = |k: usize| half[k.min(WINDOW - 1 - k)];
    let [c1, c2] = STABILIZERS;
    let (mut sum, mut windows) = (0.0, 0);
    let inside = |row: usize, column: usize| (REACH..height + REACH).contains(&row) && (REACH..width + REACH).contains(&column);
    for row in 0..height {
        for column in 0..width {
            if within && !(row >= REACH && column >= REACH && row + REACH < height && column + REACH < width) {
                continue;
            }
            for channel in 0..channels {
                let mut moments = [0.0; 5];
                for i in 0..WINDOW {
                    for j in 0..WINDOW {
                        if inside(row + i, column + j) {
                            let at = ((row + i - REACH) * width + column + j - REACH) * channels + channel;
                            let (x, y, w) = (x[at], y[at], weight(i) * weight(j));
                            let all = [x, y, x * x, y * y, x * y];
                            moments.iter_mut().zip(all).for_each(|(sum, x)| *sum += w * x);
                        }
                    }
                }
                let [mx, my, xx, yy, xy] = moments;
                let (vx, vy, cov) = (xx - mx * mx, yy - my * my, xy - mx * my);
                sum += (2.0 * mx * my + c1) * (2.0 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
                windows += 1;
            }
        }
    }
    sum / f64::from(windows)
}
