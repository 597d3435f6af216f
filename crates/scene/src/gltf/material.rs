//! Materials, textures, and how a texture's coordinates are made.

use monotile::{Error, ErrorKind, Result};

use super::json::{self, Whole};
use super::notes::{ImportIssue, Notes};
use super::source::Source;
use super::{called, fault, image, pick};
use crate::{AlphaMode, Filter, Material, Sampler, Scene, Texture, TextureRef, WrapMode};

/// Reads images, textures and materials.
pub fn read(source: &Source<'_>, scene: &mut Scene, notes: &mut Notes) -> Result<()> {
    let places = textures(source, scene, notes)?;
    for (i, material) in source.root.materials.iter().enumerate() {
        let within = |e: Error| e.within(called("material", i, &material.name));
        scene.materials.push(one(material, &places).map_err(within)?);
    }
    Ok(())
}

/// Reads the textures that have an image, and tells where each of the file is in the scene.
fn textures(source: &Source<'_>, scene: &mut Scene, notes: &mut Notes) -> Result<Vec<Option<usize>>> {
    let root = source.root;
    let mut images = image::Images::new(root.images.len());
    let mut places = Vec::with_capacity(root.textures.len());
    for (i, texture) in root.textures.iter().enumerate() {
        let within = |e: Error| e.within(format!("texture {i}"));
        // Its image may be in a format of an extension.
        let Some(image) = texture.source else {
            notes.count(ImportIssue::EmptyTexture, 1, || format!("texture {i}"));
            places.push(None);
            continue;
        };
        let broken = |why| notes.count(ImportIssue::BrokenImage, 1, || why);
        let image = images.place(source, image, &mut scene.images, broken).map_err(within)?;
        let Some(image) = image else {
            places.push(None);
            continue;
        };
        let sampler = match texture.sampler {
            Some(sampler) => pick(&root.samplers, sampler, "sampler").and_then(read_sampler).map_err(within)?,
            None => DEFAULT_SAMPLER,
        };
        places.push(Some(scene.textures.len()));
        scene.textures.push(Texture { image, sampler });
    }
    let mut wanted = vec![false; root.images.len()];
    root.textures.iter().filter_map(|texture| texture.source).for_each(|image| wanted[image.get()] = true);
    notes.add_unread(wanted.iter().filter(|wanted| !**wanted).count());
    Ok(places)
}

/// What the specification leaves to the reader: the smoothest.
const DEFAULT_SAMPLER: Sampler = Sampler {
    wrap_u: WrapMode::Repeat,
    wrap_v: WrapMode::Repeat,
    magnify: Filter::Linear,
    minify: Filter::Linear,
    mipmap: Some(Filter::Linear),
};

fn read_sampler(sampler: &json::Sampler) -> Result<Sampler> {
    let wrap = |code: Option<Whole>| match code.map_or(10497, |c| c.0) {
        33071 => Ok(WrapMode::Clamp),
        33648 => Ok(WrapMode::Mirror),
        10497 => Ok(WrapMode::Repeat),
        other => Err(fault(format!("wrapping mode {other}, which glTF does not have"))),
    };
    let (nearest, linear) = (Filter::Nearest, Filter::Linear);
    let (minify, mipmap) = match sampler.min_filter.map_or(9987, |c| c.0) {
        9728 => (nearest, None),
        9729 => (linear, None),
        9984 => (nearest, Some(nearest)),
        9985 => (linear, Some(nearest)),
        9986 => (nearest, Some(linear)),
        9987 => (linear, Some(linear)),
        other => return Err(fault(format!("filter {other}, which glTF does not have"))),
    };
    let magnify = match sampler.mag_filter.map_or(9729, |c| c.0) {
        9728 => nearest,
        9729 => linear,
        other => return Err(fault(format!("magnifying filter {other}, which glTF does not have"))),
    };
    Ok(Sampler { wrap_u: wrap(sampler.wrap_s)?, wrap_v: wrap(sampler.wrap_t)?, magnify, minify, mipmap })
}

fn one(m: &json::Material, places: &[Option<usize>]) -> Result<Material> {
    let texture = |info: &Option<json::TextureInfo>| info.as_ref().map_or(Ok(None), |info| reference(info, places));
    let pbr = &m.pbr_metallic_roughness;
    // The older way to say what a surface is: its colour and how smooth it is are kept.
    let older = m.extensions.glossiness.as_ref().filter(|_| pbr.base_color_factor.is_none() && pbr.base_color_texture.is_none());
    let strength = m.extensions.emissive_strength.as_ref().and_then(|e| e.emissive_strength).unwrap_or(1.0);
    let alpha = match m.alpha_mode.as_deref() {
        None | Some("OPAQUE") => AlphaMode::Opaque,
        Some("MASK") => AlphaMode::Mask(m.alpha_cutoff.unwrap_or(0.5)),
        Some("BLEND") => AlphaMode::Blend,
        Some(other) => return Err(fault(format!("alpha mode {}, which glTF does not have", super::uri::quoted(other)))),
    };
    let of_normal = m.normal_texture.as_ref();
    let of_occlusion = m.occlusion_texture.as_ref();
    let material = Material {
        name: m.name.clone(),
        base_color: pbr.base_color_factor.or(older.and_then(|o| o.diffuse_factor)).unwrap_or([1.0; 4]),
        base_color_texture: texture(older.map_or(&pbr.base_color_texture, |o| &o.diffuse_texture))?,
        metallic: pbr.metallic_factor.unwrap_or(if older.is_some() { 0.0 } else { 1.0 }),
        roughness: pbr.roughness_factor.unwrap_or(older.map_or(1.0, |o| 1.0 - o.glossiness_factor.unwrap_or(1.0))),
        metallic_roughness_texture: texture(&pbr.metallic_roughness_texture)?,
        normal_texture: texture(&m.normal_texture)?,
        normal_scale: of_normal.and_then(|info| info.scale).unwrap_or(1.0),
        occlusion_texture: texture(&m.occlusion_texture)?,
        occlusion_strength: of_occlusion.and_then(|info| info.strength).unwrap_or(1.0),
        emissive: m.emissive_factor.unwrap_or_default().map(|e| e * strength),
        emissive_texture: texture(&m.emissive_texture)?,
        alpha,
        double_sided: m.double_sided,
        unlit: m.extensions.unlit.is_some(),
    };
    Ok(material)
}

fn reference(info: &json::TextureInfo, places: &[Option<usize>]) -> Result<Option<TextureRef>> {
    let Some(texture) = *pick(places, info.index, "texture")? else { return Ok(None) };
    let set = info.tex_coord.map_or(0, |set| set.0);
    let (set, transform) = match &info.extensions.transform {
        None => (set, [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        Some(t) => (t.tex_coord.map_or(set, |set| set.0), columns(t)),
    };
    match usize::try_from(set) {
        Ok(uv) if uv < MAX_SETS => Ok(Some(TextureRef { texture, uv, transform })),
        _ => Err(Error::new(ErrorKind::Unsupported, format!("texture coordinates of set {set}, and {MAX_SETS} sets are read"))),
    }
}

/// Sets of texture coordinates.
pub const MAX_SETS: usize = 16;

/// T · R · S. The rotation is counter-clockwise with v downwards, as the specification's text and its example have it.
fn columns(t: &json::TextureTransform) -> [[f32; 2]; 3] {
    let (sin, cos) = t.rotation.sin_cos();
    let [x, y] = t.scale.unwrap_or([1.0; 2]);
    [[cos * x, -sin * x], [sin * y, cos * y], t.offset]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transform_of_coordinates_follows_the_specification_s_example() {
        // "the lower left quadrant of the source image, rotated clockwise 90°"
        let t = json::TextureTransform {
            offset: [0.0, 1.0],
            rotation: std::f32::consts::FRAC_PI_2,
            scale: Some([0.5; 2]),
            tex_coord: None,
        };
        let m = columns(&t);
        let at = |u: f32, v: f32| [0, 1].map(|i| ((m[0][i] * u + m[1][i] * v + m[2][i]) * 100.0).round() / 100.0);
        let corners = [at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)];
        assert_eq!(corners, [[0.0, 1.0], [0.0, 0.5], [0.5, 1.0], [0.5, 0.5]]);
    }
}
