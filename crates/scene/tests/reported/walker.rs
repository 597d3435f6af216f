//! The files of a folder of faults that users met, where it is at hand: what each must come to.

use std::path::{Path, PathBuf};

use monotile_scene::{Framing, Orbit, Pose, Scene, Shot};

use crate::build::lost;
use crate::pictures::{SIZE, covered, difference, drawn, middle, object, shot, through_camera};

/// A folder of cases, or none where the tests run without it.
fn cases(name: &str) -> Option<PathBuf> {
    let cases = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let cases = cases.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"));
    let folder = cases.join("reported").join(name);
    if !folder.is_dir() {
        eprintln!("skipped: there are no files at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// What a file comes to.
enum Right {
    /// It is drawn whole.
    Whole,
    /// It is drawn, and these words say what is left out.
    Without(&'static str),
    /// It is refused in these words.
    Refused(&'static str),
}

use Right::{Refused, Whole, Without};

/// Every file in the folder, and no other.
const FILES: [(&str, Right); 40] = [
    ("anim/weights_on_no_morph.glb", Without("moves nothing that is known and is left out")),
    ("anim2/spike_one_frame.glb", Whole),
    ("big/points_20000.glb", Whole),
    ("cam/parent_shear.glb", Whole),
    ("cam/parent_zero.glb", Whole),
    ("cam/self_scale_zero.glb", Whole),
    ("ext/KHR_materials_specular.glb", Without("the extension \"KHR_materials_specular\" is not drawn")),
    ("ext/KHR_materials_variants.glb", Without("the extension \"KHR_materials_variants\" is not drawn")),
    ("ext/draco_used_not_required.glb", Refused("it is compressed by the extension \"KHR_draco_mesh_compression\"")),
    ("ext/instancing_16_boxes.glb", Whole),
    ("glb/nul_padded_json.glb", Whole),
    ("image/png_truncated.glb", Without("its picture cannot be decoded")),
    ("image/webp_no_ext.glb", Without("it is a WebP picture, and PNG and JPEG are read")),
    ("json/html.gltf", Refused("it is an HTML page and no model")),
    ("json/lfs.glb", Refused("it is a pointer of Git LFS and not the model itself")),
    ("json/name_null.gltf", Whole),
    ("json/version_2.gltf", Refused("it says that it is a file of glTF \"2\", and files that say \"2.0\" are read")),
    ("mask/mask_equal_.5.glb", Whole),
    ("mask/mask_equal_.5_vcolor1.glb", Whole),
    ("mat/blend_alpha1_nested_one_prim.glb", Whole),
    ("mat/texcoord1_u16_u8_missing2_missing0_only1.glb", Without("lack the set of coordinates")),
    ("mirror/blend_skin_first_joint_far.glb", Whole),
    ("mirror/blend_skin_first_joint_near.glb", Whole),
    ("mirror/skin_first_joint_mirrored_unused.glb", Whole),
    ("nan/COLOR_0.glb", Without("colour is no number and counts as white")),
    ("nan/NORMAL.glb", Without("normal is no number: it is made from the triangles around it")),
    ("node/matrix_projective.glb", Refused("its matrix is projective: its last row is")),
    ("node/matrix_w2.glb", Refused("its matrix is projective: its last row is")),
    ("scale/far_5e5_node.glb", Whole),
    ("scale/far_6e6_node.glb", Whole),
    ("scale/huge_1e18.glb", Whole),
    ("scale/sky_5e5.glb", Whole),
    ("scale/tiny_1e-4.glb", Whole),
    ("scale/tiny_1e-9.glb", Whole),
    ("uri/backslash.gltf", Whole),
    ("uri/data_newlines.gltf", Whole),
    ("uri/data_upper.gltf", Whole),
    ("uri/missing.gltf", Without("no such file or folder")),
    ("uri/query.gltf", Whole),
    ("../hostile/gltf/png_11000/m.gltf", Whole),
];

#[test]
fn every_file_is_drawn_or_refused_as_it_should_be() {
    let Some(folder) = cases("gltf") else { return };
    for (name, right) in &FILES {
        let read = Scene::inspect(folder.join(name));
        match (right, read) {
            (Refused(words), Err(error)) => {
                let said = error.to_string();
                assert!(said.contains(words) && said.contains(name) && !said.contains('\n'), "{name}: {said}");
            }
            (Whole, Ok((_, about))) => assert_eq!(lost(&about), Vec::<String>::new(), "{name}"),
            (Without(words), Ok((_, about))) => {
                let lost = lost(&about);
                assert!(lost.len() == 1 && lost[0].contains(words), "{name}: {lost:?}");
            }
            (_, Ok((_, about))) => panic!("{name} is read: {about:?}"),
            (_, Err(error)) => panic!("{name} is refused: {error}"),
        }
    }
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "glb" || e == "gltf") {
                found.push(path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    for name in found {
        assert!(FILES.iter().any(|(known, _)| *known == name), "{name} has no right value here");
    }
}

/// Both renderers draw every file, and something of it is seen.
#[test]
fn every_file_that_is_drawn_fills_its_picture() {
    let Some(folder) = cases("gltf") else { return };
    for (name, _) in FILES.iter().filter(|(name, right)| !matches!(right, Refused(_)) && !name.contains("png_11000")) {
        let (scene, _) = Scene::inspect(folder.join(name)).unwrap();
        let part = covered(&object(&scene));
        assert!(part > 0.02, "{name}: {part}");
        if name.starts_with("scale/") {
            assert!(part > 0.3, "{name}: {part}");
        }
        drawn(&scene, &shot(&scene));
    }
}

#[test]
fn pictures_show_what_they_should() {
    let Some(folder) = cases("gltf") else { return };
    let scene = |name: &str| Scene::open(folder.join(name)).unwrap();
    // The same material at every size and place.
    let tiny = scene("scale/tiny_1e-4.glb");
    let wanted = drawn(&tiny, &shot(&tiny));
    for name in ["scale/tiny_1e-9.glb", "scale/far_5e5_node.glb", "scale/far_6e6_node.glb", "scale/huge_1e18.glb"] {
        let scene = scene(name);
        let apart = difference(&drawn(&scene, &shot(&scene)), &wanted);
        assert!(apart < 0.1, "{name}: {apart}");
    }
    // No holes.
    let whole = covered(&object(&tiny));
    for name in ["mask/mask_equal_.5.glb", "mask/mask_equal_.5_vcolor1.glb", "nan/NORMAL.glb", "nan/COLOR_0.glb"] {
        assert_eq!(covered(&object(&scene(name))), whole, "{name}");
    }
    // What blends is sorted by where it is.
    let front = |name: &str| {
        let scene = scene(name);
        let orbit = Orbit { azimuth: 0.0, elevation: 0.0, ..Orbit::default() };
        middle(&drawn(&scene, &Framing::new(&scene, [Pose::rest(&scene)]).unwrap().shot(&orbit, SIZE).unwrap()))
    };
    assert_eq!(front("mirror/blend_skin_first_joint_far.glb"), front("mirror/blend_skin_first_joint_near.glb"));
    // Cameras see something.
    for name in ["cam/parent_shear.glb", "cam/parent_zero.glb", "cam/self_scale_zero.glb"] {
        let scene = scene(name);
        let part = covered(&drawn(&scene, &through_camera(&scene)));
        assert!((0.02..0.9).contains(&part), "{name}: {part}");
    }
    assert_eq!(scene("ext/instancing_16_boxes.glb").nodes.iter().filter(|node| node.mesh.is_some()).count(), 16);
    // The one frame in which the object is elsewhere is framed with the others.
    let spike = scene("anim2/spike_one_frame.glb");
    let clip = &spike.animations[0];
    let frames = (24.0 * clip.duration).round() as usize;
    let pose = |frame: usize| {
        let mut pose = Pose::rest(&spike);
        clip.sample(frame as f32 / 24.0, &mut pose);
        pose
    };
    let framing = Framing::new(&spike, (0..frames).map(pose)).unwrap();
    for frame in 0..frames {
        let shot = Shot {
            background: monotile_scene::Background::Transparent,
            ground: None,
            ..framing.shot(&Orbit::default(), SIZE).unwrap()
        };
        let picture = monotile_scene::raster::CpuRenderer::new(&spike).draw(&pose(frame), &shot).unwrap();
        assert!(covered(&picture) > 0.0, "frame {frame}");
    }
}
