//! Meshes: attributes, indices, influences, morph targets.

use monotile::{Error, Result};

use super::accessor::Use;
use super::json::{self, Whole};
use super::material::MAX_SETS;
use super::notes::{ImportIssue, Notes};
use super::source::Source;
use super::topology::PrimitiveMode;
use super::{called, fault, pick, surface};
use crate::{Mesh, MorphTarget, Primitive, Scene, SkinWeights, Topology};

/// Reads all meshes, after the materials.
pub fn read(source: &Source<'_>, scene: &mut Scene, notes: &mut Notes) -> Result<()> {
    for (i, mesh) in source.root.meshes.iter().enumerate() {
        let place = called("mesh", i, &mesh.name).to_string();
        let read = one(source, scene, mesh, (&place, notes)).map_err(|e| e.with_context(&place))?;
        scene.meshes.push(read);
    }
    Ok(())
}

/// What a mesh is called, and where what is odd about it goes.
type NotesAt<'a> = (&'a str, &'a mut Notes);

fn one(source: &Source<'_>, scene: &Scene, mesh: &json::Mesh, (place, notes): NotesAt<'_>) -> Result<Mesh> {
    let mut primitives = Vec::with_capacity(mesh.primitives.len());
    let targets = mesh.primitives.first().map_or(0, |p| p.targets.len());
    for (i, primitive) in mesh.primitives.iter().enumerate() {
        let within = |e: Error| e.with_context(format!("primitive {i}"));
        if primitive.targets.len() != targets {
            return Err(within(fault(format!(
                "{} morph targets, where the first primitive has {targets}",
                primitive.targets.len()
            ))));
        }
        let Some(position) = primitive.attributes.get("POSITION") else {
            notes.count(ImportIssue::NoPositions, 1, || place.to_string());
            continue;
        };
        if primitive.extensions.draco.is_some() {
            // Beside what is compressed there may be the same as it is; without bytes it is not.
            let plain = pick(&source.root.accessors, *position, "accessor").map_err(within)?;
            if plain.buffer_view.is_none() && plain.sparse.is_none() {
                return Err(within(super::extensions::compressed("KHR_draco_mesh_compression")));
            }
        }
        primitives.push(part(source, scene, primitive, (place, notes)).map_err(within)?);
    }
    let weights = match mesh.weights.len() {
        0 => vec![0.0; targets],
        n if n == targets => mesh.weights.clone(),
        n => return Err(fault(format!("{n} weights for {targets} morph targets"))),
    };
    Ok(Mesh { name: mesh.name.clone(), primitives, weights })
}

fn part(source: &Source<'_>, scene: &Scene, primitive: &json::Primitive, (place, notes): NotesAt<'_>) -> Result<Primitive> {
    let place = || place.to_string();
    let Some(mode) = PrimitiveMode::from_code(primitive.mode) else {
        let code = primitive.mode.map_or(4, |m| m.0);
        return Err(fault(format!("mode {code}, which glTF does not have")));
    };
    let material = primitive.material.map(|m| pick(&scene.materials, m, "material").map(|_| m.get())).transpose()?;
    let mut p = Primitive { topology: mode.topology(), material, ..Primitive::default() };
    attributes(source, primitive, &mut p, (&place(), notes))?;
    p.influences = influences(source, primitive, p.positions.len(), (&place(), notes))?;
    let (indices, over) = mode.list(indices(source, primitive.indices, p.positions.len())?);
    source.spend(indices.len() as u64, size_of::<u32>())?;
    p.indices = indices;
    notes.count(ImportIssue::LeftOver, over, place);

    if p.normals.is_empty() && p.topology == Topology::Triangles {
        notes.count(ImportIssue::FlatNormals, 1, place);
        p.tangents.clear();
        surface::flatten(source, &mut p)?;
    } else {
        let (long, zero, none) = surface::make_unit(&mut p);
        notes.count(ImportIssue::NormalLength, long, place);
        notes.count(ImportIssue::ZeroNormal, zero, place);
        notes.count(ImportIssue::BadNormal, none, place);
    }
    let textures = material.map(|m| scene.materials[m].textures());
    let lacks = |used: &crate::TextureRef| p.uvs.get(used.uv).is_none_or(Vec::is_empty);
    if textures.iter().flatten().flatten().any(lacks) {
        notes.count(ImportIssue::NoCoordinates, 1, place);
    }
    let map = material.and_then(|m| scene.materials[m].normal_texture);
    if let (Some(map), Topology::Triangles, true) = (map, p.topology, p.tangents.is_empty()) {
        notes.count(ImportIssue::Tangents, 1, place);
        let chosen = surface::tangents(source, &mut p, map.uv)?;
        notes.count(ImportIssue::ZeroTangent, chosen, place);
    }
    Ok(p)
}

fn attributes(source: &Source<'_>, primitive: &json::Primitive, p: &mut Primitive, (place, notes): NotesAt<'_>) -> Result<()> {
    let find = |name: &str| primitive.attributes.get(name).copied();
    let place = || place.to_string();
    fn each<const N: usize>(source: &Source<'_>, (name, at): (&str, Option<Whole>), used: Use) -> Result<Vec<[f32; N]>> {
        at.map_or(Ok(Vec::new()), |at| source.any_floats(at, used).map_err(|e| e.with_context(name)))
    }
    let positions = |at: Option<Whole>| {
        at.map_or(Ok(Vec::new()), |at| source.floats::<3>(at, Use::Value).map_err(|e| e.with_context("POSITION")))
    };
    p.positions = positions(find("POSITION"))?;
    if p.positions.len() > u32::MAX as usize {
        return Err(fault(format!("{} vertices, more than an index can name", p.positions.len())));
    }
    // Those that are no numbers are made with those that are zero.
    p.normals = each(source, ("NORMAL", find("NORMAL")), Use::Value)?;
    p.tangents = each(source, ("TANGENT", find("TANGENT")), Use::Value)?;
    if p.tangents.as_flattened().iter().any(|x| !x.is_finite()) {
        notes.count(ImportIssue::BadTangent, 1, place);
        p.tangents.clear();
    }
    for set in 0..MAX_SETS {
        let name = format!("TEXCOORD_{set}");
        let mut coordinates = each(source, (&name, find(&name)), Use::Value)?;
        notes.count(ImportIssue::BadCoordinates, replaced(&mut coordinates, [0.0; 2]), place);
        p.uvs.push(coordinates);
    }
    let sets = p.uvs.iter().rposition(|set| !set.is_empty()).map_or(0, |last| last + 1);
    p.uvs.truncate(sets);
    p.colors = match find("COLOR_0") {
        Some(at) if pick(&source.root.accessors, at, "accessor").is_ok_and(|a| a.shape == "VEC3") => {
            let opaque = |[r, g, b]: [f32; 3]| [r, g, b, 1.0];
            each(source, ("COLOR_0", Some(at)), Use::Fraction)?.into_iter().map(opaque).collect()
        }
        at => each(source, ("COLOR_0", at), Use::Fraction)?,
    };
    notes.count(ImportIssue::BadColor, replaced(&mut p.colors, [1.0; 4]), place);
    for (i, target) in primitive.targets.iter().enumerate() {
        let find = |name| target.attributes.get(name).copied();
        let within = |e: Error| e.with_context(format!("morph target {i}"));
        let mut directions = |name| {
            let mut list = each(source, (name, find(name)), Use::Value).map_err(within)?;
            notes.count(ImportIssue::BadDifference, replaced(&mut list, [0.0; 3]), place);
            Ok::<_, Error>(list)
        };
        let (normals, tangents) = (directions("NORMAL")?, directions("TANGENT")?);
        p.targets.push(MorphTarget { positions: positions(find("POSITION")).map_err(within)?, normals, tangents });
    }
    for tangent in &mut p.tangents {
        let unit = surface::unit(glam::Vec3::new(tangent[0], tangent[1], tangent[2]).as_dvec3()).unwrap_or(glam::Vec3::X);
        *tangent = [unit.x, unit.y, unit.z, if tangent[3] < 0.0 { -1.0 } else { 1.0 }];
    }
    same_length(p)
}

/// Puts something in the place of vectors that are not finite, and counts them.
fn replaced<const N: usize>(list: &mut [[f32; N]], with: [f32; N]) -> usize {
    let broken = list.iter_mut().filter(|v| !v.iter().all(|x| x.is_finite()));
    broken.map(|v| *v = with).count()
}

/// Every attribute has as many elements as there are positions.
fn same_length(p: &Primitive) -> Result<()> {
    let vertices = p.positions.len();
    let check = |name: &str, length: usize| match length == 0 || length == vertices {
        true => Ok(()),
        false => Err(fault(format!("{name} has {length} elements, and POSITION has {vertices}"))),
    };
    check("NORMAL", p.normals.len())?;
    check("TANGENT", p.tangents.len())?;
    check("COLOR_0", p.colors.len())?;
    p.uvs.iter().enumerate().try_for_each(|(set, uvs)| check(&format!("TEXCOORD_{set}"), uvs.len()))?;
    for (i, target) in p.targets.iter().enumerate() {
        let lengths = [("POSITION", target.positions.len()), ("NORMAL", target.normals.len()), ("TANGENT", target.tangents.len())];
        lengths.iter().try_for_each(|(name, length)| check(&format!("{name} of morph target {i}"), *length))?;
    }
    Ok(())
}

/// The file's indices, or one for every vertex.
fn indices(source: &Source<'_>, at: Option<Whole>, vertices: usize) -> Result<Vec<u32>> {
    let Some(at) = at else {
        source.spend(vertices as u64, size_of::<u32>())?;
        return Ok((0..vertices as u32).collect());
    };
    let indices = source.integers::<1>(at).map_err(|e| e.with_context("indices"))?;
    match indices.iter().position(|&[i]| i as usize >= vertices) {
        Some(bad) => Err(fault(format!("index {bad} names vertex {}, and there are {vertices}", indices[bad][0]))),
        None => Ok(indices.into_iter().flatten().collect()),
    }
}

/// Joints and weights of all sets, four pairs a set; weights sum to one.
fn influences(
    source: &Source<'_>,
    primitive: &json::Primitive,
    vertices: usize,
    (place, notes): NotesAt<'_>,
) -> Result<SkinWeights> {
    let find = |name: &str| primitive.attributes.get(name).copied();
    let mut sets = Vec::new();
    for set in 0.. {
        let names = [format!("JOINTS_{set}"), format!("WEIGHTS_{set}")];
        let (joints, weights) = match (find(&names[0]), find(&names[1])) {
            (None, None) => break,
            (Some(joints), Some(weights)) => (joints, weights),
            (Some(_), None) => return Err(fault(format!("{} without {}", names[0], names[1]))),
            (None, Some(_)) => return Err(fault(format!("{} without {}", names[1], names[0]))),
        };
        let joints = source.integers::<4>(joints).map_err(|e| e.with_context(&names[0]))?;
        let mut weights = source.any_floats::<4>(weights, Use::Fraction).map_err(|e| e.with_context(&names[1]))?;
        let broken = weights.as_flattened_mut().iter_mut().filter(|x| !x.is_finite());
        notes.count(ImportIssue::BadWeight, broken.map(|x| *x = 0.0).count(), || place.to_string());
        for (name, length) in names.iter().zip([joints.len(), weights.len()]) {
            if length != vertices {
                return Err(fault(format!("{name} has {length} elements, and POSITION has {vertices}")));
            }
        }
        sets.push((joints, weights));
    }
    let per_vertex = 4 * sets.len();
    source.spend(vertices as u64, 6 * per_vertex)?;
    let mut all = SkinWeights { per_vertex, ..SkinWeights::default() };
    let (mut uneven, mut negative, mut none) = (0, 0, 0);
    for vertex in 0..if per_vertex == 0 { 0 } else { vertices } {
        let pairs = || sets.iter().flat_map(|(joints, weights)| joints[vertex].into_iter().zip(weights[vertex]));
        negative += pairs().filter(|&(_, w)| w < 0.0).count();
        let sum: f64 = pairs().map(|(_, w)| f64::from(w.max(0.0))).sum();
        uneven += usize::from(sum > 0.0 && (sum - 1.0).abs() > UNEVEN);
        none += usize::from(sum <= 0.0);
        for (slot, (joint, weight)) in pairs().enumerate() {
            let weight = if sum > 0.0 { (f64::from(weight.max(0.0)) / sum) as f32 } else { f32::from(slot == 0) };
            // A pair that counts for nothing may name anything.
            let joint = if weight > 0.0 && sum > 0.0 { joint } else { 0 };
            let narrow = |_| fault(format!("vertex {vertex} follows joint {joint}, and a skin has at most 65536"));
            all.joints.push(u16::try_from(joint).map_err(narrow)?);
            all.weights.push(weight);
        }
    }
    notes.count(ImportIssue::WeightSum, uneven, || place.to_string());
    notes.count(ImportIssue::NegativeWeight, negative, || place.to_string());
    notes.count(ImportIssue::NoWeight, none, || place.to_string());
    Ok(all)
}

/// How far from 1 a sum of weights may be before it is told: four bytes round to that.
const UNEVEN: f64 = 0.01;
