//! Normals and tangents where a file has none.

use glam::{DVec3, Vec2, Vec3};
use monotile::Result;

use super::source::Source;
use crate::{MorphTarget, Primitive, SkinWeights};

impl Primitive {
    /// Twice the area of a triangle.
    pub(super) fn area(&self, corners: [u32; 3]) -> f64 {
        self.across(corners).length()
    }

    /// A vector along a triangle's normal, as long as twice its area.
    fn across(&self, corners: [u32; 3]) -> DVec3 {
        across(corners.map(|i| self.positions[i as usize]))
    }
}

/// The same of the triangle between these places. In f64, as products of f32 may be too small or too large for it.
fn across(corners: [[f32; 3]; 3]) -> DVec3 {
    let [a, b, c] = corners.map(|p| DVec3::from(p.map(f64::from)));
    (b - a).cross(c - a)
}

/// Gives every triangle vertices of its own, whose normals are the triangle's, as the specification asks where there are none.
pub fn flatten(source: &Source<'_>, p: &mut Primitive) -> Result<()> {
    let size = 12 + 12 + 8 * p.uvs.len() + 16 + 6 * p.influences.per_vertex + 36 * p.targets.len();
    source.spend(p.indices.len() as u64, size)?;
    let from = std::mem::take(&mut p.indices);
    fn gather<T: Copy>(list: &[T], from: &[u32]) -> Vec<T> {
        if list.is_empty() { Vec::new() } else { from.iter().map(|&i| list[i as usize]).collect() }
    }
    let k = p.influences.per_vertex;
    let spread = |&i: &u32| (0..k).map(move |slot| i as usize * k + slot);
    p.influences = SkinWeights {
        per_vertex: k,
        joints: from.iter().flat_map(spread).map(|i| p.influences.joints[i]).collect(),
        weights: from.iter().flat_map(spread).map(|i| p.influences.weights[i]).collect(),
    };
    p.positions = gather(&p.positions, &from);
    p.tangents = gather(&p.tangents, &from);
    p.colors = gather(&p.colors, &from);
    p.uvs = p.uvs.iter().map(|set| gather(set, &from)).collect();
    p.indices = (0..from.len() as u32).collect();
    p.normals = flat(&p.positions);
    for target in &mut p.targets {
        let positions = gather(&target.positions, &from);
        // The change of the flat normal when the target has weight 1; between, the sum is made unit again.
        let moved: Vec<[f32; 3]> =
            p.positions.iter().zip(&positions).map(|(p, d)| (Vec3::from(*p) + Vec3::from(*d)).into()).collect();
        let normals = flat(&moved).iter().zip(&p.normals).map(|(to, from)| (Vec3::from(*to) - Vec3::from(*from)).into()).collect();
        *target = MorphTarget { positions, normals, tangents: Vec::new() };
    }
    Ok(())
}

/// The normal of each triangle, three times.
fn flat(positions: &[[f32; 3]]) -> Vec<[f32; 3]> {
    let normal = |t: &[[f32; 3]]| [unit(across([t[0], t[1], t[2]])).unwrap_or(Vec3::Y).to_array(); 3];
    positions.chunks_exact(3).flat_map(normal).collect()
}

/// Makes normals unit; those that are zero or no numbers become those of the triangles around them. How many were not unit, how many zero, and
/// how many no numbers.
pub fn make_unit(p: &mut Primitive) -> (usize, usize, usize) {
    let (mut long, mut none, mut zero) = (0, 0, Vec::new());
    for (i, normal) in p.normals.iter_mut().enumerate() {
        let n = Vec3::from(*normal);
        none += usize::from(!n.is_finite());
        match unit(n.as_dvec3()) {
            Some(unit) => {
                long += usize::from((n.length() - 1.0).abs() > LOOSE);
                *normal = unit.into();
            }
            None => zero.push(i),
        }
    }
    if !zero.is_empty() {
        let mut around = vec![DVec3::ZERO; p.positions.len()];
        if p.topology == crate::Topology::Triangles {
            for t in p.indices.chunks_exact(3) {
                let across = p.across([t[0], t[1], t[2]]);
                t.iter().for_each(|&i| around[i as usize] += across);
            }
        }
        zero.iter().for_each(|&i| p.normals[i] = unit(around[i]).unwrap_or(Vec3::Y).into());
    }
    (long, zero.len() - none, none)
}

/// How far from 1 a length may be before it is told: what a byte a component rounds to.
pub const LOOSE: f32 = 0.01;

/// Tangents along u, summed over the triangles of each vertex, made orthogonal to its normal. How many had to be chosen.
///
/// MikkTSpace splits vertices where the triangles around them disagree; here they are averaged.
pub fn tangents(source: &Source<'_>, p: &mut Primitive, set: usize) -> Result<usize> {
    source.spend(p.positions.len() as u64, 16 + 48)?;
    let zero = [[0.0; 2]];
    let uvs = p.uvs.get(set).map_or(&zero[..0], |set| &set[..]);
    let uv = |i: u32| uvs.get(i as usize).map_or(Vec2::ZERO, |&uv| Vec2::from(uv)).as_dvec2();
    let mut sums = vec![(DVec3::ZERO, DVec3::ZERO); p.positions.len()];
    for t in p.indices.chunks_exact(3) {
        let [a, b, c] = [t[0], t[1], t[2]].map(|i| Vec3::from(p.positions[i as usize]).as_dvec3());
        let ([e, f], [s, r]) = ([b - a, c - a], [uv(t[1]) - uv(t[0]), uv(t[2]) - uv(t[0])]);
        // e = s.x T + s.y B and f = r.x T + r.y B, up to the determinant; only its sign matters, as the sums are weighted by area.
        let sign = s.perp_dot(r).signum();
        let (along_u, along_v) = ((e * r.y - f * s.y) * sign, (f * s.x - e * r.x) * sign);
        for &i in t {
            sums[i as usize].0 += along_u;
            sums[i as usize].1 += along_v;
        }
    }
    let mut chosen = 0;
    let tangent = |(n, (along_u, along_v)): (&[f32; 3], &(DVec3, DVec3))| {
        let n = Vec3::from(*n);
        let wide = n.as_dvec3();
        let t = unit(*along_u - wide * wide.dot(*along_u)).unwrap_or_else(|| {
            chosen += 1;
            n.any_orthonormal_vector()
        });
        let sign = if n.cross(t).as_dvec3().dot(*along_v) < 0.0 { -1.0 } else { 1.0 };
        [t.x, t.y, t.z, sign]
    };
    p.tangents = p.normals.iter().zip(&sums).map(tangent).collect();
    Ok(chosen)
}

/// A vector of length 1 in the same direction, if it has one.
pub fn unit(v: DVec3) -> Option<Vec3> {
    // The largest component first, so that squares neither overflow nor vanish.
    let largest = v.abs().max_element();
    // The largest passes over a NaN; a vector with one has no direction.
    (largest > 0.0 && v.is_finite()).then(|| (v / largest).normalize().as_vec3())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_is_not_finite_anywhere_has_no_direction() {
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for v in [DVec3::new(wrong, 1.0, 0.0), DVec3::new(1.0, wrong, 0.0), DVec3::new(0.0, 1.0, wrong)] {
                assert_eq!(unit(v), None, "{v}");
            }
        }
        assert_eq!(unit(DVec3::ZERO), None);
        assert_eq!(unit(DVec3::new(0.0, -1e300, 0.0)), Some(Vec3::NEG_Y));
    }
}
