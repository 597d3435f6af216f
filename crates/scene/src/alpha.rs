//! Which fragments of surfaces that blend there are: such that hide what is behind, and such that do not.

use std::collections::HashMap;

use crate::draws::{ALPHA_SLACK, AlphaPart};
use crate::{AlphaMode, Primitive, Scene};

/// The least and the greatest alpha of images that surfaces which blend show, of 255.
pub(crate) struct AlphaRanges {
    images: HashMap<usize, [u8; 2]>,
}

/// Looks through the images.
pub(crate) fn ranges(scene: &Scene) -> AlphaRanges {
    let mut images = HashMap::new();
    for material in scene.materials.iter().filter(|material| material.alpha == AlphaMode::Blend) {
        let Some(used) = material.base_color_texture else { continue };
        let image = scene.textures[used.texture].image;
        images.entry(image).or_insert_with(|| {
            let (texels, _) = scene.images[image].rgba.as_chunks::<4>();
            texels.iter().fold([255, 0], |[least, most], texel| [least.min(texel[3]), most.max(texel[3])])
        });
    }
    AlphaRanges { images }
}

impl AlphaRanges {
    /// The draws that a primitive takes: one, or two where it has fragments of both kinds.
    pub fn parts(&self, scene: &Scene, primitive: &Primitive) -> [Option<AlphaPart>; 2] {
        let material = primitive.material.map(|material| &scene.materials[material]);
        let Some(material) = material.filter(|material| material.alpha == AlphaMode::Blend) else {
            return [Some(AlphaPart::All), None];
        };
        let alphas = || primitive.colors.iter().map(|color| color[3]);
        let mut range = if primitive.colors.is_empty() {
            [1.0, 1.0]
        } else {
            [alphas().fold(f32::MAX, f32::min), alphas().fold(f32::MIN, f32::max)]
        };
        if let Some(used) = material.base_color_texture {
            let bytes = self.images.get(&scene.textures[used.texture].image).copied().unwrap_or([0, 255]);
            range = [0, 1].map(|end| range[end] * f32::from(bytes[end]) / 255.0);
        }
        let [least, most] = range.map(|alpha| alpha * material.base_color[3]);
        let solid = 1.0 - ALPHA_SLACK;
        match (most >= solid, least < solid) {
            (true, true) => [Some(AlphaPart::Solid), Some(AlphaPart::Clear)],
            (true, false) => [Some(AlphaPart::All), None],
            (false, _) => [Some(AlphaPart::Clear), None],
        }
    }
}
