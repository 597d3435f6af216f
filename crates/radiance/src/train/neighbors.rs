//! Distances to the nearest points, by a tree that halves boxes (Bentley 1975).

/// Points of a leaf.
const LEAF: usize = 12;

/// The squared distances from each point to its three nearest other ones, in increasing order; ∞ where there are fewer. A point at the same place counts, at 0.
pub(crate) fn nearest_squared(points: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let mut order: Vec<u32> = (0..points.len() as u32).collect();
    let mut tree = Tree { points, nodes: Vec::new() };
    if !points.is_empty() {
        tree.split(&mut order, 0);
    }
    points
        .iter()
        .enumerate()
        .map(|(i, point)| {
            let mut best = [f64::INFINITY; 3];
            tree.search(&order, 0, (i, point), &mut best);
            best
        })
        .collect()
}

/// ½ ln of the mean of the three, which is at least this: what a splat's scales begin as. Where a mean is not finite, for want of points, it is 0.
pub(crate) fn log_scales(points: &[[f64; 3]], least_squared: f64) -> Vec<f64> {
    let scale = |near: [f64; 3]| {
        let there: Vec<f64> = near.into_iter().filter(|x| x.is_finite()).collect();
        let mean = if there.is_empty() { 1.0 } else { there.iter().sum::<f64>() / there.len() as f64 };
        0.5 * mean.max(least_squared).ln()
    };
    nearest_squared(points).into_iter().map(scale).collect()
}

struct Tree<'a> {
    points: &'a [[f64; 3]],
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    /// Its points in the order.
    start: usize,
    end: usize,
    low: [f64; 3],
    high: [f64; 3],
    /// Its halves, if it has any.
    halves: Option<[usize; 2]>,
}

impl Tree<'_> {
    /// Makes a node of points from `start` on, and those below it.
    fn split(&mut self, order: &mut [u32], start: usize) -> usize {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for &i in order.iter() {
            for k in 0..3 {
                low[k] = low[k].min(self.points[i as usize][k]);
                high[k] = high[k].max(self.points[i as usize][k]);
            }
        }
        let at = self.nodes.len();
        self.nodes.push(Node { start, end: start + order.len(), low, high, halves: None });
        if order.len() > LEAF {
            let axis = (0..3).max_by(|&a, &b| (high[a] - low[a]).total_cmp(&(high[b] - low[b]))).unwrap_or(0);
            let middle = order.len() / 2;
            order.select_nth_unstable_by(middle, |&a, &b| self.points[a as usize][axis].total_cmp(&self.points[b as usize][axis]));
            let (left, right) = order.split_at_mut(middle);
            let halves = [self.split(left, start), self.split(right, start + middle)];
            self.nodes[at].halves = Some(halves);
        }
        at
    }

    fn search(&self, order: &[u32], at: usize, (of, point): (usize, &[f64; 3]), best: &mut [f64; 3]) {
        let node = self.nodes[at];
        let Some(halves) = node.halves else {
            for &i in order[node.start..node.end].iter().filter(|&&i| i as usize != of) {
                let other = self.points[i as usize];
                let d = (0..3).map(|k| (other[k] - point[k]).powi(2)).sum::<f64>();
                if d < best[2] {
                    best[2] = d;
                    best.sort_unstable_by(f64::total_cmp);
                }
            }
            return;
        };
        let away = |half: usize| {
            let Node { low, high, .. } = self.nodes[half];
            (0..3).map(|k| (low[k] - point[k]).max(point[k] - high[k]).max(0.0).powi(2)).sum::<f64>()
        };
        let [a, b] = halves.map(away);
        let [near, far] = if a <= b { [(halves[0], a), (halves[1], b)] } else { [(halves[1], b), (halves[0], a)] };
        for (half, distance) in [near, far] {
            if distance < best[2] {
                self.search(order, half, (of, point), best);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::{Purpose, RandomDraws};

    #[test]
    fn distances_are_those_of_a_search_through_all() {
        let draws = RandomDraws::new(1, 0, Purpose::Test);
        for n in [0, 1, 2, 3, 4, 13, 500] {
            let mut points: Vec<[f64; 3]> = (0..n).map(|i| draws.uniform3(i)).collect();
            if n > 20 {
                points[7] = points[3];
            }
            let found = nearest_squared(&points);
            for (i, p) in points.iter().enumerate() {
                let distance = |q: &[f64; 3]| (0..3).map(|k| (q[k] - p[k]).powi(2)).sum::<f64>();
                let mut all: Vec<f64> = points.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, q)| distance(q)).collect();
                all.extend([f64::INFINITY; 3]);
                all.sort_unstable_by(f64::total_cmp);
                assert_eq!(found[i][..], all[..3], "{n} points, {i}");
            }
        }
    }
}
