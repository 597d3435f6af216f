//! What is done with extensions, stated once.

use monotile::{Error, ErrorKind, Result};

use super::json;
use super::notes::Notes;
use super::uri::quoted;

/// What becomes of a file that uses an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Support {
    /// It is drawn.
    Drawn,
    /// It says nothing of the picture.
    Unseen,
    /// The picture is one without it: what that leaves out.
    Without(&'static str),
    /// Without it there is nothing to read: what it compresses.
    Compressed(&'static str),
}

use Support::{Compressed, Drawn, Unseen, Without};

/// Every extension that is known. Of materials more are tolerated: see [`support`].
const KNOWN: [(&str, Support); 33] = [
    ("EXT_mesh_gpu_instancing", Drawn),
    ("KHR_materials_emissive_strength", Drawn),
    ("KHR_materials_unlit", Drawn),
    ("KHR_mesh_quantization", Drawn),
    ("KHR_texture_transform", Drawn),
    ("AGI_stk_metadata", Unseen),
    ("EXT_mesh_features", Unseen),
    ("EXT_structural_metadata", Unseen),
    ("EXT_instance_features", Unseen),
    ("KHR_xmp", Unseen),
    ("KHR_xmp_json_ld", Unseen),
    ("KHR_lights_punctual", Without("its lights are not drawn: every picture has a sun and a sky")),
    ("EXT_lights_ies", Without("its lights are not drawn: every picture has a sun and a sky")),
    ("EXT_lights_image_based", Without("its surroundings are not drawn: every picture has a sun and a sky")),
    ("KHR_materials_variants", Without("its materials are the first ones, and no variants are drawn")),
    ("KHR_materials_pbrSpecularGlossiness", Without("its materials are drawn by their metalness and roughness")),
    ("KHR_animation_pointer", Without("channels that move more than nodes are left out")),
    ("KHR_node_hoverability", Unseen),
    ("KHR_node_selectability", Unseen),
    ("KHR_interactivity", Without("nothing answers to a person")),
    ("KHR_audio_emitter", Unseen),
    ("KHR_texture_basisu", Without("textures in KTX2 are left out")),
    ("EXT_texture_webp", Without("textures in WebP are left out")),
    ("EXT_texture_avif", Without("textures in AVIF are left out")),
    ("MSFT_texture_dds", Without("textures in DDS are left out")),
    ("MSFT_lod", Without("the finest level of detail is drawn")),
    ("MSFT_packing_normalRoughnessMetallic", Without("its packed textures are left out")),
    ("MSFT_packing_occlusionRoughnessMetallic", Without("its packed textures are left out")),
    ("KHR_draco_mesh_compression", Compressed("meshes")),
    ("EXT_meshopt_compression", Compressed("buffers")),
    ("KHR_meshopt_compression", Compressed("buffers")),
    ("KHR_gaussian_splatting", Without("splats are drawn as points")),
    ("GODOT_single_root", Unseen),
];

fn support(name: &str) -> Option<Support> {
    let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, support)| *support);
    // All of them say how light is reflected, on top of what every material has.
    known.or_else(|| name.contains("_materials_").then_some(Without("surfaces are drawn without its effect")))
}

/// Refuses a file that requires what is not known, or what its vertices cannot be read without.
pub fn check(root: &json::Root) -> Result<()> {
    for name in &root.extensions_required {
        let why = match support(name) {
            Some(Drawn | Unseen | Without(_)) => continue,
            Some(Compressed(what)) => format!("which compresses its {what} and is not read"),
            None => "which is not known".to_string(),
        };
        let hint = if why.ends_with("read") { "; export it without compression" } else { "" };
        return Err(Error::new(ErrorKind::Unsupported, format!("it requires the extension {}, {why}{hint}", quoted(name))));
    }
    Ok(())
}

/// What is said of the extensions in use.
pub fn note_unsupported(root: &json::Root, notes: &mut Notes) {
    for name in &root.extensions_used {
        match support(name) {
            // Whether there is something beside what is compressed shows where it is read.
            Some(Drawn | Unseen | Compressed(_)) => {}
            Some(Without(what)) => notes.add_lossy(format!("the extension {} is not drawn: {what}", quoted(name))),
            None => notes.add_lossy(format!("the extension {} is not known and not drawn", quoted(name))),
        }
    }
}

/// The refusal of what an extension compresses, where nothing else is there.
pub fn compressed(name: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("it is compressed by the extension {}, which is not read; export it without compression", quoted(name)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_changes_the_look_is_tolerated_and_what_hides_vertices_is_not() {
        for name in ["KHR_materials_specular", "KHR_materials_variants", "EXT_materials_new", "KHR_lights_punctual"] {
            assert!(matches!(support(name), Some(Without(_))), "{name}");
        }
        assert_eq!(support("KHR_materials_unlit"), Some(Drawn));
        assert!(matches!(support("EXT_meshopt_compression"), Some(Compressed(_))));
        assert_eq!(support("EXT_something"), None);
    }

    #[test]
    fn every_extension_stands_once() {
        for (i, (name, _)) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..i].iter().all(|(other, _)| other != name), "{name}");
        }
    }
}
