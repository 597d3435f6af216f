//! Words over a picture, as rectangles: capitals, digits and signs of five by seven dots.

use monotile_scene::gpu::Rectangle;

const FONT: &str = include_str!("font.txt");
/// Width of a sign with the gap after it, in dots.
const ADVANCE: usize = 6;
/// Height of a line with the gap under it, in dots.
const LINE: usize = 10;
/// Colour of words, and of what is behind them.
const INK: [u8; 4] = [245, 245, 240, 255];
const PANEL: [u8; 4] = [16, 20, 26, 190];

/// The dots of a sign, row by row; none where the font lacks it.
fn rows(sign: char) -> Option<impl Iterator<Item = &'static str>> {
    let lines: Vec<&'static str> = FONT.lines().collect();
    let at = |band: &[&str]| band[0].chars().position(|c| c == sign.to_ascii_uppercase());
    let band = lines.chunks(8).position(|band| at(band).is_some())?;
    let column = at(&lines[8 * band..])?;
    Some(lines.into_iter().skip(8 * band + 1).take(7).map(move |row| &row[ADVANCE * column..ADVANCE * column + 5]))
}

/// A panel with lines of text, its upper left corner at `at`; a dot is `dot` pixels.
pub fn panel(text: &str, at: [f32; 2], dot: f32) -> Vec<Rectangle> {
    let columns = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let size = [(ADVANCE * columns + 7) as f32 * dot, (LINE * text.lines().count() + 5) as f32 * dot];
    let mut rectangles = vec![Rectangle { edges: [at[0], at[1], at[0] + size[0], at[1] + size[1]], rgba: PANEL }];
    for (row, line) in text.lines().enumerate() {
        for (column, sign) in line.chars().enumerate() {
            let left = at[0] + (4 + ADVANCE * column) as f32 * dot;
            let upper = at[1] + (4 + LINE * row) as f32 * dot;
            for (y, dots) in rows(sign).into_iter().flatten().enumerate() {
                rectangles.extend(runs(dots).map(|[begin, end]| {
                    let y = upper + y as f32 * dot;
                    Rectangle { edges: [left + begin as f32 * dot, y, left + end as f32 * dot, y + dot], rgba: INK }
                }));
            }
        }
    }
    rectangles
}

/// Where stretches of `#` begin and end.
fn runs(dots: &str) -> impl Iterator<Item = [usize; 2]> {
    let set = |i: usize| dots.as_bytes().get(i) == Some(&b'#');
    let begins = (0..dots.len()).filter(move |&i| set(i) && (i == 0 || !set(i - 1)));
    begins.map(move |begin| [begin, (begin..).find(|&i| !set(i)).unwrap_or(dots.len())])
}

/// A cross around a place.
pub fn mark([x, y]: [f32; 2], dot: f32) -> [Rectangle; 4] {
    let (inner, outer, half) = (3.0 * dot, 8.0 * dot, 0.75 * dot);
    let arm = |edges| Rectangle { edges, rgba: [255, 64, 48, 255] };
    [
        arm([x - outer, y - half, x - inner, y + half]),
        arm([x + inner, y - half, x + outer, y + half]),
        arm([x - half, y - outer, x + half, y - inner]),
        arm([x - half, y + inner, x + half, y + outer]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_has_seven_rows_of_five_dots() {
        for band in FONT.lines().collect::<Vec<_>>().chunks(8) {
            for sign in band[0].chars() {
                let rows: Vec<_> = rows(sign).unwrap().collect();
                assert!(rows.len() == 7 && rows.iter().all(|row| row.len() == 5), "{sign}: {rows:?}");
            }
        }
        assert!(rows(' ').is_none());
    }

    #[test]
    fn a_one_is_drawn_where_it_should_be() {
        // One panel, then 1, 1 run for every row of the sign, two dots wide in the second and three in the last.
        let drawn = panel("1", [10.0, 20.0], 2.0);
        assert_eq!(drawn.len(), 1 + 7);
        assert_eq!(drawn[0].edges, [10.0, 20.0, 36.0, 50.0]);
        assert_eq!(drawn[2].edges, [20.0, 30.0, 24.0, 32.0]);
        assert_eq!(drawn[7].edges, [20.0, 40.0, 26.0, 42.0]);
    }
}
